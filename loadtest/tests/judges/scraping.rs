//! How Prometheus comes to the pods: the monitor, the right to look, the targets, and its own replicas.

use loadtest::doctor::diagnosis::Finding;
use loadtest::doctor::evidence::Evidence;
use loadtest::kube::access::access;
use loadtest::kube::read::Read;
use serde_json::{Value, json};

use super::healthy::{self, ACCOUNT, NAMESPACE, PODS, ago};
use super::{found, named, seen, targets};

/// A healthy chain whose Prometheus has no targets, with its monitor and the operator's object changed.
fn without_targets(change: impl FnOnce(&mut Value, &mut Value)) -> Evidence {
    let mut evidence = healthy::adapter();
    targets(&mut evidence).for_each(Vec::clear);
    for replica in &mut evidence.prometheus.replicas {
        replica.queries.values_mut().for_each(|result| *result = Read::Seen(Vec::new()));
    }
    change(&mut seen(&mut evidence.monitors)[0], &mut seen(&mut evidence.prometheuses)[0]);
    evidence
}

fn command(finding: &Finding) -> &str {
    let [command] = finding.fix.commands.as_slice() else { panic!("{:?}", finding.fix) };
    command
}

const MONITOR: &str = "kubectl -n monitoring patch servicemonitor.monitoring.coreos.com/shopfront-monitor --type";

#[test]
fn without_a_monitor_annotations_do_nothing() {
    let mut evidence = without_targets(|_, _| {});
    seen(&mut evidence.monitors).clear();
    seen(&mut evidence.services)[0]["metadata"]["annotations"] = json!({"prometheus.io/scrape": "true"});
    seen(&mut evidence.prometheuses)[0]["spec"]["serviceMonitorSelector"] = json!({"matchLabels": {"release": "kps"}});
    let finding = found(&evidence, 4);
    assert!(finding.evidence.contains("annotation prometheus.io/scrape"), "{}", finding.evidence);
    let manifest =
        command(&finding).strip_prefix(r"printf '%s\n' '").unwrap().strip_suffix("' | kubectl apply -f -").unwrap();
    let mut monitor: Value = serde_saphyr::from_str(manifest).unwrap();
    assert_eq!(monitor["metadata"]["labels"], json!({"release": "kps"}));
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], json!({"app": "shopfront"}));
    assert_eq!(monitor["spec"]["endpoints"], json!([{"port": "web", "path": "/metrics"}]));
    // What it is told to apply does mend the chain: Prometheus will have its targets soon.
    monitor["metadata"]["creationTimestamp"] = json!(ago(20.0));
    seen(&mut evidence.monitors).push(monitor);
    assert_eq!(named(&evidence), None);
}

#[test]
fn a_job_by_another_way_needs_no_monitor() {
    let mut evidence = healthy::adapter();
    seen(&mut evidence.monitors).clear();
    assert_eq!(named(&evidence), None);
}

#[test]
fn series_that_come_without_a_target_need_no_monitor() {
    for mut evidence in [healthy::adapter(), healthy::keda()] {
        seen(&mut evidence.monitors).clear();
        targets(&mut evidence).for_each(Vec::clear);
        assert_eq!(named(&evidence), None);
    }
    // Nobody scrapes any more: a query finds the last samples for five minutes, and the adapter lists none.
    let mut evidence = healthy::adapter();
    seen(&mut evidence.monitors).clear();
    targets(&mut evidence).for_each(Vec::clear);
    evidence.prometheus.replicas.iter_mut().flat_map(|replica| replica.series.values_mut()).for_each(|series| {
        *series = Read::Seen(Vec::new());
    });
    assert_eq!(named(&evidence), Some(4));
}

#[test]
fn the_port_that_leads_to_the_page_is_meant() {
    let mut evidence = without_targets(|monitor, _| monitor["spec"]["endpoints"][0]["port"] = json!("http"));
    let port = json!({"name": "admin", "port": 81, "targetPort": 8081});
    seen(&mut evidence.services)[0]["spec"]["ports"].as_array_mut().unwrap().insert(0, port);
    assert!(command(&found(&evidence, 5)).ends_with(r#""path":"/spec/endpoints/0/port","value":"web"}]'"#));
    evidence.pages.clear();
    assert_eq!(found(&evidence, 5).fix.commands, Vec::<String>::new());
}

#[test]
fn others_monitors_are_not_taken_for_the_pods() {
    let mut evidence = without_targets(|monitor, _| {
        monitor["spec"]["namespaceSelector"] = Value::Null;
        monitor["spec"]["selector"] = json!({"matchLabels": {"app": "alertmanager"}});
    });
    found(&evidence, 4);
    seen(&mut evidence.monitors)[0]["spec"]["namespaceSelector"] = json!({"any": true});
    found(&evidence, 4);
}

#[test]
fn a_monitor_without_the_label_that_prometheus_wants() {
    let selector = json!({"matchLabels": {"release": "kps"}});
    let evidence = without_targets(|_, prometheus| prometheus["spec"]["serviceMonitorSelector"] = selector);
    let finding = found(&evidence, 5);
    assert_eq!(
        command(&finding),
        "kubectl -n monitoring label servicemonitor.monitoring.coreos.com/shopfront-monitor 'release=kps' --overwrite"
    );
    let evidence = without_targets(|_, prometheus| prometheus["spec"]["serviceMonitorSelector"] = Value::Null);
    let fix = found(&evidence, 5).fix;
    assert!(
        fix.commands.is_empty() && fix.advice.starts_with("Set spec.serviceMonitorSelector of Prometheus"),
        "{fix:?}"
    );
}

#[test]
fn a_monitor_in_a_namespace_that_prometheus_does_not_look_in() {
    let own = json!({"matchLabels": {"kubernetes.io/metadata.name": "default"}});
    let evidence = without_targets(|_, prometheus| prometheus["spec"]["serviceMonitorNamespaceSelector"] = own);
    let fix = found(&evidence, 5).fix;
    assert!(fix.commands.is_empty() && fix.advice.starts_with("Move the monitor to a namespace"), "{fix:?}");
}

#[test]
fn a_monitor_that_looks_elsewhere() {
    let evidence = without_targets(|monitor, _| monitor["spec"]["namespaceSelector"]["matchNames"] = json!(["shop"]));
    let patch =
        format!(r#"{MONITOR} merge -p '{{"spec":{{"namespaceSelector":{{"matchNames":["shop","{NAMESPACE}"]}}}}}}'"#);
    assert_eq!(command(&found(&evidence, 5)), patch);
}

#[test]
fn a_monitor_whose_selector_fits_no_service() {
    let evidence = without_targets(|monitor, _| monitor["spec"]["selector"] = json!({"matchLabels": {"app": "shop"}}));
    let patch = r#"json -p '[{"op":"test","path":"/spec/selector","value":{"matchLabels":{"app":"shop"}}},{"op":"replace","path":"/spec/selector","value":{"matchLabels":{"app":"shopfront"}}}]'"#;
    assert_eq!(command(&found(&evidence, 5)), format!("{MONITOR} {patch}"));
}

#[test]
fn a_monitor_that_names_a_port_that_there_is_not() {
    let evidence = without_targets(|monitor, _| monitor["spec"]["endpoints"][0]["port"] = json!("http"));
    let patch = r#"json -p '[{"op":"test","path":"/spec/endpoints/0/port","value":"http"},{"op":"replace","path":"/spec/endpoints/0/port","value":"web"}]'"#;
    assert_eq!(command(&found(&evidence, 5)), format!("{MONITOR} {patch}"));
    // A Service's only port has no need of a name, but for the monitor.
    let mut evidence = without_targets(|_, _| {});
    seen(&mut evidence.services)[0]["spec"]["ports"][0].as_object_mut().unwrap().remove("name");
    assert!(command(&found(&evidence, 5)).contains(
        r#"[{"op":"test","path":"/spec/ports/0/port","value":80},{"op":"add","path":"/spec/ports/0/name","value":"web"}]"#
    ));
}

#[test]
fn a_monitor_that_was_just_made_has_its_targets_soon() {
    let evidence = without_targets(|monitor, _| monitor["metadata"]["creationTimestamp"] = json!(ago(20.0)));
    assert_eq!(named(&evidence), None);
    assert_eq!(named(&without_targets(|_, _| {})), Some(5));
}

#[test]
fn prometheus_without_the_right_to_look() {
    let mut evidence = without_targets(|_, _| {});
    let slices = access(ACCOUNT, "list", "discovery.k8s.io", "endpointslices", NAMESPACE);
    evidence.access.insert(slices, Read::Seen(false));
    let finding = found(&evidence, 6);
    assert!(finding.evidence.ends_with("endpointslices in miztiik-automation-ns"), "{}", finding.evidence);
    let [role, binding] = finding.fix.commands.as_slice() else { panic!("{:?}", finding.fix) };
    assert!(role.contains("endpointslices") && role.contains("namespace: miztiik-automation-ns"), "{role}");
    assert!(binding.contains("name: prometheus-k8s") && binding.contains("namespace: monitoring"), "{binding}");
}

#[test]
fn prometheus_needs_no_right_that_it_does_not_use() {
    let mut evidence = healthy::adapter();
    evidence.access.insert(access(ACCOUNT, "list", "", "endpoints", NAMESPACE), Read::Seen(false));
    assert_eq!(named(&evidence), None);
    // A job may find pods without their Services: what is up was found.
    evidence.access.insert(access(ACCOUNT, "list", "", "services", NAMESPACE), Read::Seen(false));
    assert_eq!(named(&evidence), None);
}

/// A healthy chain whose targets are down: no values, and this error.
fn down(error: &str, url: &str) -> Evidence {
    let mut evidence = healthy::adapter();
    targets(&mut evidence).flatten().for_each(|target| {
        target["health"] = json!("down");
        target["lastError"] = json!(error);
        let ip = target["labels"]["instance"].as_str().unwrap().split(':').next().unwrap().to_owned();
        target["scrapeUrl"] = json!(format!("http://{ip}{url}"));
    });
    for replica in &mut evidence.prometheus.replicas {
        replica.queries.values_mut().for_each(|result| *result = Read::Seen(Vec::new()));
    }
    evidence
}

#[test]
fn a_target_with_a_wrong_path() {
    let evidence = down("server returned HTTP status 404 Not Found", ":9898/wrong");
    let patch = r#"json -p '[{"op":"test","path":"/spec/endpoints/0/port","value":"web"},{"op":"add","path":"/spec/endpoints/0/path","value":"/metrics"}]'"#;
    assert_eq!(command(&found(&evidence, 7)), format!("{MONITOR} {patch}"));
}

#[test]
fn a_target_with_a_wrong_port() {
    let mut evidence = down("dial tcp 10.244.0.11:9999: connect: connection refused", ":9999/metrics");
    seen(&mut evidence.services)[0]["spec"]["ports"][0]["targetPort"] = json!(9999);
    assert_eq!(
        command(&found(&evidence, 7)),
        "kubectl -n miztiik-automation-ns patch service/shopfront-svc --type json \
         -p '[{\"op\":\"test\",\"path\":\"/spec/ports/0/name\",\"value\":\"web\"},\
         {\"op\":\"add\",\"path\":\"/spec/ports/0/targetPort\",\"value\":9898}]'"
    );
    // One that serves clients, though no metrics, is left alone.
    let evidence = down("server returned HTTP status 404 Not Found", ":8080/metrics");
    let mut evidence = Evidence { ..evidence };
    seen(&mut evidence.services)[0]["spec"]["ports"][0]["targetPort"] = json!(8080);
    let patch = r#"json -p '[{"op":"test","path":"/spec/endpoints/0/port","value":"web"},{"op":"remove","path":"/spec/endpoints/0/port"},{"op":"add","path":"/spec/endpoints/0/targetPort","value":9898}]'"#;
    assert_eq!(command(&found(&evidence, 7)), format!("{MONITOR} {patch}"));
}

#[test]
fn a_target_with_a_wrong_port_and_a_wrong_path() {
    let mut evidence = down("dial tcp 10.244.0.11:9999: connect: connection refused", ":9999/wrong");
    let endpoint = json!([{"targetPort": 9999, "path": "/wrong", "interval": "5s"}]);
    seen(&mut evidence.monitors)[0]["spec"]["endpoints"] = endpoint;
    let commands = found(&evidence, 7).fix.commands;
    let [path, port] = commands.as_slice() else { panic!("{commands:?}") };
    assert!(port.ends_with(r#",{"op":"add","path":"/spec/endpoints/0/targetPort","value":9898}]'"#), "{port}");
    assert!(path.ends_with(r#",{"op":"add","path":"/spec/endpoints/0/path","value":"/metrics"}]'"#), "{path}");
}

#[test]
fn a_target_that_a_policy_keeps_prometheus_from() {
    let evidence = down("context deadline exceeded", ":9898/metrics");
    let fix = found(&evidence, 7).fix;
    assert!(fix.advice.contains("NetworkPolicy") && fix.commands.is_empty(), "{fix:?}");
}

#[test]
fn a_scrape_that_was_missed_under_load_is_no_target_that_is_down() {
    let healthy = healthy::adapter();
    let mut evidence = down("context deadline exceeded", ":9898/metrics");
    for (replica, healthy) in evidence.prometheus.replicas.iter_mut().zip(healthy.prometheus.replicas) {
        replica.queries = healthy.queries;
    }
    assert_eq!(named(&evidence), None);
}

#[test]
fn the_target_of_a_pod_that_has_just_started_may_be_down() {
    let mut evidence = healthy::adapter();
    let down = |target: &mut Value| {
        target["health"] = json!("down");
        target["lastError"] = json!("connection refused");
    };
    targets(&mut evidence).for_each(|targets| down(&mut targets[1]));
    let condition = json!([{"type": "Ready", "status": "True", "lastTransitionTime": ago(5.0)}]);
    let ready = std::mem::replace(&mut seen(&mut evidence.pods)[1]["status"]["conditions"], condition);
    assert_eq!(named(&evidence), None);
    seen(&mut evidence.pods)[1]["status"]["conditions"] = ready;
    assert!(found(&evidence, 7).evidence.contains(PODS[1].0));
}

#[test]
fn a_replica_of_prometheus_that_is_not_ready() {
    let mut evidence = healthy::adapter();
    evidence.prometheus.replicas[1].ready = Read::Seen(false);
    let finding = found(&evidence, 35);
    assert!(finding.evidence.contains("prometheus-k8s-1 is not ready"));
    assert_eq!(command(&finding), "kubectl -n monitoring logs pod/prometheus-k8s-1 --all-containers --tail=50");
    let mut stuck = evidence.clone();
    let message = format!("Back-off pulling image: {}no such host", "failed to resolve reference: ".repeat(20));
    let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": message}});
    seen(&mut stuck.prometheus.pods)[1]["status"]["containerStatuses"] =
        json!([{"name": "prometheus", "ready": false, "restartCount": 0, "state": waiting, "lastState": {}}]);
    let finding = found(&stuck, 35);
    assert_eq!(command(&finding), "kubectl -n monitoring describe pod/prometheus-k8s-1");
    assert!(finding.evidence.ends_with("no such host; 1 of 2 replicas are ready"), "{}", finding.evidence);
    assert!(finding.fix.advice.contains("the image's name"), "{}", finding.fix.advice);
    seen(&mut evidence.prometheus.pods)[1]["metadata"]["creationTimestamp"] = json!(ago(30.0));
    assert_eq!(named(&evidence), None);
}

#[test]
fn prometheus_scaled_to_nothing() {
    let mut evidence = healthy::adapter();
    (evidence.prometheus.pods, evidence.prometheus.replicas) = (Read::Seen(Vec::new()), Vec::new());
    seen(&mut evidence.prometheuses)[0]["spec"]["replicas"] = json!(0);
    let fix = found(&evidence, 35).fix;
    assert_eq!(fix.commands, [""; 0]);
    assert_eq!(fix.advice, "Set spec.replicas of Prometheus monitoring/k8s to 1 or more.");
    seen(&mut evidence.prometheuses)[0]["spec"]["replicas"] = json!(2);
    assert_eq!(command(&found(&evidence, 35)), "kubectl -n monitoring get events --sort-by=.lastTimestamp");
}

#[test]
fn replicas_of_prometheus_that_disagree() {
    let mut evidence = healthy::adapter();
    let rate = |evidence: &mut Evidence, value: &str| {
        for (query, result) in &mut evidence.prometheus.replicas[1].queries {
            if query.contains("rate(") {
                seen(result)[0]["value"][1] = json!(value);
            }
        }
    };
    // A scrape more or less is no disagreement.
    for value in ["1.4", "0.7", "2.5", "3.1"] {
        rate(&mut evidence, value);
        assert_eq!(named(&evidence), None, "{value}");
    }
    rate(&mut evidence, "7");
    let finding = found(&evidence, 35);
    assert!(finding.evidence.ends_with("prometheus-k8s-1 answers 7.00"));
    let log = |pod: &str| format!("kubectl -n monitoring logs pod/{pod} --all-containers --tail=50");
    assert_eq!(finding.fix.commands, ["prometheus-k8s-0", "prometheus-k8s-1"].map(log));
    // A load has ended: each falls when it scrapes.
    let mut ended = evidence.clone();
    ended.pages.iter_mut().for_each(|page| page.second = page.first.clone());
    assert_eq!(named(&ended), None);
    // What a restart has left in one of them is gone when its window is.
    seen(&mut evidence.prometheus.pods)[1]["metadata"]["creationTimestamp"] = json!(ago(100.0));
    assert_eq!(named(&evidence), None);
}

#[test]
fn shards_and_others_have_other_targets() {
    for label in ["operator.prometheus.io/shard", "operator.prometheus.io/name"] {
        let mut evidence = healthy::adapter();
        seen(&mut evidence.prometheus.replicas[0].targets).pop();
        seen(&mut evidence.prometheus.pods)[1]["metadata"]["labels"][label] = json!("1");
        assert_eq!(named(&evidence), None, "{label}");
    }
}

#[test]
fn a_prometheus_that_has_nothing_to_do_with_the_pods_need_not_be_ready() {
    let mut evidence = healthy::adapter();
    evidence.prometheus.service = Read::NotAsked;
    evidence.prometheus.replicas[1].ready = Read::Seen(false);
    seen(&mut evidence.prometheus.replicas[1].targets).clear();
    seen(&mut evidence.prometheus.pods)[1]["metadata"]["labels"]["operator.prometheus.io/name"] = json!("other");
    assert_eq!(named(&evidence), None);
}

#[test]
fn a_replica_of_prometheus_without_a_target_that_the_other_has() {
    let mut evidence = healthy::adapter();
    seen(&mut evidence.prometheus.replicas[0].targets).pop();
    assert!(found(&evidence, 35).evidence.contains("prometheus-k8s-0 has no target for it"));
}
