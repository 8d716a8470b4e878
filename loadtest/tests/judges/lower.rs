//! The links from the rule on: each cause made in a chain that holds, and what looks like it and is none.

use loadtest::doctor::diagnosis::{Diagnosis, Finding, Link, State};
use loadtest::doctor::evidence::{Answer, Evidence, Read};
use loadtest::doctor::links::subject::Subject;
use loadtest::doctor::{diagnose, questions};
use serde_json::{Value, json};

use crate::healthy::{self, ago};

pub use crate::seen;
pub use healthy::{adapter, keda};

/// Where the adapter's list is.
pub const LIST: &str = "/apis/custom.metrics.k8s.io/v1beta1";

/// What the API answers to the HPA's first metric.
pub fn answers(evidence: &mut Evidence, status: u16, body: Value) {
    let metric = evidence.hpa.seen().unwrap()["spec"]["metrics"][0].clone();
    let path = questions::metric(evidence, &metric).unwrap();
    evidence.answers.insert(path, Answer { status, body });
}

/// No value, and no such metric in the list, as an adapter answers that has no rule, or no series.
pub fn not_found(evidence: &mut Evidence) {
    let list = evidence.answers.get_mut(LIST).unwrap();
    list.body["resources"] = json!([{"name": "pods/other_per_second", "namespaced": true}]);
    let message = "the server could not find the metric http_requests_per_second for pods";
    answers(evidence, 404, json!({"kind": "Status", "message": message, "reason": "NotFound", "code": 404}));
}

/// The metrics API's server was started so long ago.
pub fn server_started(evidence: &mut Evidence, seconds: f64) {
    for pod in seen(&mut evidence.server.pods) {
        pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = json!(ago(seconds));
    }
}

/// The pods are ready for so long.
pub fn ready_for(evidence: &mut Evidence, seconds: f64) {
    for pod in seen(&mut evidence.pods) {
        for condition in pod["status"]["conditions"].as_array_mut().unwrap() {
            condition["lastTransitionTime"] = json!(ago(seconds));
        }
    }
}

/// What Prometheus answers to the query of the HPA's metric.
pub fn results(evidence: &mut Evidence, result: &[Value]) {
    let query = Subject::of(evidence).query.unwrap();
    for replica in &mut evidence.prometheus.replicas {
        replica.queries.insert(query.clone(), Read::Seen(result.to_vec()));
    }
}

/// The adapter's configuration with one text in another's place.
pub fn rewritten(evidence: &mut Evidence, from: &str, to: &str) {
    let document = &mut seen(&mut evidence.server.config)["data"]["config.yaml"];
    let text = document.as_str().unwrap().to_owned();
    assert!(text.contains(from), "{text}");
    *document = json!(text.replace(from, to));
}

/// What is found broken at this link, and nothing above it.
pub fn broken(evidence: &Evidence, link: Link) -> Finding {
    let Diagnosis { rungs, broken, .. } = diagnose(evidence);
    let rung = rungs.iter().find(|rung| rung.state == State::Broken);
    assert_eq!(rung.map(|rung| rung.link), Some(link), "{rungs:#?}");
    broken.unwrap()
}

/// The number of the cause at this link, and the commands that mend it.
pub fn cause(evidence: &Evidence, link: Link) -> (u8, String) {
    let finding = broken(evidence, link);
    (finding.cause.number(), finding.fix.commands.join("\n"))
}

/// That nothing is broken; how this link is.
pub fn state(evidence: &Evidence, link: Link) -> State {
    let Diagnosis { rungs, broken, .. } = diagnose(evidence);
    assert_eq!(broken, None, "{rungs:#?}");
    rungs.iter().find(|rung| rung.link == link).unwrap().state
}

#[test]
fn a_chain_that_holds_holds_at_each_link() {
    for evidence in [adapter(), keda()] {
        let diagnosis = diagnose(&evidence);
        let lower = diagnosis.rungs.iter().filter(|rung| rung.link >= Link::Rule);
        let states: Vec<_> = lower.map(|rung| (rung.link, rung.state)).collect();
        assert!(states.iter().all(|(_, state)| *state == State::Holds), "{:#?}", diagnosis.rungs);
        assert_eq!(diagnosis.explains, None);
    }
}

#[test]
fn a_chain_that_holds_has_its_figures() {
    let figures = diagnose(&adapter()).figures.unwrap();
    let pace = [figures.scrape, figures.window, figures.relist, figures.sync, figures.target];
    assert_eq!(format!("{pace:?}"), "[5.0, 120.0, 60.0, 15.0, 2.0]");
    assert_eq!((figures.value, figures.idle), (Some(1.0), None), "a load of half the target is no idle pod");
    // Eleven twentieths of the window, and up to a look of the HPA and a scrape.
    let (earliest, latest) = figures.delay;
    assert!(60.0 < earliest && earliest < latest && latest < 100.0, "{earliest} to {latest}");
    let keda = diagnose(&keda()).figures.unwrap();
    assert_eq!((keda.window, keda.relist), (60.0, 0.0));
    assert!(keda.delay.0 < earliest);
    let mut idle = adapter();
    for page in &mut idle.pages {
        page.second = page.first.clone();
    }
    assert_eq!(diagnose(&idle).figures.unwrap().idle, Some(0.0));
}

#[test]
fn what_may_not_be_read_is_told_and_no_fault() {
    let mut evidence = adapter();
    let right = "get configmaps in namespace monitoring".to_owned();
    let unread = loadtest::doctor::evidence::Unread { what: "a".into(), why: "403".into(), right: Some(right.clone()) };
    evidence.server.config = Read::Unread(unread);
    assert_eq!(state(&evidence, Link::Rule), State::Unknown);
    assert_eq!(diagnose(&evidence).missing_rights, [right]);
    answers(&mut evidence, 403, json!({"message": "forbidden: User \"me\""}));
    assert_eq!(state(&evidence, Link::Answer), State::Unknown);
}
