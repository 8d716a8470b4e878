//! Causes at KEDA's trigger and its query.

use loadtest::doctor::catalogue::Cause;

use super::own;
use crate::case::Case;

const BACK: &str = "kubectl apply -k k8s/keda";

pub fn cases() -> Vec<Case> {
    vec![
        empty(),
        not_a_number(),
        several_series(),
        average(),
        wrong_port(),
        wrong_path(),
        refused(),
        fallback(),
        idle(),
        paused(),
        not_ready(),
    ]
}

/// Replaces fields of the trigger's metadata.
fn trigger(changes: &[(&str, &str)]) -> String {
    let changes = changes.iter().map(|(field, value)| {
        format!(r#"{{"op":"replace","path":"/spec/triggers/0/metadata/{field}","value":"{value}"}}"#)
    });
    let changes = changes.collect::<Vec<_>>().join(",");
    own(&format!("patch scaledobject shopfront-scaledobject --type json -p '[{changes}]'"))
}

/// The sum of idle pods is not above 0.
fn empty() -> Case {
    let query = r#"sum(rate(http_requests_total{namespace=\"miztiik-automation-ns\"}[1m])) > 0"#;
    let line = trigger(&[("query", query), ("ignoreNullValues", "true")]);
    Case::new(Cause::EmptyReadAsZero, "a query that finds nothing, read as 0", line, BACK).tidied().quick()
}

fn not_a_number() -> Case {
    let query = r#"sum(rate(http_requests_total{namespace=\"miztiik-automation-ns\"}[1m])) / 0"#;
    let line = trigger(&[("query", query), ("ignoreNullValues", "true")]);
    Case::new(Cause::EmptyReadAsZero, "a query that is not a number", line, BACK).tidied()
}

/// Requests another path, because an idle pod has only one series.
pub fn several_series() -> Case {
    let query = r#"rate(http_requests_total{namespace=\"miztiik-automation-ns\"}[1m])"#;
    Case::new(Cause::SeveralSeries, "a query of several series", trigger(&[("query", query)]), BACK)
        .then("kubectl get --raw /api/v1/namespaces/miztiik-automation-ns/services/shopfront-svc:web/proxy/version")
        .tidied()
        .quick()
}

fn average() -> Case {
    let query = r#"avg(rate(http_requests_total{namespace=\"miztiik-automation-ns\"}[1m]))"#;
    Case::new(Cause::SeveralSeries, "a query of an average", trigger(&[("query", query)]), BACK).tidied().quick()
}

fn wrong_port() -> Case {
    let line = trigger(&[("serverAddress", "http://prometheus-k8s.monitoring.svc:9091")]);
    Case::new(Cause::PrometheusUnreachable, "an address with a port that the Service does not have", line, BACK)
        .tidied()
        .quick()
}

fn wrong_path() -> Case {
    let line = trigger(&[("serverAddress", "http://prometheus-k8s.monitoring.svc:9090/prom")]);
    Case::new(Cause::PrefixWrong, "an address with a path that Prometheus does not have", line, BACK).tidied()
}

/// The closing bracket is missing.
fn refused() -> Case {
    let query = r#"sum(rate(http_requests_total{namespace=\"miztiik-automation-ns\"}[1m])"#;
    Case::new(Cause::QueryRefused, "a query that does not parse", trigger(&[("query", query)]), BACK)
        .by_hand("only the author knows what the query is to be")
}

/// Nobody answers at this address.
fn fallback() -> Case {
    let line = own(
        r#"patch scaledobject shopfront-scaledobject --type merge -p '{"spec":{"fallback":{"failureThreshold":1,"replicas":1}}}'"#,
    );
    let undo = format!(
        "{} && {BACK}",
        own(r#"patch scaledobject shopfront-scaledobject --type merge -p '{"spec":{"fallback":null}}'"#)
    );
    Case::new(Cause::FallbackActive, "a fallback, as nobody answers the trigger", line, undo)
        .then(trigger(&[("serverAddress", "http://192.0.2.1:9090")]))
        .by_hand("the trigger has to be fixed where it fails")
}

fn idle() -> Case {
    let line = own(
        r#"patch scaledobject shopfront-scaledobject --type merge -p '{"spec":{"idleReplicaCount":1,"minReplicaCount":2}}'"#,
    );
    let undo = format!(
        "{} && {BACK}",
        own(r#"patch scaledobject shopfront-scaledobject --type merge -p '{"spec":{"idleReplicaCount":null}}'"#)
    );
    Case::new(Cause::IdleReplicas, "an idleReplicaCount of 1", line, undo).tidied()
}

fn paused() -> Case {
    let line = own("annotate scaledobject shopfront-scaledobject autoscaling.keda.sh/paused=true --overwrite");
    let undo = own("annotate scaledobject shopfront-scaledobject autoscaling.keda.sh/paused-");
    Case::new(Cause::ScalerPaused, "a paused ScaledObject", line, undo).quick()
}

/// A trigger type that does not exist.
fn not_ready() -> Case {
    let line = own(
        r#"patch scaledobject shopfront-scaledobject --type json -p '[{"op":"replace","path":"/spec/triggers/0/type","value":"prometheuz"}]'"#,
    );
    Case::new(Cause::KedaBlocked, "a trigger type that KEDA does not know", line, BACK)
        .by_hand("only the author knows which trigger to use")
}
