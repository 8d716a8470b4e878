//! Chains with `k8s/ops`: Prometheus scrapes the port ops by a headless Service, and the public port has no metrics.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnose;
use loadtest::doctor::diagnosis::State;
use loadtest::doctor::evidence::{Evidence, Prometheus};
use loadtest::doctor::link::Link;
use loadtest::kube::read::Read;
use serde_json::json;

use crate::changed::{cause_at, down, requests, without_targets};
use crate::healthy::{PODS, adapter, keda, manifest};
use crate::{found, seen};

/// A healthy chain after `kubectl apply -k k8s` with the component `k8s/ops`.
pub fn with_ops(mut evidence: Evidence) -> Evidence {
    // The API server lists Services by name.
    seen(&mut evidence.services).insert(0, manifest("ops/service.yaml", "Service"));
    let monitor = &mut seen(&mut evidence.monitors)[0];
    for (field, value) in manifest("ops/monitor-patch.yaml", "ServiceMonitor")["spec"].as_object().unwrap() {
        monitor["spec"][field] = value.clone();
    }
    // The label `service` stays: the monitor sets it.
    let mut scraped = serde_json::to_string(&evidence.prometheus).unwrap();
    for (from, to) in [
        (":9898", ":9797"),
        (r#""endpoint":"web""#, r#""endpoint":"ops""#),
        (r#""job":"shopfront-svc""#, r#""job":"shopfront-ops""#),
        (r#""__meta_kubernetes_service_name":"shopfront-svc""#, r#""__meta_kubernetes_service_name":"shopfront-ops""#),
    ] {
        assert!(scraped.contains(from), "{from}");
        scraped = scraped.replace(from, to);
    }
    evidence.prometheus = serde_json::from_str::<Prometheus>(&scraped).unwrap();
    evidence.pages.iter_mut().for_each(|page| page.port = 9797);
    evidence
}

#[test]
fn chain_with_the_ops_port_is_ok_at_each_link() {
    for evidence in [with_ops(adapter()), with_ops(keda())] {
        let diagnosis = diagnose(&evidence);
        assert_eq!(diagnosis.broken, None);
        let page = diagnosis.links.iter().find(|result| result.link == Link::Metrics).unwrap();
        assert_eq!(page.evidence, format!("http_requests_total is on /metrics of {} pods, port 9797", PODS.len()));
        let states: Vec<_> = diagnosis.links.iter().map(|result| (result.link, result.state)).collect();
        assert!(states.iter().all(|(_, state)| *state == State::Ok), "{states:?}");
        assert_eq!(diagnosis.figures.map(|figures| figures.scrape), Some(5.0));
    }
}

#[test]
fn hot_pod_is_found_beside_a_headless_service_for_scrapes() {
    let mut evidence = with_ops(adapter());
    requests(&mut evidence, [90, 1]);
    assert_eq!(cause_at(&evidence, Link::Traffic), Cause::ClientsPinned);
    // If the headless Service also leads to the clients' port, clients may choose pods by name.
    seen(&mut evidence.services)[0]["spec"]["ports"][0]["targetPort"] = json!("web");
    assert_eq!(diagnose(&evidence).broken, None);
}

#[test]
fn first_request_is_sent_to_the_clients_port() {
    let mut evidence = with_ops(adapter());
    for page in &mut evidence.pages {
        (page.first, page.second) = (Read::Seen("up 1\n".to_owned()), Read::Seen("up 1\n".to_owned()));
    }
    for replica in &mut evidence.prometheus.replicas {
        replica.queries.values_mut().for_each(|result| *result = Read::Seen(Vec::new()));
        replica.series.values_mut().for_each(|series| *series = Read::Seen(Vec::new()));
    }
    let commands = found(&evidence, Cause::CounterAbsent).fix.commands;
    assert!(!commands.is_empty() && commands.iter().all(|command| command.contains(":9898/proxy/")), "{commands:?}");
}

/// The service runs with `--public-metrics false`, but the monitor still scrapes the public port.
#[test]
fn monitor_of_the_public_port_is_moved_to_the_ops_port() {
    let monitor = "kubectl -n miztiik-automation-ns";
    for services in [true, false] {
        let mut evidence = with_ops(adapter());
        seen(&mut evidence.monitors)[0] = manifest("shopfront.yml", "ServiceMonitor");
        if !services {
            seen(&mut evidence.services).remove(0);
        }
        down(&mut evidence, "server returned HTTP status 404 Not Found", ":9898/metrics");
        let commands = found(&evidence, Cause::TargetDown).fix.commands;
        let [command] = commands.as_slice() else { panic!("{commands:?}") };
        // The selected Service has no port for the metrics, so the monitor gets the number.
        assert!(command.ends_with(r#"{"op":"add","path":"/spec/endpoints/0/targetPort","value":9797}]'"#), "{command}");
        assert!(!command.starts_with(monitor), "{command}");
    }
}

#[test]
fn unmatched_selector_gets_the_service_with_the_monitors_port() {
    for (port, app) in [("web", "shopfront"), ("ops", "shopfront-ops")] {
        let mut evidence = with_ops(adapter());
        without_targets(&mut evidence);
        let spec = &mut seen(&mut evidence.monitors)[0]["spec"];
        spec["selector"] = json!({"matchLabels": {"app": "shop"}});
        spec["endpoints"][0]["port"] = json!(port);
        let commands = found(&evidence, Cause::MonitorSelectsNothing).fix.commands;
        let [command] = commands.as_slice() else { panic!("{commands:?}") };
        assert!(command.ends_with(&format!(r#""value":{{"matchLabels":{{"app":"{app}"}}}}}}]'"#)), "{command}");
    }
}
