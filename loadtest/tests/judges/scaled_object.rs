//! The link rule for KEDA: what the `ScaledObject` says, other triggers than Prometheus', and composite metrics.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::State;
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Answer, Read, Unread};
use serde_json::{Value, json};

use crate::changed::{answers, broken, cause_at, commands_at, scaled, state, without_targets};
use crate::healthy::{KEDA_METRIC, KEDA_QUERY, NAMESPACE, TAKEN, keda};
use crate::{broken_cause, diagnose, seen};

fn annotated(evidence: &mut Evidence, annotation: &str, value: &str) {
    seen(&mut evidence.scaled_object)["metadata"]["annotations"] = json!({annotation: value});
}

/// KEDA has removed the HPA, or not created it yet.
fn without_hpa(evidence: &mut Evidence) {
    evidence.hpa = Read::Absent;
    evidence.hpas = Read::Seen(Vec::new());
    evidence.answers.clear();
}

#[test]
fn paused_object_gets_the_command_that_resumes_it() {
    for (annotation, value) in [
        ("autoscaling.keda.sh/paused", "true"),
        ("autoscaling.keda.sh/paused-replicas", "4"),
        ("autoscaling.keda.sh/paused", ""),
    ] {
        let mut evidence = keda();
        annotated(&mut evidence, annotation, value);
        let expected =
            format!("kubectl -n {NAMESPACE} annotate scaledobject.keda.sh/shopfront-scaledobject {annotation}-");
        assert_eq!(commands_at(&evidence, Link::Rule), (Cause::ScalerPaused, expected.clone()), "{annotation}");
        without_hpa(&mut evidence);
        without_targets(&mut evidence);
        seen(&mut evidence.monitors).clear();
        assert_eq!(commands_at(&evidence, Link::Rule), (Cause::ScalerPaused, expected), "{annotation}");
        let told = diagnose(&evidence).broken.unwrap().evidence;
        assert!(told.contains("has removed the HPA") && !told.contains("v2beta2"), "{told}");
    }
    let mut evidence = keda();
    annotated(&mut evidence, "autoscaling.keda.sh/paused", "false");
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn one_paused_direction_explains_why_nothing_changes() {
    let mut evidence = keda();
    annotated(&mut evidence, "autoscaling.keda.sh/paused-scale-in", "true");
    scaled(&mut evidence, "500m", 2, 2, 3);
    let diagnosis = diagnose(&evidence);
    let finding = diagnosis.explains.unwrap();
    assert_eq!((diagnosis.broken, finding.cause), (None, Cause::ScalerPaused));
    assert!(finding.fix.commands[0].ends_with("autoscaling.keda.sh/paused-scale-in-"), "{finding:?}");
    // It would scale out.
    scaled(&mut evidence, "5", 2, 3, 3);
    assert_eq!(diagnose(&evidence).explains, None);
}

#[test]
fn object_without_an_hpa_is_blocked_and_no_manifest_is_blamed() {
    let mut evidence = keda();
    without_hpa(&mut evidence);
    without_targets(&mut evidence);
    seen(&mut evidence.monitors).clear();
    let finding = broken(&evidence, Link::Rule);
    assert_eq!(finding.cause, Cause::KedaBlocked);
    assert!(finding.evidence.contains("has created no HPA shopfront-hpa"), "{finding:?}");
    let ready =
        json!({"type": "Ready", "status": "False", "reason": "ScaledObjectCheckFailed", "message": "no target"});
    seen(&mut evidence.scaled_object)["status"]["conditions"] = json!([ready]);
    assert!(broken(&evidence, Link::Rule).evidence.ends_with("no target"));
}

#[test]
fn idle_replicas_above_zero_are_removed() {
    let mut evidence = keda();
    seen(&mut evidence.scaled_object)["spec"]["idleReplicaCount"] = json!(1);
    let (cause, command) = commands_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::IdleReplicas);
    let path = "/spec/idleReplicaCount";
    let operations = format!(r#"[{{"op":"test","path":"{path}","value":1}},{{"op":"remove","path":"{path}"}}]"#);
    assert!(command.ends_with(&format!("'{operations}'")), "{command}");
    seen(&mut evidence.scaled_object)["spec"]["idleReplicaCount"] = json!(0);
    assert_eq!(broken_cause(&evidence), None);
}

/// KEDA answers with its fallback, because the trigger has failed.
fn falls_back(evidence: &mut Evidence) {
    let object = seen(&mut evidence.scaled_object);
    object["spec"]["fallback"] = json!({"failureThreshold": 3, "replicas": 4});
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "", "message": ""});
    object["status"]["conditions"] = json!([condition("Ready", "True"), condition("Fallback", "True")]);
    object["status"]["health"] = json!({"s0-prometheus": {"numberOfFailures": 7, "status": "Failing"}});
}

#[test]
fn active_fallback_is_reported_with_the_trigger_that_fails() {
    let mut evidence = keda();
    falls_back(&mut evidence);
    let reference = json!({"name": "prometheus-token"});
    seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["authenticationRef"] = reference;
    let finding = broken(&evidence, Link::Rule);
    assert_eq!(finding.cause, Cause::FallbackActive);
    assert!(finding.evidence.contains("asks for 4 replicas: s0-prometheus has failed 7 times"), "{finding:?}");
    assert!(finding.fix.advice.contains("TriggerAuthentication prometheus-token"), "{finding:?}");
    assert_eq!(finding.fix.commands, ["kubectl -n keda logs deployment/keda-operator --tail=50"]);
    // The reason is known.
    let why = "400 Bad Request: invalid parameter \"query\": parse error: unclosed left parenthesis";
    for replica in &mut evidence.prometheus.replicas {
        replica
            .queries
            .insert(KEDA_QUERY.to_owned(), Read::Unread(Unread { why: why.to_owned(), ..Unread::default() }));
    }
    let finding = broken(&evidence, Link::Rule);
    assert_eq!(finding.cause, Cause::QueryRefused);
    assert!(finding.evidence.ends_with(&format!("Prometheus answers {why}")), "{finding:?}");
}

/// A chain whose only trigger is of this type: nobody scrapes the pods.
fn triggered_by(kind: &str) -> Evidence {
    let mut evidence = keda();
    let object = seen(&mut evidence.scaled_object);
    object["spec"]["triggers"] = json!([{"type": kind, "metadata": {"queueName": "orders"}}]);
    without_targets(&mut evidence);
    (evidence.prometheus, evidence.pages) = Default::default();
    let stranger = json!({
        "kind": "ServiceMonitor", "metadata": {"name": "other", "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": {"app": "shopfront"}}, "endpoints": [{"port": "http"}]},
    });
    evidence.monitors = Read::Seen(vec![stranger]);
    evidence
}

#[test]
fn trigger_of_another_type_needs_no_prometheus() {
    for kind in ["cron", "rabbitmq", "kafka", "aws-sqs-queue"] {
        let evidence = triggered_by(kind);
        for link in [Link::Metrics, Link::Monitor, Link::Target, Link::Series] {
            assert_eq!(state(&evidence, link), State::NotApplicable, "{kind}, {link:?}");
        }
        assert_eq!(state(&evidence, Link::Rule), State::Ok);
        let mut without_operator = evidence.clone();
        without_operator.monitors = Read::Absent;
        assert_eq!(broken_cause(&without_operator), None);
    }
}

#[test]
fn failing_trigger_of_another_type_does_not_blame_prometheus() {
    let mut evidence = triggered_by("rabbitmq");
    answers(&mut evidence, 500, json!({"message": "unable to fetch metrics"}));
    let ready = json!({"type": "Ready", "status": "False", "reason": "TriggerError", "message": "Triggers fail"});
    seen(&mut evidence.scaled_object)["status"]["conditions"] = json!([ready]);
    let finding = broken(&evidence, Link::Rule);
    assert_eq!(finding.cause, Cause::KedaBlocked);
    assert!(
        finding.fix.advice.contains("trigger 0 (rabbitmq)") && !finding.fix.advice.contains("Prometheus"),
        "{finding:?}"
    );
}

/// Two Prometheus triggers in a formula, and one that it does not name.
fn composite() -> Evidence {
    let mut evidence = keda();
    let object = seen(&mut evidence.scaled_object);
    let mut first = object["spec"]["triggers"][0].clone();
    first["name"] = json!("rps");
    let second = json!({"type": "prometheus", "name": "queue", "metadata": {
        "serverAddress": first["metadata"]["serverAddress"], "query": "sum(queue_length)", "threshold": "1"}});
    object["spec"]["triggers"] = json!([first, second]);
    object["spec"]["advanced"]["scalingModifiers"] = json!({"formula": "rps + queue", "target": "20"});
    let metric = &mut seen(&mut evidence.hpa)["spec"]["metrics"][0]["external"];
    metric["metric"]["name"] = json!("composite-metric");
    metric["target"]["averageValue"] = json!("20");
    let answer = evidence.answers.remove(KEDA_METRIC).unwrap();
    evidence.answers.insert(KEDA_METRIC.replace("s0-prometheus", "composite-metric"), answer);
    for replica in &mut evidence.prometheus.replicas {
        let sample = json!({"metric": {}, "value": [TAKEN, "3"]});
        replica.queries.insert("sum(queue_length)".to_owned(), Read::Seen(vec![sample]));
    }
    evidence
}

#[test]
fn each_trigger_of_a_composite_metric_is_checked() {
    let mut evidence = composite();
    assert_eq!(broken_cause(&evidence), None);
    let diagnosis = diagnose(&evidence);
    let rule = diagnosis.links.iter().find(|result| result.link == Link::Rule).unwrap();
    assert!(rule.state == State::Ok && rule.evidence.contains("sum(queue_length)"), "{rule:?}");
    for replica in &mut evidence.prometheus.replicas {
        replica.queries.insert("sum(queue_length)".to_owned(), Read::Seen(Vec::new()));
    }
    let finding = broken(&evidence, Link::Rule);
    assert_eq!(finding.cause, Cause::EmptyReadAsZero);
    assert!(finding.evidence.contains("triggers[1]"), "{finding:?}");
    // A formula of triggers without Prometheus needs none.
    for trigger in seen(&mut evidence.scaled_object)["spec"]["triggers"].as_array_mut().unwrap() {
        trigger["type"] = json!("cron");
    }
    assert_eq!(state(&evidence, Link::Monitor), State::NotApplicable);
}

#[test]
fn address_with_a_wrong_path_gets_the_right_one() {
    let mut evidence = keda();
    let url = "http://prometheus-k8s.monitoring.svc:9090/prometheus";
    evidence.prometheus.url = Read::Seen(url.to_owned());
    seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["metadata"]["serverAddress"] = json!(url);
    evidence.prometheus.replicas.iter_mut().for_each(|replica| replica.unprefixed = true);
    let works: Value = json!({"items": [{"metricName": "s0-prometheus", "value": "2"}]});
    evidence.answers.insert(KEDA_METRIC.to_owned(), Answer { status: 200, body: works });
    assert_eq!(state(&evidence, Link::Rule), State::Ok, "KEDA has a value by whatever way");
    answers(&mut evidence, 500, json!({"message": "404"}));
    let (cause, command) = commands_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::PrefixWrong);
    assert!(command.contains(r#""value":"http://prometheus-k8s.monitoring.svc:9090"}]"#), "{command}");
    // The operator says where Prometheus is.
    evidence.prometheus.replicas.iter_mut().for_each(|replica| replica.unprefixed = false);
    seen(&mut evidence.prometheuses)[0]["spec"]["routePrefix"] = json!("/prom");
    let (cause, command) = commands_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::PrefixWrong);
    assert!(command.contains(r#""value":"http://prometheus-k8s.monitoring.svc:9090/prom"}]"#), "{command}");
    seen(&mut evidence.prometheuses)[0]["spec"]["routePrefix"] = json!("/prometheus");
    assert_ne!(cause_at(&evidence, Link::Answer), Cause::PrefixWrong);
}
