//! The lab of the doctor: on a real cluster it makes each cause, checks that `loadtest doctor` names it, and runs the
//! printed commands, which must fix it. The doctor must never call a healthy chain broken.
//!
//! Needs a cluster and `--ignored`, as `tests/cluster` does; `.ci/cluster lab` runs it.

mod asking;
mod case;
mod cases;
#[allow(dead_code, reason = "the cluster test uses the rest of it")]
#[path = "../support/cluster/mod.rs"]
mod cluster;
#[path = "../support/ending.rs"]
mod ending;
mod healthy;
mod lab;
mod pairs;
mod table;

use std::rc::Rc;

use case::{Case, Pair};
use cluster::settings::{Scaler, Settings};
use cluster::transcript::Transcript;
use cluster::workload::Workload;
use lab::Lab;
use loadtest::doctor::catalogue::Cause;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: set SHOPFRONT_TEST_KUBECONFIG"]
async fn doctor_names_each_cause_and_its_commands_fix_it() {
    let settings = Settings::from_environment("doctor-transcript.txt");
    let transcript = Transcript::create(&settings.transcript);
    let workload = Workload::prepare(&settings, transcript.clone()).await;
    let lab = Rc::new(Lab::new(settings, workload).await);

    // The cluster is restored even after a failure.
    let outcome = ending::run({
        let lab = lab.clone();
        async move { run(&lab).await }
    })
    .await;
    if outcome.is_err() {
        lab.workload.show_what_is_there().await;
    }
    transcript.step("nothing is left behind");
    lab.undo_all().await;
    let removed = lab.workload.remove().await;
    let restored = lab.check_restored().await;
    let table = lab.table.borrow();
    table.print(&transcript);
    if let Err(error) = outcome {
        transcript.say(format_args!("failed: {error}"));
        ending::fail(error);
    }
    assert_eq!(removed.and(restored), Ok(()), "something is left behind");
    assert_eq!(table.faults(), Vec::<String>::new(), "the doctor was wrong");
    transcript.step("passed");
}

/// Runs the lab while Prometheus gets each new configuration at once.
async fn run(lab: &Lab) {
    tokio::select! {
        () = run_cases(lab) => {}
        () = lab.hand_scrape_configurations_on() => {}
    }
}

/// A healthy chain, each cause, pairs of causes, and load. Or only the selected causes and pairs.
async fn run_cases(lab: &Lab) {
    let (quick, selected) = (lab.settings.quick, selected());
    let whole = selected.is_none();
    let is_selected = |is_quick: bool, causes: &[Cause]| match &selected {
        Some(selected) => selected.iter().any(|selected| selected == causes),
        None => is_quick || !quick,
    };
    let one = |case: &&Case| is_selected(case.quick, &[case.cause]);
    let both = |pair: &&Pair| is_selected(pair.quick, &[pair.near.cause, pair.far.cause]);
    let (cases, pairs, loaded) = match lab.settings.scaler {
        Scaler::Adapter => (cases::adapter(), cases::pairs(), cases::loaded()),
        Scaler::Keda => (cases::keda(), cases::pairs_of_keda(), Vec::new()),
    };
    let answers = if quick { 5 } else { 25 };
    lab.install().await;
    if whole {
        lab.an_idle_chain_is_healthy(answers).await;
    }
    for case in cases.iter().filter(one) {
        lab.run_case(case).await;
    }
    for pair in pairs.iter().filter(both) {
        lab.run_pair(pair).await;
    }
    if whole || loaded.iter().any(|case| one(&case)) {
        lab.a_loaded_chain_is_healthy(answers).await;
    }
    for case in loaded.iter().filter(one) {
        lab.run_case(case).await;
    }
    if whole && !quick {
        lab.a_chain_that_scales_in_is_healthy().await;
    }
}

/// The cases that `SHOPFRONT_TEST_CAUSES` selects: causes by number or name, as `5` or `rule-absent`, and pairs of
/// them, as `5+25`.
fn selected() -> Option<Vec<Vec<Cause>>> {
    let causes = std::env::var("SHOPFRONT_TEST_CAUSES").ok().filter(|causes| !causes.is_empty())?;
    let cause = |text: &str| {
        Cause::find(text).unwrap_or_else(|| panic!("SHOPFRONT_TEST_CAUSES: there is no cause {}", text.trim()))
    };
    Some(causes.split(',').map(|pair| pair.split('+').map(cause).collect()).collect())
}
