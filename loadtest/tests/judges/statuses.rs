//! Results that are neither ok nor broken: not applicable, pending with the time to wait, a missing input or right, and
//! blocked by another link.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{Finding, Input, Link, LinkResult, State, Status};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::links;
use loadtest::kube::read::{Read, Unread};
use serde_json::json;

use crate::changed::{answers, conditions, not_found, ready_for, server_started};
use crate::healthy::{adapter, ago, keda};
use crate::{broken_cause, diagnose, seen};

fn result(evidence: &Evidence, link: Link) -> LinkResult {
    let diagnosis = diagnose(evidence);
    assert_eq!(diagnosis.broken, None, "{:#?}", diagnosis.links);
    diagnosis.links.into_iter().find(|result| result.link == link).unwrap()
}

/// A chain whose metrics API has just started. The HPA has reported for this long that it cannot read its metric.
fn unreadable(seconds: f64) -> Evidence {
    let mut evidence = adapter();
    answers(&mut evidence, 200, json!({"items": []}));
    server_started(&mut evidence, 20.0);
    conditions(&mut evidence, "FailedGetPodsMetric", "unable to get metric x: no metrics returned", seconds);
    evidence
}

#[test]
fn pending_link_says_how_long_to_wait() {
    // Two syncs of 15 s, of which 8 s have passed.
    let evidence = unreadable(8.0);
    assert_eq!(result(&evidence, Link::Condition).wait, Some(22.0));
    // Discovery 6 s, two scrapes of 5 s, a margin of 5 s, and a relist of 60 s, of which 20 s have passed.
    let mut evidence = adapter();
    not_found(&mut evidence);
    server_started(&mut evidence, 20.0);
    let answer = result(&evidence, Link::Answer);
    assert_eq!((answer.state, answer.wait), (State::Pending, Some(61.0)));
    // Half a minute and two scrapes of 5 s, of which 10 s have passed.
    let mut evidence = adapter();
    ready_for(&mut evidence, 10.0);
    assert_eq!(result(&evidence, Link::Series).wait, Some(30.0));
}

#[test]
fn wrong_clock_limits_the_wait_to_a_day() {
    assert_eq!(result(&unreadable(-1e9), Link::Condition).wait, Some(86_400.0));
}

#[test]
fn missing_hpa_is_a_missing_input() {
    let mut evidence = adapter();
    evidence.hpa = Read::Absent;
    evidence.hpas = Read::NotAsked;
    for (link, missing) in [
        (Link::Pod, Input::Hpa),
        (Link::Series, Input::Metric),
        (Link::Rule, Input::Metric),
        (Link::Answer, Input::Metric),
        (Link::Condition, Input::Hpa),
        (Link::Replicas, Input::Hpa),
    ] {
        let result = result(&evidence, link);
        assert_eq!((result.state, result.missing), (State::MissingInput, Some(missing)), "{link:?}");
    }
}

#[test]
fn unavailable_api_blocks_answer_by_api_service() {
    let mut evidence = adapter();
    answers(&mut evidence, 503, json!({"message": "the server is currently unable to handle the request"}));
    let answer = result(&evidence, Link::Answer);
    assert_eq!((answer.state, answer.blocked_by), (State::Blocked, Some(Link::ApiService)));
}

#[test]
fn second_broken_link_is_blocked_by_the_first() {
    let mut evidence = adapter();
    seen(&mut evidence.scale)["spec"]["replicas"] = json!(0);
    conditions(&mut evidence, "ScalingDisabled", "the replica count of the target is zero", 600.0);
    let diagnosis = diagnose(&evidence);
    let condition = diagnosis.links.iter().find(|result| result.link == Link::Condition).unwrap();
    assert_eq!((condition.state, condition.blocked_by), (State::Blocked, Some(Link::Pod)));
    assert_eq!(condition.evidence, "not checked: pod is broken");
}

#[test]
fn trigger_without_prometheus_needs_no_counter() {
    let mut evidence = keda();
    seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["type"] = json!("cron");
    for link in [Link::Metrics, Link::Series] {
        assert_eq!(result(&evidence, link).state, State::NotApplicable, "{link:?}");
    }
}

#[test]
fn missing_right_is_in_its_links_result() {
    let mut evidence = adapter();
    let right = "get configmaps in namespace monitoring".to_owned();
    evidence.server.config =
        Read::Unread(Unread { what: "a".to_owned(), why: "403".to_owned(), right: Some(right.clone()) });
    assert_eq!(result(&evidence, Link::Rule).right, Some(right));
}

#[test]
fn new_api_service_is_pending() {
    let mut evidence = adapter();
    let api = seen(&mut evidence.server.api_service);
    api["status"] = json!({});
    api["metadata"]["creationTimestamp"] = json!(ago(5.0));
    let result = result(&evidence, Link::ApiService);
    assert_eq!((result.state, result.wait, broken_cause(&evidence)), (State::Pending, Some(40.0), None));
}

/// `links::check` applies this to every result in these tests.
#[test]
fn link_owns_only_its_own_causes() {
    let raised = |cause| Status::Broken(Finding::new(cause, "", "", Vec::new()));
    assert!(links::owns(Link::Rule, &raised(Cause::RuleAbsent)));
    assert!(links::owns(Link::Answer, &raised(Cause::RuleAbsent)));
    assert!(!links::owns(Link::Traffic, &raised(Cause::RuleAbsent)));
    assert!(!links::owns(Link::Pod, &Status::Explains(Finding::new(Cause::AtMaximum, "", "", Vec::new()))));
    assert!(links::owns(Link::Pod, &Status::Ok(String::new())));
}
