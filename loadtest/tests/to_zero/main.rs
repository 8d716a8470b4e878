//! `k8s/keda-to-zero` on a real cluster: from no pod to three and back to none, by the load that clients offer.
//!
//! Needs a cluster with KEDA and `--ignored`, as `tests/cluster` does; `.ci/cluster keda` runs it.

#[allow(dead_code, reason = "the cluster test uses the rest of it")]
#[path = "../support/cluster/mod.rs"]
mod cluster;
#[path = "../support/ending.rs"]
mod ending;

use std::rc::Rc;
use std::time::Duration;

use cluster::observer::NAMESPACE;
use cluster::settings::{Scaler, Settings};
use cluster::transcript::Transcript;
use cluster::workload::{Workload, patiently};
use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{Diagnosis, Outcome};
use loadtest::report::Report;

/// The load, and the time without load in which the pods must be gone: the query's window, the cooldown, and what KEDA and
/// the kubelet take.
const STAGES: [&str; 2] = ["--stage=10rps:2m", "--stage=0rps:4m"];

const JOB: &str = "job/shopfront-loadtest";

/// The longest that a step of the cluster may take.
const PATIENCE: Duration = Duration::from_mins(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: set SHOPFRONT_TEST_KUBECONFIG"]
async fn keda_scales_from_no_pod_to_three_and_back_to_none() {
    let settings = Settings::from_environment("to-zero-transcript.txt");
    assert!(settings.scaler == Scaler::Keda, "needs KEDA: set SHOPFRONT_TEST_SCALER=keda");
    let transcript = Transcript::create(&settings.transcript);
    let workload = Rc::new(Workload::prepare(&settings, transcript.clone()).await);

    // The cluster is restored even after a failure.
    let told = ending::run({
        let workload = workload.clone();
        async move { tell(&workload).await }
    })
    .await;
    if told.is_err() {
        workload.show_what_is_there().await;
    }
    transcript.step("nothing is left behind");
    let removed = workload.remove().await;
    if let Err(error) = told {
        ending::fail(error);
    }
    assert_eq!(removed, Ok(()), "something is left behind");
}

async fn tell(workload: &Workload) {
    let transcript = &workload.transcript;
    transcript.step("1. no pod, because nobody offers load");
    let before = workload.scrape_configuration().await.expect("Prometheus has a configuration");
    workload.apply().await;
    workload.kubectl.run("apply -k k8s/keda-to-zero").await;
    workload.hasten_the_scrape_configuration(&before).await;
    has_pods(workload, 0).await;
    let diagnosis = patiently("the doctor names why", PATIENCE, async || {
        let diagnosis = doctor(workload).await?;
        diagnosis.explains.as_ref().is_some_and(|finding| finding.cause == Cause::ScaledToZero).then_some(diagnosis)
    })
    .await;
    assert_eq!(diagnosis.outcome, Outcome::Healthy);

    transcript.step("2. ten requests per second, and three pods");
    let job = workload.read("loadtest.yml").replace("--stage=10rps:5m", &STAGES.join("\n            - "));
    let job = job.replace("--max-failed=0", "--max-failed=50%");
    let source = format!("k8s/loadtest.yml with {} --max-failed=50%", STAGES.join(" "));
    workload.kubectl.run_with(&source, "replace --force -f -", &job).await;
    has_pods(workload, 3).await;

    transcript.step("3. no load, and no pod");
    has_pods(workload, 0).await;

    transcript.step("4. the report says how long the first request waited");
    let phase = format!("-n {NAMESPACE} get pods -l app=shopfront-loadtest -o jsonpath={{.items[*].status.phase}}");
    workload.kubectl.eventually(PATIENCE * 2, &phase, |phase| phase == "Succeeded").await;
    let journal = workload.kubectl.quietly(&format!("-n {NAMESPACE} logs {JOB}")).await;
    let report = merged(workload, &journal).await;
    let from_zero = report.from_zero.expect("the first request found no pod");
    let waited = from_zero.waited.expect("a request was answered");
    transcript
        .say(format_args!("the first request waited {waited} s; {} requests were lost until then", from_zero.lost));
    assert!(waited > 0.0 && from_zero.lost > 0);
    let replicas = report.replicas.expect("it watched the HPA");
    assert_eq!((replicas.initial, replicas.ready), (0, 3));
    assert_eq!(report.scaling.last().map(|seen| seen.pods), Some(0));
}

/// Waits until so many pods are there, and all of them are ready.
async fn has_pods(workload: &Workload, number: usize) {
    let ready = "jsonpath={.items[*].status.containerStatuses[*].ready}";
    let question = format!("-n {NAMESPACE} get pods -l app=shopfront -o {ready}");
    let done = |answer: &str| answer.split_whitespace().count() == number && !answer.contains("false");
    workload.kubectl.eventually(PATIENCE, &question, done).await;
}

async fn doctor(workload: &Workload) -> Option<Diagnosis> {
    let mut command = workload.kubectl.program(env!("CARGO_BIN_EXE_loadtest"));
    let output = command.args(["doctor", &format!("{NAMESPACE}/shopfront-hpa"), "--json"]).output().await;
    serde_json::from_slice(&output.expect("the doctor can be run").stdout).ok()
}

/// The report that `loadtest merge` makes of a journal.
async fn merged(workload: &Workload, journal: &str) -> Report {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("part.jsonl");
    std::fs::write(&file, journal).expect("the journal can be written");
    let out = folder.path().join("report");
    let mut command = workload.kubectl.program(env!("CARGO_BIN_EXE_loadtest"));
    let output = command.arg("merge").arg(file).arg("--out").arg(&out).output().await.expect("the tool can be run");
    workload.transcript.say(String::from_utf8_lossy(&output.stdout));
    let report = std::fs::read_to_string(out.join("report.json")).expect("there is a report");
    serde_json::from_str(&report).expect("the report is of its schema")
}
