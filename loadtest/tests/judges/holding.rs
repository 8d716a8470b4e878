//! Healthy chains: no link is broken, each link is judged, and the figures are there.

use super::diagnose;
use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::State;
use loadtest::doctor::link::Link;
use loadtest::kube::read::Read;
use serde_json::json;

use crate::changed::{answers, state};
use crate::healthy::{self, adapter, keda};
use crate::seen;

#[test]
fn healthy_chain_has_no_broken_link() {
    assert_eq!(diagnose(&healthy::adapter()).broken, None);
    assert_eq!(diagnose(&healthy::keda()).broken, None);
}

#[test]
fn healthy_chain_is_ok_at_each_link() {
    for evidence in [adapter(), keda()] {
        let diagnosis = diagnose(&evidence);
        let lower = diagnosis.links.iter().filter(|result| result.link >= Link::Rule);
        let states: Vec<_> = lower.map(|result| (result.link, result.state)).collect();
        assert!(states.iter().all(|(_, state)| *state == State::Ok), "{:#?}", diagnosis.links);
        // At half the target, the fixture's HPA waits for its stabilisation window.
        assert_eq!(diagnosis.explains.map(|finding| finding.cause), Some(Cause::Stabilised));
    }
}

#[test]
fn healthy_chain_has_figures() {
    let figures = diagnose(&adapter()).figures.unwrap();
    let pace = [figures.scrape, figures.window, figures.relist, figures.sync, figures.target];
    assert_eq!(format!("{pace:?}"), "[5.0, 120.0, 60.0, 15.0, 2.0]");
    assert_eq!((figures.value, figures.idle), (Some(1.0), None), "pods at half the target are not idle");
    // 55 % of the window, plus up to one HPA sync and one scrape.
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
fn unreadable_object_is_a_missing_right_and_no_cause() {
    let mut evidence = adapter();
    let right = "get configmaps in namespace monitoring".to_owned();
    let unread = loadtest::kube::read::Unread { what: "a".into(), why: "403".into(), right: Some(right.clone()) };
    evidence.server.config = Read::Unread(unread);
    assert_eq!(state(&evidence, Link::Rule), State::Unread);
    assert_eq!(diagnose(&evidence).missing_rights, [right]);
    answers(&mut evidence, 403, json!({"message": "forbidden: User \"me\""}));
    assert_eq!(state(&evidence, Link::Answer), State::Unread);
}

#[test]
fn bundle_gets_the_diagnosis_of_its_evidence() {
    let evidence = healthy::adapter();
    let bundle = serde_json::to_string(&evidence).unwrap();
    assert_eq!(diagnose(&serde_json::from_str(&bundle).unwrap()), diagnose(&evidence));
}

#[test]
fn resource_metric_needs_no_prometheus() {
    let mut evidence = healthy::adapter();
    let target = serde_json::json!({"type": "Utilization", "averageUtilization": 80});
    seen(&mut evidence.hpa)["spec"]["metrics"] =
        serde_json::json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
    (evidence.prometheus, evidence.monitors) = Default::default();
    let links = diagnose(&evidence).links;
    for result in &links[1..6] {
        assert_eq!((result.state, result.evidence.as_str()), (State::NotApplicable, "cpu comes from metrics.k8s.io"));
    }
    assert_eq!((links[7].link, links[7].state), (Link::Answer, State::NotApplicable));
    // Without a counter, the requests of each pod are unknown.
    assert_eq!((links[11].link, links[11].state), (Link::Traffic, State::MissingInput));
}
