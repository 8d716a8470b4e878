//! How Prometheus scrapes the pods: the monitor, Prometheus' rights, the targets, and its own replicas.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::Finding;
use loadtest::doctor::evidence::Evidence;
use loadtest::kube::access::access;
use loadtest::kube::read::Read;
use serde_json::{Value, json};

use super::healthy::{self, ACCOUNT, NAMESPACE, PODS, ago};
use super::{broken_cause, found, seen};
use crate::changed::{down, targets, without_targets};

/// A healthy chain whose Prometheus has no targets, after a change of the monitor and the Prometheus object.
fn changed_without_targets(change: impl FnOnce(&mut Value, &mut Value)) -> Evidence {
    let mut evidence = healthy::adapter();
    without_targets(&mut evidence);
    change(&mut seen(&mut evidence.monitors)[0], &mut seen(&mut evidence.prometheuses)[0]);
    evidence
}

fn command(finding: &Finding) -> &str {
    let [command] = finding.fix.commands.as_slice() else { panic!("{:?}", finding.fix) };
    command
}

const MONITOR: &str = "kubectl -n monitoring patch servicemonitor.monitoring.coreos.com/shopfront-monitor --type";

#[test]
fn annotations_without_a_monitor_get_a_monitor_manifest() {
    let mut evidence = changed_without_targets(|_, _| {});
    seen(&mut evidence.monitors).clear();
    seen(&mut evidence.services)[0]["metadata"]["annotations"] = json!({"prometheus.io/scrape": "true"});
    seen(&mut evidence.prometheuses)[0]["spec"]["serviceMonitorSelector"] = json!({"matchLabels": {"release": "kps"}});
    let finding = found(&evidence, Cause::AnnotationsOnly);
    assert!(finding.evidence.contains("annotation prometheus.io/scrape"), "{}", finding.evidence);
    let manifest =
        command(&finding).strip_prefix(r"printf '%s\n' '").unwrap().strip_suffix("' | kubectl apply -f -").unwrap();
    let mut monitor: Value = serde_saphyr::from_str(manifest).unwrap();
    assert_eq!(monitor["metadata"]["labels"], json!({"release": "kps"}));
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], json!({"app": "shopfront"}));
    assert_eq!(monitor["spec"]["endpoints"], json!([{"port": "web", "path": "/metrics"}]));
    // The printed manifest fixes the chain: Prometheus gets its targets soon.
    monitor["metadata"]["creationTimestamp"] = json!(ago(20.0));
    seen(&mut evidence.monitors).push(monitor);
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn service_that_leads_to_none_of_the_pods_is_named() {
    let mut evidence = changed_without_targets(|_, _| {});
    let service = &mut seen(&mut evidence.services)[0];
    service["metadata"]["name"] = json!("shopfront-svc");
    service["spec"]["selector"] = json!({"app": "shopfrontt"});
    let finding = found(&evidence, Cause::MonitorSelectsNothing);
    assert!(
        finding.evidence.contains("shopfrontt") && finding.evidence.contains("leads to none of the pods"),
        "{finding:?}"
    );
    // Its selector may serve somebody: it is not changed by a command.
    assert!(finding.fix.commands.is_empty() && finding.fix.advice.contains("shopfront-svc"), "{finding:?}");
    // A Service of another workload is not meant for the pods.
    seen(&mut evidence.services)[0]["metadata"]["name"] = json!("cart");
    assert_eq!(broken_cause(&evidence), Some(Cause::AnnotationsOnly));
}

#[test]
fn fix_of_an_object_of_a_helm_release_names_the_release() {
    let broken = |release: Value| {
        let evidence = changed_without_targets(|monitor, prometheus| {
            monitor["metadata"]["annotations"] = release;
            prometheus["spec"]["serviceMonitorSelector"] = json!({"matchLabels": {"release": "kps"}});
        });
        found(&evidence, Cause::MonitorSelectsNothing).fix.advice
    };
    let release = json!({"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "apps"});
    let advice = broken(release);
    assert!(
        advice.contains("ServiceMonitor monitoring/shopfront-monitor belongs to the Helm release apps/shop"),
        "{advice}"
    );
    assert!(!broken(json!({})).contains("Helm"));
}

#[test]
fn targets_of_another_job_need_no_monitor() {
    let mut evidence = healthy::adapter();
    seen(&mut evidence.monitors).clear();
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn current_series_without_targets_need_no_monitor() {
    for mut evidence in [healthy::adapter(), healthy::keda()] {
        seen(&mut evidence.monitors).clear();
        targets(&mut evidence).for_each(Vec::clear);
        assert_eq!(broken_cause(&evidence), None);
    }
    // Scraping has stopped: queries return the last samples for five minutes, but the adapter lists no series.
    let mut evidence = healthy::adapter();
    seen(&mut evidence.monitors).clear();
    targets(&mut evidence).for_each(Vec::clear);
    evidence.prometheus.replicas.iter_mut().flat_map(|replica| replica.series.values_mut()).for_each(|series| {
        *series = Read::Seen(Vec::new());
    });
    assert_eq!(broken_cause(&evidence), Some(Cause::AnnotationsOnly));
}

#[test]
fn unknown_port_name_is_replaced_by_the_port_of_the_metrics_page() {
    let mut evidence = changed_without_targets(|monitor, _| monitor["spec"]["endpoints"][0]["port"] = json!("http"));
    let port = json!({"name": "admin", "port": 81, "targetPort": 8081});
    seen(&mut evidence.services)[0]["spec"]["ports"].as_array_mut().unwrap().insert(0, port);
    assert!(
        command(&found(&evidence, Cause::MonitorSelectsNothing))
            .ends_with(r#""path":"/spec/endpoints/0/port","value":"web"}]'"#)
    );
    evidence.pages.clear();
    assert_eq!(found(&evidence, Cause::MonitorSelectsNothing).fix.commands, Vec::<String>::new());
}

#[test]
fn monitor_of_another_app_does_not_count() {
    let mut evidence = changed_without_targets(|monitor, _| {
        monitor["spec"]["namespaceSelector"] = Value::Null;
        monitor["spec"]["selector"] = json!({"matchLabels": {"app": "alertmanager"}});
    });
    found(&evidence, Cause::AnnotationsOnly);
    seen(&mut evidence.monitors)[0]["spec"]["namespaceSelector"] = json!({"any": true});
    found(&evidence, Cause::AnnotationsOnly);
}

#[test]
fn monitor_without_the_selected_label_gets_a_label_command() {
    let selector = json!({"matchLabels": {"release": "kps"}});
    let evidence = changed_without_targets(|_, prometheus| prometheus["spec"]["serviceMonitorSelector"] = selector);
    let finding = found(&evidence, Cause::MonitorSelectsNothing);
    assert_eq!(
        command(&finding),
        "kubectl -n monitoring label servicemonitor.monitoring.coreos.com/shopfront-monitor 'release=kps' --overwrite"
    );
    let evidence = changed_without_targets(|_, prometheus| prometheus["spec"]["serviceMonitorSelector"] = Value::Null);
    let fix = found(&evidence, Cause::MonitorSelectsNothing).fix;
    assert!(
        fix.commands.is_empty() && fix.advice.starts_with("Set spec.serviceMonitorSelector of Prometheus"),
        "{fix:?}"
    );
}

#[test]
fn monitor_in_an_unselected_namespace_gets_advice_to_move_it() {
    let own = json!({"matchLabels": {"kubernetes.io/metadata.name": "default"}});
    let evidence = changed_without_targets(|_, prometheus| prometheus["spec"]["serviceMonitorNamespaceSelector"] = own);
    let fix = found(&evidence, Cause::MonitorSelectsNothing).fix;
    assert!(fix.commands.is_empty() && fix.advice.starts_with("Move the monitor to a namespace"), "{fix:?}");
}

#[test]
fn monitor_for_another_namespace_gets_the_pods_namespace() {
    let evidence =
        changed_without_targets(|monitor, _| monitor["spec"]["namespaceSelector"]["matchNames"] = json!(["shop"]));
    let patch =
        format!(r#"{MONITOR} merge -p '{{"spec":{{"namespaceSelector":{{"matchNames":["shop","{NAMESPACE}"]}}}}}}'"#);
    assert_eq!(command(&found(&evidence, Cause::MonitorSelectsNothing)), patch);
}

#[test]
fn monitor_selector_that_matches_no_service_is_replaced() {
    let evidence =
        changed_without_targets(|monitor, _| monitor["spec"]["selector"] = json!({"matchLabels": {"app": "shop"}}));
    let patch = r#"json -p '[{"op":"test","path":"/spec/selector","value":{"matchLabels":{"app":"shop"}}},{"op":"replace","path":"/spec/selector","value":{"matchLabels":{"app":"shopfront"}}}]'"#;
    assert_eq!(command(&found(&evidence, Cause::MonitorSelectsNothing)), format!("{MONITOR} {patch}"));
}

#[test]
fn monitor_with_an_unknown_port_name_is_patched() {
    let evidence = changed_without_targets(|monitor, _| monitor["spec"]["endpoints"][0]["port"] = json!("http"));
    let patch = r#"json -p '[{"op":"test","path":"/spec/endpoints/0/port","value":"http"},{"op":"replace","path":"/spec/endpoints/0/port","value":"web"}]'"#;
    assert_eq!(command(&found(&evidence, Cause::MonitorSelectsNothing)), format!("{MONITOR} {patch}"));
    // A Service's only port needs no name, but the monitor needs one.
    let mut evidence = changed_without_targets(|_, _| {});
    seen(&mut evidence.services)[0]["spec"]["ports"][0].as_object_mut().unwrap().remove("name");
    assert!(command(&found(&evidence, Cause::MonitorSelectsNothing)).contains(
        r#"[{"op":"test","path":"/spec/ports/0/port","value":80},{"op":"add","path":"/spec/ports/0/name","value":"web"}]"#
    ));
}

#[test]
fn new_monitor_without_targets_is_not_broken() {
    let evidence = changed_without_targets(|monitor, _| monitor["metadata"]["creationTimestamp"] = json!(ago(20.0)));
    assert_eq!(broken_cause(&evidence), None);
    assert_eq!(broken_cause(&changed_without_targets(|_, _| {})), Some(Cause::MonitorSelectsNothing));
}

#[test]
fn prometheus_without_rights_gets_a_role_and_a_binding() {
    let mut evidence = changed_without_targets(|_, _| {});
    let slices = access(ACCOUNT, "list", "discovery.k8s.io", "endpointslices", NAMESPACE);
    evidence.access.insert(slices, Read::Seen(false));
    let finding = found(&evidence, Cause::PrometheusForbidden);
    assert!(finding.evidence.ends_with("endpointslices in miztiik-automation-ns"), "{}", finding.evidence);
    let [role, binding] = finding.fix.commands.as_slice() else { panic!("{:?}", finding.fix) };
    assert!(role.contains("endpointslices") && role.contains("namespace: miztiik-automation-ns"), "{role}");
    assert!(binding.contains("name: prometheus-k8s") && binding.contains("namespace: monitoring"), "{binding}");
}

#[test]
fn missing_right_that_prometheus_does_not_use_is_no_fault() {
    let mut evidence = healthy::adapter();
    evidence.access.insert(access(ACCOUNT, "list", "", "endpoints", NAMESPACE), Read::Seen(false));
    assert_eq!(broken_cause(&evidence), None);
    // A job may find pods without their Services: the targets are up, so they were found.
    evidence.access.insert(access(ACCOUNT, "list", "", "services", NAMESPACE), Read::Seen(false));
    assert_eq!(broken_cause(&evidence), None);
}

/// A healthy chain whose targets are down with this error, and so have no values.
fn with_targets_down(error: &str, port_and_path: &str) -> Evidence {
    let mut evidence = healthy::adapter();
    down(&mut evidence, error, port_and_path);
    evidence
}

#[test]
fn target_with_a_wrong_path_gets_the_path_of_the_metrics_page() {
    let evidence = with_targets_down("server returned HTTP status 404 Not Found", ":9898/wrong");
    let patch = r#"json -p '[{"op":"test","path":"/spec/endpoints/0/port","value":"web"},{"op":"add","path":"/spec/endpoints/0/path","value":"/metrics"}]'"#;
    assert_eq!(command(&found(&evidence, Cause::TargetDown)), format!("{MONITOR} {patch}"));
}

#[test]
fn target_with_a_wrong_port_gets_a_patch_of_the_service_or_the_monitor() {
    let mut evidence = with_targets_down("dial tcp 10.244.0.11:9999: connect: connection refused", ":9999/metrics");
    seen(&mut evidence.services)[0]["spec"]["ports"][0]["targetPort"] = json!(9999);
    assert_eq!(
        command(&found(&evidence, Cause::TargetDown)),
        "kubectl -n miztiik-automation-ns patch service/shopfront-svc --type json \
         -p '[{\"op\":\"test\",\"path\":\"/spec/ports/0/name\",\"value\":\"web\"},\
         {\"op\":\"add\",\"path\":\"/spec/ports/0/targetPort\",\"value\":9898}]'"
    );
    // A port that serves clients is not changed, although it has no metrics.
    let mut evidence = with_targets_down("server returned HTTP status 404 Not Found", ":8080/metrics");
    seen(&mut evidence.services)[0]["spec"]["ports"][0]["targetPort"] = json!(8080);
    let patch = r#"json -p '[{"op":"test","path":"/spec/endpoints/0/port","value":"web"},{"op":"remove","path":"/spec/endpoints/0/port"},{"op":"add","path":"/spec/endpoints/0/targetPort","value":9898}]'"#;
    assert_eq!(command(&found(&evidence, Cause::TargetDown)), format!("{MONITOR} {patch}"));
}

#[test]
fn target_with_a_wrong_port_and_path_gets_a_patch_for_each() {
    let mut evidence = with_targets_down("dial tcp 10.244.0.11:9999: connect: connection refused", ":9999/wrong");
    let endpoint = json!([{"targetPort": 9999, "path": "/wrong", "interval": "5s"}]);
    seen(&mut evidence.monitors)[0]["spec"]["endpoints"] = endpoint;
    let commands = found(&evidence, Cause::TargetDown).fix.commands;
    let [path, port] = commands.as_slice() else { panic!("{commands:?}") };
    assert!(port.ends_with(r#",{"op":"add","path":"/spec/endpoints/0/targetPort","value":9898}]'"#), "{port}");
    assert!(path.ends_with(r#",{"op":"add","path":"/spec/endpoints/0/path","value":"/metrics"}]'"#), "{path}");
}

#[test]
fn target_that_times_out_gets_advice_on_network_policies() {
    let evidence = with_targets_down("context deadline exceeded", ":9898/metrics");
    let fix = found(&evidence, Cause::TargetDown).fix;
    assert!(fix.advice.contains("NetworkPolicy") && fix.commands.is_empty(), "{fix:?}");
}

#[test]
fn target_with_values_is_not_down_after_one_missed_scrape() {
    let healthy = healthy::adapter();
    let mut evidence = with_targets_down("context deadline exceeded", ":9898/metrics");
    for (replica, healthy) in evidence.prometheus.replicas.iter_mut().zip(healthy.prometheus.replicas) {
        replica.queries = healthy.queries;
    }
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn target_of_a_new_pod_may_be_down() {
    let mut evidence = healthy::adapter();
    let down = |target: &mut Value| {
        target["health"] = json!("down");
        target["lastError"] = json!("connection refused");
    };
    targets(&mut evidence).for_each(|targets| down(&mut targets[1]));
    // What is not scraped has no series.
    for result in evidence.prometheus.replicas.iter_mut().flat_map(|replica| replica.queries.values_mut()) {
        seen(result).retain(|sample| sample["metric"]["pod"] != PODS[1].0);
    }
    let condition = json!([{"type": "Ready", "status": "True", "lastTransitionTime": ago(5.0)}]);
    let ready = std::mem::replace(&mut seen(&mut evidence.pods)[1]["status"]["conditions"], condition);
    assert_eq!(broken_cause(&evidence), None);
    seen(&mut evidence.pods)[1]["status"]["conditions"] = ready;
    assert!(found(&evidence, Cause::TargetDown).evidence.contains(PODS[1].0));
}

#[test]
fn unready_prometheus_replica_is_reported_with_its_log() {
    let mut evidence = healthy::adapter();
    evidence.prometheus.replicas[1].ready = Read::Seen(false);
    let finding = found(&evidence, Cause::PrometheusNotReady);
    assert!(finding.evidence.contains("prometheus-k8s-1 is not ready"));
    assert_eq!(command(&finding), "kubectl -n monitoring logs pod/prometheus-k8s-1 --all-containers --tail=50");
    let mut stuck = evidence.clone();
    let message = format!("Back-off pulling image: {}no such host", "failed to resolve reference: ".repeat(20));
    let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": message}});
    seen(&mut stuck.prometheus.pods)[1]["status"]["containerStatuses"] =
        json!([{"name": "prometheus", "ready": false, "restartCount": 0, "state": waiting, "lastState": {}}]);
    let finding = found(&stuck, Cause::PrometheusNotReady);
    assert_eq!(command(&finding), "kubectl -n monitoring describe pod/prometheus-k8s-1");
    assert!(finding.evidence.ends_with("no such host; 1 of 2 replicas are ready"), "{}", finding.evidence);
    assert!(finding.fix.advice.contains("the image's name"), "{}", finding.fix.advice);
    seen(&mut evidence.prometheus.pods)[1]["metadata"]["creationTimestamp"] = json!(ago(30.0));
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn prometheus_with_zero_replicas_gets_advice_to_scale_it() {
    let mut evidence = healthy::adapter();
    (evidence.prometheus.pods, evidence.prometheus.replicas) = (Read::Seen(Vec::new()), Vec::new());
    seen(&mut evidence.prometheuses)[0]["spec"]["replicas"] = json!(0);
    let fix = found(&evidence, Cause::PrometheusNotReady).fix;
    assert_eq!(fix.commands, [""; 0]);
    assert_eq!(fix.advice, "Set spec.replicas of Prometheus monitoring/k8s to 1 or more.");
    seen(&mut evidence.prometheuses)[0]["spec"]["replicas"] = json!(2);
    assert_eq!(
        command(&found(&evidence, Cause::PrometheusNotReady)),
        "kubectl -n monitoring get events --sort-by=.lastTimestamp"
    );
}

#[test]
fn prometheus_replicas_with_different_values_disagree() {
    let mut evidence = healthy::adapter();
    let rate = |evidence: &mut Evidence, value: &str| {
        for (query, result) in &mut evidence.prometheus.replicas[1].queries {
            if query.contains("rate(") {
                seen(result)[0]["value"][1] = json!(value);
            }
        }
    };
    // A difference of one scrape is no disagreement.
    for value in ["1.4", "0.7", "2.5", "3.1"] {
        rate(&mut evidence, value);
        assert_eq!(broken_cause(&evidence), None, "{value}");
    }
    rate(&mut evidence, "7");
    let finding = found(&evidence, Cause::PrometheusNotReady);
    assert!(finding.evidence.ends_with("prometheus-k8s-1 answers 7.00"));
    let log = |pod: &str| format!("kubectl -n monitoring logs pod/{pod} --all-containers --tail=50");
    assert_eq!(finding.fix.commands, ["prometheus-k8s-0", "prometheus-k8s-1"].map(log));
    // After a load, each replica's value falls at its own next scrape.
    let mut ended = evidence.clone();
    ended.pages.iter_mut().for_each(|page| page.second = page.first.clone());
    assert_eq!(broken_cause(&ended), None);
    // A restarted replica differs until its query's window has passed.
    seen(&mut evidence.prometheus.pods)[1]["metadata"]["creationTimestamp"] = json!(ago(100.0));
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn shards_and_other_prometheuses_may_have_other_targets() {
    for label in ["operator.prometheus.io/shard", "operator.prometheus.io/name"] {
        let mut evidence = healthy::adapter();
        seen(&mut evidence.prometheus.replicas[0].targets).pop();
        seen(&mut evidence.prometheus.pods)[1]["metadata"]["labels"][label] = json!("1");
        assert_eq!(broken_cause(&evidence), None, "{label}");
    }
}

#[test]
fn unrelated_prometheus_need_not_be_ready() {
    let mut evidence = healthy::adapter();
    evidence.prometheus.service = Read::NotAsked;
    evidence.prometheus.replicas[1].ready = Read::Seen(false);
    seen(&mut evidence.prometheus.replicas[1].targets).clear();
    seen(&mut evidence.prometheus.pods)[1]["metadata"]["labels"]["operator.prometheus.io/name"] = json!("other");
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn prometheus_replica_without_a_target_of_the_other_is_reported() {
    let mut evidence = healthy::adapter();
    seen(&mut evidence.prometheus.replicas[0].targets).pop();
    assert!(found(&evidence, Cause::PrometheusNotReady).evidence.contains("prometheus-k8s-0 has no target for it"));
}
