//! A cluster is watched, while it can be and while it cannot: an API server of the test's own, and a real one.
//!
//! The test of the real one needs `SHOPFRONT_TEST_KUBECONFIG` and `--ignored`; it creates a namespace and deletes it.

mod api;
#[path = "../support/kubeconfig.rs"]
mod kubeconfig;
mod line;
mod run;
#[path = "../support/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use api::{Api, Mood, event, pod};
use kubeconfig::kubeconfig;
use line::Line;
use loadtest::journal::{Entry, Feed, ObservedEvent, Scaling};
use loadtest::report::warnings::About;
use loadtest::session;
use run::{Run, Target};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// An HPA whose pods never start: what is watched, not what is loaded.
const OBJECTS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: idle, namespace: NAMESPACE}
spec:
  selector: {matchLabels: {app: idle}}
  template:
    metadata: {labels: {app: idle}}
    spec:
      nodeSelector: {no-node: has-this}
      containers: [{name: idle, image: "idle:1"}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: idle, namespace: NAMESPACE}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: idle}
  maxReplicas: 2
  metrics:
    - type: Pods
      pods: {metric: {name: nobodys}, target: {type: AverageValue, averageValue: "2"}}
"#;

#[tokio::test]
#[ignore = "needs a cluster: set SHOPFRONT_TEST_KUBECONFIG"]
async fn a_restart_of_the_api_server_is_reported() {
    let kubeconfig = kubeconfig();
    let namespace = Namespace::create(&kubeconfig).await;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let line = Line::to_the_server_of(&kubeconfig, folder.path()).await;
    let mut target = Target::start().await;
    let out = folder.path().join("report");
    let mut run = Run::start(&line.kubeconfig, &target.url, &format!("{}/idle", namespace.0), &out);

    run.until(|entry| entry["entry"] == "scaling").await;
    line.cut();
    run.until(|entry| entry["event"] == "watchInterrupted").await;
    line.mend().await;
    run.until(|entry| entry["event"] == "watchResumed").await;
    run.until(|entry| entry["entry"] == "scaling").await;
    // What it loads goes as well.
    target.child.kill().await.expect("it is ours");
    run.until(|entry| entry["failures"].as_object().is_some_and(|causes| !causes.is_empty())).await;
    let (code, journal) = run.end().await;
    assert_eq!(code, Some(1), "requests failed, and none was allowed to");

    let report = session::report(&journal);
    let doubts: Vec<_> = report.warnings.iter().map(|warning| warning.about).collect();
    println!("{doubts:?}");
    assert!(doubts.contains(&About::Watch), "{doubts:?}");
    assert!(out.join("report.html").exists());
    namespace.delete().await;
}

#[tokio::test]
async fn a_busy_api_server_and_the_missed_changes_are_reported() {
    let all = ["hpa", "pods", "events", "apiServer"];
    an_interruption(Mood::Busy, &all, "ServiceUnavailable").await;
}

#[tokio::test]
async fn a_stalled_api_server_and_the_missed_changes_are_reported() {
    // A watch that hangs does not say so.
    an_interruption(Mood::Stalled, &["apiServer"], "no answer within").await;
}

/// The API server is not well for a while, in which a pod goes and another becomes ready.
async fn an_interruption(mood: Mood, broken: &[&'static str], why: &'static str) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let api = Api::start(folder.path()).await;
    let of_before = event("1", "shop-0", "OfBefore");
    api.has(vec![pod("shop-0", true), pod("shop-1", false)], vec![of_before.clone()]);
    let target = Target::start().await;
    let mut run = Run::start(&api.server.kubeconfig, &target.url, api::HPA, &folder.path().join("report"));

    let ready = |count: u64| move |entry: &Value| entry["entry"] == "scaling" && entry["ready"] == count;
    run.until(ready(1)).await;
    api.is(mood);
    let contains = |field: &Value, text: &str| field.as_str().is_some_and(|field| field.contains(text));
    let interrupted = broken.iter().map(|feed| {
        move |entry: &Value| {
            entry["event"] == "watchInterrupted" && entry["feed"] == **feed && contains(&entry["why"], why)
        }
    });
    let interrupted: Vec<_> = interrupted.collect();
    let interrupted: Vec<_> = interrupted.iter().map(|one| one as &dyn Fn(&Value) -> bool).collect();
    run.until_all("what is broken", &interrupted).await;
    api.has(vec![pod("shop-1", true), pod("shop-2", true)], vec![of_before, event("2", "shop-0", "Killing")]);
    api.is(Mood::Well);
    let unseen = |object: &'static str, reason: &'static str| {
        move |entry: &Value| {
            let unseen = contains(&entry["message"], "while the watch was broken");
            entry["object"] == object && entry["reason"] == reason && unseen
        }
    };
    let expected: [&dyn Fn(&Value) -> bool; 6] = [
        &|entry| entry["event"] == "watchResumed",
        &unseen("Pod/shop-0", "Gone"),
        &unseen("Pod/shop-0", "Killing"),
        &unseen("Pod/shop-1", "Ready"),
        &unseen("Pod/shop-2", "Ready"),
        &ready(2),
    ];
    run.until_all("what happened meanwhile", &expected).await;

    let (_, journal) = run.end().await;
    let of_before =
        |event: &&ObservedEvent| matches!(event, ObservedEvent::Object(event) if event.reason == "OfBefore");
    assert_eq!(events(&journal).find(of_before), None);
    let interrupted = journal.iter().position(|entry| is_event(entry, is_interruption)).expect("it was recorded");
    let after = journal.iter().skip(interrupted).find(|entry| matches!(entry, Entry::Scaling(_)));
    assert!(
        matches!(after, Some(Entry::Scaling(seen)) if seen.ready == 2),
        "nothing old is reported as new: {after:?}"
    );
    let doubts: Vec<_> = session::report(&journal).warnings.iter().map(|warning| warning.about).collect();
    assert!(doubts.contains(&About::Watch), "{doubts:?}");
}

#[tokio::test]
async fn unreadable_links_are_reported_with_the_missing_right() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let api = Api::start(folder.path()).await;
    let target = Target::start().await;
    let mut run = Run::start(&api.server.kubeconfig, &target.url, api::HPA, &folder.path().join("report"));
    let contains = |field: &Value, text: &str| field.as_str().is_some_and(|field| field.contains(text));
    let assumed = |texts: [&'static str; 2]| {
        move |entry: &Value| {
            entry["event"] == "assumed" && texts.iter().all(|text| contains(&entry["assumption"], text))
        }
    };
    let unread = |feed: &'static str, why: &'static str| {
        move |entry: &Value| entry["event"] == "unread" && entry["feed"] == feed && contains(&entry["why"], why)
    };
    let expected: [&dyn Fn(&Value) -> bool; 5] = [
        &assumed(["Resource cpu as well", "rate alone is watched"]),
        &assumed(["a window of 120 s", "the right to list servicemonitors.monitoring.coreos.com"]),
        &unread("counters", "the counter's name"),
        &unread("prometheus", "the right to get apiservices.apiregistration.k8s.io"),
        &unread("metricsApi", "the right to get pods/rate of custom.metrics.k8s.io in namespace shops"),
    ];
    run.until_all("what is missing", &expected).await;
    let (_, mut journal) = run.end().await;
    let unread = events(&journal).filter(|event| matches!(event, ObservedEvent::Unread { .. }));
    assert_eq!(unread.count(), 3, "each once");
    let doubt = |journal: &[Entry]| {
        let mut warnings = session::report(journal).warnings.into_iter();
        warnings.find(|warning| warning.about == About::Chain).expect("the report doubts itself").message
    };
    let message = doubt(&journal);
    assert!(message.contains("the right to get pods/rate") && message.contains("a window of 120 s"), "{message}");
    // A metric that is not there at first is read later.
    journal.push(Entry::Scaling(Scaling { api: Some(0.0), ..Scaling::default() }));
    let message = doubt(&journal);
    assert!(message.contains("the pods' counters") && !message.contains("the metrics API"), "{message}");
}

#[tokio::test]
async fn unreadable_events_hide_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let api = Api::start(folder.path()).await;
    api.has(vec![pod("shop-0", true)], Vec::new());
    api.hides_its_events();
    let target = Target::start().await;
    let mut run = Run::start(&api.server.kubeconfig, &target.url, api::HPA, &folder.path().join("report"));
    let refused = |entry: &Value| {
        let right = "the right to list and watch events in namespace shops is missing";
        entry["event"] == "unread" && entry["feed"] == "events" && entry["why"] == right
    };
    run.until_all("the right", &[&refused, &|entry| entry["entry"] == "scaling" && entry["ready"] == 1]).await;
    // A heartbeat later they have been asked for again.
    run.until(|entry| entry["entry"] == "scaling").await;
    let (_, journal) = run.end().await;
    let resumed = |event: &ObservedEvent| matches!(event, ObservedEvent::WatchResumed { .. });
    let broken: Vec<_> = events(&journal).filter(|event| is_interruption(event) || resumed(event)).collect();
    assert!(broken.is_empty(), "{broken:?}");
    let refused = |event: &&ObservedEvent| matches!(event, ObservedEvent::Unread { feed: Feed::Events, .. });
    assert_eq!(events(&journal).filter(refused).count(), 1, "once");
}

#[tokio::test]
async fn a_context_is_one_of_a_kubeconfig_in_a_pod_as_well() {
    let home = tempfile::tempdir().expect("a folder can be made");
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(["run", "--context", "staging"]).env_remove("KUBECONFIG").env("HOME", home.path());
    let ended = command.env("KUBERNETES_SERVICE_HOST", "127.0.0.1").output().await.expect("it runs");
    let said = String::from_utf8(ended.stderr).expect("text");
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("no kubeconfig") && said.contains("--context"), "{said}");
}

/// What happened.
fn events(journal: &[Entry]) -> impl Iterator<Item = &ObservedEvent> {
    journal.iter().filter_map(|entry| match entry {
        Entry::Event(event) => Some(&event.what),
        _ => None,
    })
}

fn is_event(entry: &Entry, is: impl Fn(&ObservedEvent) -> bool) -> bool {
    matches!(entry, Entry::Event(event) if is(&event.what))
}

fn is_interruption(event: &ObservedEvent) -> bool {
    matches!(event, ObservedEvent::WatchInterrupted { .. })
}

struct Namespace(String, PathBuf);

impl Namespace {
    async fn create(kubeconfig: &Path) -> Self {
        let namespace = format!("loadtest-observe-{:08x}", fastrand::u32(..));
        let mut kubectl = kubectl(kubeconfig, &["apply", "-f", "-"]).stdin(Stdio::piped()).spawn().expect("kubectl");
        let objects = OBJECTS.replace("NAMESPACE", &namespace);
        kubectl.stdin.take().expect("a pipe").write_all(objects.as_bytes()).await.expect("kubectl reads");
        assert!(kubectl.wait().await.expect("kubectl ends").success());
        Self(namespace, kubeconfig.to_owned())
    }

    async fn delete(self) {
        let status = kubectl(&self.1, &["delete", "namespace", &self.0, "--timeout=1m"]).status().await;
        assert!(status.expect("kubectl runs").success());
    }
}

impl Drop for Namespace {
    /// Also after a failure; then nobody waits for it.
    fn drop(&mut self) {
        let _ = std::process::Command::new("kubectl")
            .args(["delete", "namespace", &self.0, "--ignore-not-found", "--wait=false"])
            .env("KUBECONFIG", &self.1)
            .stdout(Stdio::null())
            .status();
    }
}

fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("kubectl");
    command.args(arguments).env("KUBECONFIG", kubeconfig).stdout(Stdio::null()).kill_on_drop(true);
    command
}
