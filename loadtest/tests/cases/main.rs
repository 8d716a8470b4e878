//! Workloads as data: each file of this folder is a workload in a namespace of its own, with the answer that
//! `loadtest doctor` must give and what fixes it. As many of them as the nodes have room for are on a real cluster at the
//! same time.
//!
//! Needs a cluster and `--ignored`, as `tests/cluster` does; `.ci/cluster cases` runs it, and `.ci/cluster keda`. With
//! `SHOPFRONT_TEST_SCALER=keda` it takes the cases of KEDA instead. `SHOPFRONT_TEST_CASES=a,b` selects files.
//! `SHOPFRONT_TEST_LOADTEST` names a release build of the load tool to ask: it takes a tenth of the CPU time of the one that
//! cargo builds for the tests.

mod case;
#[allow(dead_code, reason = "the cluster test uses the rest of it")]
#[path = "../support/cluster/mod.rs"]
mod cluster;
#[path = "../support/ending.rs"]
mod ending;
mod run;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use case::{Case, CaseScaler};
use cluster::settings::{Scaler, Settings};
use cluster::transcript::Transcript;
use cluster::workload::Workload;
use futures_util::future::join_all;
use run::{Row, Runner};
use tokio::sync::Semaphore;

/// Doctors and `kubectl apply` that run at the same time. More of them delay the cluster's own parts where cores are few.
const AT_ONCE: usize = 6;

/// Room for pods that is left to rollouts and to HPAs that scale out.
const SPARE_PODS: usize = 10;

#[test]
fn every_case_is_well_formed() {
    let cases = case::all();
    assert!(!cases.is_empty());
    for case in cases {
        assert!(!case.hpa().is_empty(), "{}", case.name);
        let broken = case.answer.outcome == "broken";
        assert!(broken || case.answer.outcome == "healthy", "{}: {} is no outcome", case.name, case.answer.outcome);
        assert!(!broken || case.answer.cause.is_some(), "{}: a broken chain has a cause", case.name);
        case.answer.known_cause();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: set SHOPFRONT_TEST_KUBECONFIG"]
async fn the_doctor_is_right_about_every_case() {
    let settings = Settings::from_environment("cases-transcript.txt");
    let transcript = Transcript::create(&settings.transcript);
    let workload = Rc::new(Workload::prepare(&settings, transcript.clone()).await);
    let selected = std::env::var("SHOPFRONT_TEST_CASES").ok().filter(|names| !names.is_empty());
    let scaler = if settings.scaler == Scaler::Keda { CaseScaler::Keda } else { CaseScaler::Adapter };
    let is_selected = |case: &Case| {
        case.scaler == scaler
            && selected.as_ref().is_none_or(|names| names.split(',').any(|name| name.trim() == case.name))
    };
    let mut cases: Vec<Case> = case::all().into_iter().filter(is_selected).collect();
    // Those that take longest begin.
    cases.sort_by_key(|case| !case.stays_healthy());
    assert!(!cases.is_empty(), "SHOPFRONT_TEST_CASES selects nothing");
    let namespaces: Vec<String> = cases.iter().map(Case::namespace).collect();
    let rows = Rc::new(RefCell::new(Vec::<Row>::new()));

    // The cluster is restored even after a failure.
    let outcome = ending::run({
        let (workload, rows) = (workload.clone(), rows.clone());
        async move {
            workload.apply().await;
            let turns = Semaphore::new(AT_ONCE);
            let room = Semaphore::new(room_for_pods(&workload).await);
            let loadtest = std::env::var_os("SHOPFRONT_TEST_LOADTEST")
                .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_loadtest")), PathBuf::from);
            let (kubectl, image) = (&workload.kubectl, &settings.image);
            let runs = cases.iter().map(|case| {
                let runner = Runner { case, kubectl, image, loadtest: &loadtest, room: &room, turns: &turns };
                let rows = rows.clone();
                async move {
                    let row = runner.run().await;
                    rows.borrow_mut().push(row);
                }
            });
            tokio::select! {
                _ = join_all(runs) => {}
                () = hand_scrape_configurations_on(&workload) => {}
            }
        }
    })
    .await;
    transcript.step("nothing is left behind");
    let delete = format!("delete namespace {} --ignore-not-found --timeout 3m", namespaces.join(" "));
    let deleted = workload.kubectl.attempt(&delete, "").await.map(drop);
    let removed = workload.remove().await;
    rows.borrow_mut().sort_by_key(|row| (row.fault.is_none(), row.name.clone()));
    for row in rows.borrow().iter() {
        transcript.say(row);
    }
    if let Err(error) = outcome {
        ending::fail(error);
    }
    assert_eq!(deleted.and(removed), Ok(()), "something is left behind");
    let rows = rows.borrow();
    let wrong: Vec<String> = rows.iter().filter(|row| row.fault.is_some()).map(ToString::to_string).collect();
    transcript.say(format_args!("{} of {} cases are right", rows.len() - wrong.len(), rows.len()));
    assert!(wrong.is_empty(), "the doctor was wrong:\n{}", wrong.join("\n"));
}

/// The pods that the nodes take beside those that are there.
async fn room_for_pods(workload: &Workload) -> usize {
    let nodes = workload.kubectl.quietly("get nodes -o jsonpath={.items[*].status.allocatable.pods}").await;
    let most: usize = nodes.split_whitespace().map(|pods| pods.parse::<usize>().expect("a number of pods")).sum();
    let pods = workload.kubectl.quietly("get pods --all-namespaces --output name").await;
    most.saturating_sub(pods.lines().count() + SPARE_PODS)
}

/// Gives Prometheus each new configuration at once. The kubelet takes up to two minutes.
async fn hand_scrape_configurations_on(workload: &Workload) {
    let mut turns = tokio::time::interval(std::time::Duration::from_secs(5));
    let mut known = None;
    loop {
        turns.tick().await;
        let now = workload.scrape_configuration().await;
        if now != known {
            workload.hand_the_scrape_configuration_on().await;
            known = now;
        }
    }
}
