//! The adapter's `--prometheus-url`.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::State;
use loadtest::doctor::facts::requests;
use loadtest::doctor::link::Link;
use loadtest::kube::read::Read;
use serde_json::json;

use crate::changed::{advice_at, argument, cause_at, not_found, state};
use crate::healthy::{self, adapter, ago};
use crate::{broken_cause, seen};

#[test]
fn prometheus_url_with_unknown_service_or_port_gets_the_right_url() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    let url = "http://prometheus-k8s.monitoring.svc:9091/";
    argument(&mut evidence, 3, &format!("--prometheus-url={url}"));
    evidence.prometheus.url = Read::Seen(url.to_owned());
    let (cause, advice) = advice_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::PrometheusUnreachable);
    assert!(advice.ends_with("It should be http://prometheus-k8s.monitoring.svc:9090."), "{advice}");

    evidence.prometheus.service = Read::Absent;
    let (cause, command) = advice_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::PrometheusUnreachable);
    assert!(command.ends_with("http://prometheus-operated.monitoring.svc:9090."), "{command}");

    // A Service with a cluster IP is better than the headless one, if it selects every Prometheus pod.
    let service = |name: &str, fields: serde_json::Value| {
        let mut service = healthy::adapter().prometheus.service.seen().unwrap().clone();
        service["metadata"]["name"] = json!(name);
        service["spec"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        service
    };
    let reloader = json!({"name": "reloader-web", "port": 8080, "targetPort": "reloader-web"});
    let web = json!({"name": "anything", "port": 80, "targetPort": "web"});
    let mut services = vec![
        service("prometheus-operated", json!({"clusterIP": "None"})),
        service("outside", json!({"type": "ExternalName"})),
        service("alertmanager-main", json!({"selector": {"app.kubernetes.io/name": "alertmanager"}})),
        service("first", json!({"selector": {"statefulset.kubernetes.io/pod-name": "prometheus-k8s-0"}})),
        service("reloader", json!({"ports": [reloader]})),
    ];
    seen(&mut evidence.prometheus.pods)[0]["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] =
        json!("prometheus-k8s-0");
    evidence.prometheus.services = Read::Seen(services.clone());
    let (_, command) = advice_at(&evidence, Link::Rule);
    assert!(command.contains("http://prometheus-operated.monitoring.svc:9090."), "{command}");
    services.push(service("prometheus-k8s", json!({"ports": [reloader, web]})));
    evidence.prometheus.services = Read::Seen(services);
    let (_, command) = advice_at(&evidence, Link::Rule);
    assert!(command.contains("http://prometheus-k8s.monitoring.svc:80."), "{command}");
}

#[test]
fn two_label_host_is_a_service_only_in_a_known_namespace() {
    let mut evidence = adapter();
    for (host, service) in [
        ("prom", Some(("prom", "monitoring"))),
        ("prom.watch", Some(("prom", "watch"))),
        ("prom.watch.svc", Some(("prom", "watch"))),
        ("prom.watch.svc.cluster.local", Some(("prom", "watch"))),
        ("prometheus.example.com", None),
        ("localhost", None),
        ("10.0.0.1", None),
        ("[fd00::1]", None),
    ] {
        assert_eq!(requests::service(&evidence, host), service, "{host}");
    }
    not_found(&mut evidence);
    evidence.prometheus.service = Read::Absent;
    let mut cause_for = |host: &str| {
        evidence.prometheus.url = Read::Seen(format!("http://{host}:9090"));
        broken_cause(&evidence)
    };
    assert_eq!(
        [cause_for("prometheus.monitoring"), cause_for("prometheus.example.svc")],
        [Some(Cause::PrometheusUnreachable); 2]
    );
    assert_ne!(cause_for("example.com"), Some(Cause::PrometheusUnreachable));
}

#[test]
fn external_host_is_replaced_only_if_it_does_not_resolve() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    (evidence.prometheus.service, evidence.prometheus.url) =
        (Read::Absent, Read::Seen("http://example.com".to_owned()));
    for (why, replaced) in [("i/o timeout", false), ("no such host", true)] {
        evidence.server.log =
            Read::Seen(format!("unable to update list of all metrics: Get \"http://x\": dial: {why}"));
        let (cause, command) = advice_at(&evidence, Link::Rule);
        assert_eq!(
            (cause, command.contains("prometheus-operated")),
            (Cause::PrometheusUnreachable, replaced),
            "{command}"
        );
    }
}

#[test]
fn recent_adapter_log_error_means_prometheus_unreachable() {
    let line = |seconds: f64| {
        let moment = ago(seconds);
        let (day, clock) = (format!("{}{}", &moment[5..7], &moment[8..10]), &moment[11..19]);
        format!(
            "E{day} {clock}.000000       1 provider.go:230] unable to update list of all metrics: unable to fetch metrics \
             for query \"x\": Get \"http://x\": dial tcp: lookup x: no such host\nI{day} other\n"
        )
    };
    let mut evidence = adapter();
    not_found(&mut evidence);
    evidence.server.log = Read::Seen(line(20.0));
    assert_eq!(cause_at(&evidence, Link::Rule), Cause::PrometheusUnreachable);
    // An error of long ago, or of an adapter that answers now, no longer counts.
    evidence.server.log = Read::Seen(line(900.0));
    assert_eq!(cause_at(&evidence, Link::Answer), Cause::RuleAbsent);
    let mut evidence = adapter();
    evidence.server.log = Read::Seen(line(20.0));
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
}

#[test]
fn corrected_url_keeps_path_and_mentions_user() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    for (url, corrected) in [
        ("http://prometheus-k8s.monitoring.svc:9091/prom/", "http://prometheus-k8s.monitoring.svc:9090/prom."),
        ("http://admin@prometheus-k8s.monitoring.svc:9091", "http://prometheus-k8s.monitoring.svc:9090."),
    ] {
        argument(&mut evidence, 3, &format!("--prometheus-url={url}"));
        evidence.prometheus.url = Read::Seen(url.to_owned());
        let (cause, command) = advice_at(&evidence, Link::Rule);
        assert_eq!(cause, Cause::PrometheusUnreachable);
        assert!(command.ends_with(&format!("Keep its user and path. It should be {corrected}")), "{command}");
    }
    // An IP address, an external host, and a Service of type ExternalName have no Service ports.
    for url in ["http://[fd00::1]:9091", "http://prometheus.example.com:9091"] {
        evidence.prometheus.url = Read::Seen(url.to_owned());
        assert_ne!(broken_cause(&evidence), Some(Cause::PrometheusUnreachable), "{url}");
    }
    evidence.prometheus.url = Read::Seen("http://prometheus-k8s.monitoring.svc:9091".to_owned());
    seen(&mut evidence.prometheus.service)["spec"]["type"] = json!("ExternalName");
    assert_ne!(broken_cause(&evidence), Some(Cause::PrometheusUnreachable));
}
