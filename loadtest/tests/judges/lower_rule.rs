//! The adapter's rule.

use loadtest::doctor::diagnosis::{Link, State};
use loadtest::doctor::evidence::{Evidence, Read, Unread};
use loadtest::doctor::questions;
use serde_json::json;

use crate::healthy::{self, TAKEN, ago};
use crate::lower::{adapter, answers, cause, not_found, ready_for, results, rewritten, seen, server_started, state};
use crate::lower_api::unavailable;
use crate::named;

fn argument(evidence: &mut Evidence, place: usize, value: &str) {
    seen(&mut evidence.server.deployment)["spec"]["template"]["spec"]["containers"][0]["args"][place] = json!(value);
}

#[test]
fn a_url_that_names_no_service_or_no_port_of_it() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    let url = "http://prometheus-k8s.monitoring.svc:9091/";
    argument(&mut evidence, 3, &format!("--prometheus-url={url}"));
    evidence.prometheus.url = Read::Seen(url.to_owned());
    let (number, command) = cause(&evidence, Link::Rule);
    assert_eq!(number, 9);
    let patched = "kubectl -n monitoring patch deployment.apps/prometheus-adapter --type json -p '[{\"op\":\"test\",\
                   \"path\":\"/spec/template/spec/containers/0/args/3\",\
                   \"value\":\"--prometheus-url=http://prometheus-k8s.monitoring.svc:9091/\"},{\"op\":\"replace\",\
                   \"path\":\"/spec/template/spec/containers/0/args/3\",\
                   \"value\":\"--prometheus-url=http://prometheus-k8s.monitoring.svc:9090\"}]'";
    assert_eq!(command, patched);

    evidence.prometheus.service = Read::Absent;
    let (number, command) = cause(&evidence, Link::Rule);
    assert_eq!(number, 9);
    assert!(command.contains("http://prometheus-operated.monitoring.svc:9090"), "{command}");

    // One with an address of its own is better than the headless one, where it leads to all that Prometheus is.
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
    let (_, command) = cause(&evidence, Link::Rule);
    assert!(command.contains("http://prometheus-operated.monitoring.svc:9090\""), "{command}");
    services.push(service("prometheus-k8s", json!({"ports": [reloader, web]})));
    evidence.prometheus.services = Read::Seen(services);
    let (_, command) = cause(&evidence, Link::Rule);
    assert!(command.contains("http://prometheus-k8s.monitoring.svc:80\""), "{command}");
}

#[test]
fn a_host_of_two_labels_is_a_service_only_where_its_namespace_is_known() {
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
        assert_eq!(questions::service(&evidence, host), service, "{host}");
    }
    not_found(&mut evidence);
    evidence.prometheus.service = Read::Absent;
    let mut named = |host: &str| {
        evidence.prometheus.url = Read::Seen(format!("http://{host}:9090"));
        named(&evidence)
    };
    assert_eq!([named("prometheus.monitoring"), named("prometheus.example.svc")], [Some(9), Some(9)]);
    assert_ne!(named("example.com"), Some(9));
}

#[test]
fn a_host_outside_that_is_not_reached_is_not_replaced() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    (evidence.prometheus.service, evidence.prometheus.url) =
        (Read::Absent, Read::Seen("http://example.com".to_owned()));
    for (why, replaced) in [("i/o timeout", false), ("no such host", true)] {
        evidence.server.log =
            Read::Seen(format!("unable to update list of all metrics: Get \"http://x\": dial: {why}"));
        let (number, command) = cause(&evidence, Link::Rule);
        assert_eq!((number, command.contains("prometheus-operated")), (9, replaced), "{command}");
    }
}

#[test]
fn a_log_that_says_that_prometheus_is_out_of_reach() {
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
    assert_eq!(cause(&evidence, Link::Rule).0, 9);
    // Long ago, or with an adapter that answers: over.
    evidence.server.log = Read::Seen(line(900.0));
    assert_eq!(cause(&evidence, Link::Answer).0, 11);
    let mut evidence = adapter();
    evidence.server.log = Read::Seen(line(20.0));
    assert_eq!(state(&evidence, Link::Rule), State::Holds);
}

fn config_changed(evidence: &mut Evidence, seconds: f64) {
    seen(&mut evidence.server.config)["metadata"]["managedFields"] = json!([
        {"manager": "kubectl", "operation": "Update", "time": ago(seconds), "fieldsV1": {"f:data": {"f:config.yaml": {}}}},
    ]);
}

#[test]
fn an_adapter_that_is_older_than_its_rules() {
    let mut evidence = adapter();
    config_changed(&mut evidence, 60.0);
    // It answers: whatever was changed, the metric is served.
    assert_eq!(state(&evidence, Link::Rule), State::Holds);
    not_found(&mut evidence);
    let restart = "kubectl -n monitoring rollout restart deployment prometheus-adapter".to_owned();
    assert_eq!(cause(&evidence, Link::Rule), (11, restart));
    // The first pods have just come: there was nothing to list.
    ready_for(&mut evidence, 15.0);
    assert_eq!(state(&evidence, Link::Rule), State::NotJudged);
    ready_for(&mut evidence, 1200.0);
    // While it is being restarted, it is too early to say so.
    seen(&mut evidence.server.deployment)["status"]["unavailableReplicas"] = json!(1);
    config_changed(&mut evidence, 2.0);
    server_started(&mut evidence, 3.0);
    assert_eq!(state(&evidence, Link::Rule), State::NotJudged);
    // It started in the second of the change, maybe after it: what it answers tells.
    seen(&mut evidence.server.deployment)["status"]["unavailableReplicas"] = json!(0);
    config_changed(&mut evidence, 200.0);
    server_started(&mut evidence, 200.0);
    assert_eq!(cause(&evidence, Link::Answer).0, 11);
    // It has just started, and serves no such API: no listing will bring the rule.
    let mut evidence = adapter();
    config_changed(&mut evidence, 2.0);
    server_started(&mut evidence, 5.0);
    not_found(&mut evidence);
    assert_eq!(state(&evidence, Link::Rule), State::NotJudged);
    let found_nothing = "bad status from https://10.0.0.1:443: 404";
    unavailable(&mut evidence, "FailedDiscoveryCheck", found_nothing, 5.0);
    assert_eq!(cause(&evidence, Link::Rule).0, 11);
    // Half a minute later it is still that, and not its being out of reach.
    server_started(&mut evidence, 33.0);
    config_changed(&mut evidence, 30.0);
    unavailable(&mut evidence, "FailedDiscoveryCheck", found_nothing, 31.0);
    assert_eq!(cause(&evidence, Link::Rule).0, 11);
    // Restarted: what the API server says of it is of before.
    server_started(&mut evidence, 6.0);
    unavailable(&mut evidence, "FailedDiscoveryCheck", found_nothing, 60.0);
    assert_eq!(named(&evidence), None);
    // It lists the metric: of a rule that it has read before, and that nobody changed.
    let mut evidence = adapter();
    config_changed(&mut evidence, 86_400.0);
    server_started(&mut evidence, 90_000.0);
    answers(&mut evidence, 200, json!({"items": []}));
    assert_eq!(cause(&evidence, Link::Answer).0, 22);
}

#[test]
fn no_rule_for_the_metric() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    let text = evidence.server.config.seen().unwrap()["data"]["config.yaml"].as_str().unwrap().to_owned();
    let resources = text.find("resourceRules:").unwrap();
    for (head, added) in [
        ("rules:\n  - {seriesQuery: other_total, resources: {template: <<.Resource>>}}\n", "s/^    rules:$/&\\"),
        ("", "s/^  config\\.yaml: |"),
    ] {
        seen(&mut evidence.server.config)["data"]["config.yaml"] = json!(format!("{head}{}", &text[resources..]));
        let (number, commands) = cause(&evidence, Link::Rule);
        assert_eq!(number, 11, "{commands}");
        assert!(commands.contains(added) && commands.contains("seriesQuery: http_requests_total"), "{commands}");
        assert!(commands.ends_with("rollout restart deployment prometheus-adapter"), "{commands}");
    }
}

#[test]
fn a_configuration_that_the_adapter_refuses() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    rewritten(&mut evidence, "seriesQuery:", "seriesquery:");
    assert_eq!(cause(&evidence, Link::Rule).0, 11);
}

#[test]
fn a_name_that_misses_the_metrics() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    rewritten(&mut evidence, "${1}_per_second", "${1}_rate");
    let (number, command) = cause(&evidence, Link::Rule);
    assert_eq!(number, 2);
    assert!(
        command.contains(
            r#"[{"op":"test","path":"/spec/metrics/0/pods/metric/name","value":"http_requests_per_second"},{"op":"replace","path":"/spec/metrics/0/pods/metric/name","value":"http_requests_rate"}]"#
        ),
        "{command}"
    );
    rewritten(&mut evidence, "${1}_rate", "${1}_per_second");
    rewritten(&mut evidence, "^(.*)_total", "^(.*)_count$");
    let (number, commands) = cause(&evidence, Link::Rule);
    assert_eq!(number, 2);
    assert!(
        commands.contains(r"sed 's/^(\.\*)_count\$/^(\.\*)_total$/'")
            || commands.contains(r"s/\^(\.\*)_count\$/^(.*)_total$/"),
        "{commands}"
    );
    // The same rule under the name that is asked for.
    let mut evidence = adapter();
    rewritten(&mut evidence, "^(.*)_total", "^(http_.*)_total$");
    assert_eq!(state(&evidence, Link::Rule), State::Holds);
}

#[test]
fn another_rule_whose_query_fails() {
    let mut evidence = adapter();
    let rule = "rules:\n  - seriesQuery: 'up{'\n    resources: {template: <<.Resource>>}\n    metricsQuery: sum(up)\n";
    rewritten(&mut evidence, "rules:\n", rule);
    let why = "400: invalid parameter \"match[]\": 1:4: parse error: unexpected end of input".to_owned();
    for replica in &mut evidence.prometheus.replicas {
        let unread = Unread { what: "the series up{".to_owned(), why: why.clone(), right: None };
        replica.series.insert("up{".to_owned(), Read::Unread(unread));
    }
    // As long as it was not restarted, it has its old list.
    assert_eq!(state(&evidence, Link::Rule), State::Holds);
    not_found(&mut evidence);
    let (number, commands) = cause(&evidence, Link::Rule);
    assert_eq!(number, 12);
    let deleted =
        "sed '/^      - seriesQuery: '\\''up{'\\''$/,/^        metricsQuery: sum(up)$/d' | kubectl replace -f -";
    assert!(commands.contains(deleted), "{commands}");
    // Prometheus did not answer in time, or could not be asked: that is no rule's fault.
    for why in ["no answer within 8 s", "503 Service Unavailable: error trying to reach service"] {
        for replica in &mut evidence.prometheus.replicas {
            let unread = Unread { what: "the series up{".to_owned(), why: why.to_owned(), right: None };
            replica.series.insert("up{".to_owned(), Read::Unread(unread));
        }
        assert_eq!(cause(&evidence, Link::Answer).0, 11);
    }
}

#[test]
fn a_result_without_the_pods_label() {
    let mut evidence = adapter();
    answers(&mut evidence, 200, json!({"items": []}));
    rewritten(&mut evidence, " by (<<.GroupBy>>)\nresourceRules", "\nresourceRules");
    results(&mut evidence, &[json!({"metric": {}, "value": [TAKEN, "2"]})]);
    let (number, commands) = cause(&evidence, Link::Rule);
    assert_eq!(number, 13);
    assert!(commands.contains("[2m])) by (<<.GroupBy>>)/'"), "{commands}");
    // Values of the pods, and a pod that is not there: not this.
    let mut evidence = adapter();
    results(&mut evidence, &[json!({"metric": {"pod": healthy::PODS[0].0}, "value": [TAKEN, "2"]})]);
    assert_eq!(state(&evidence, Link::Rule), State::Holds);
}

#[test]
fn a_relist_that_is_shorter_than_a_scrape() {
    let mut evidence = adapter();
    argument(&mut evidence, 2, "--metrics-relist-interval=2s");
    let (number, command) = cause(&evidence, Link::Rule);
    assert_eq!(number, 13);
    assert!(
        command.contains(r#""path":"/spec/template/spec/containers/0/args/2","value":"--metrics-relist-interval=60s""#),
        "{command}"
    );
    // The list may look further back.
    argument(&mut evidence, 4, "--metrics-max-age=1m");
    assert_eq!(state(&evidence, Link::Rule), State::Holds);
}

#[test]
fn a_window_of_less_than_two_scrapes() {
    let mut evidence = adapter();
    rewritten(&mut evidence, "[2m]", "[5s]");
    // It has a value all the same: Prometheus scrapes more often than we know.
    assert_eq!(state(&evidence, Link::Rule), State::Holds);
    answers(&mut evidence, 200, json!({"items": []}));
    let (number, commands) = cause(&evidence, Link::Rule);
    assert_eq!(number, 8);
    let expected = "kubectl -n monitoring get configmap adapter-config -o yaml | sed 's/\\[5s\\]/[20s]/' | kubectl replace -f -\n\
                    kubectl -n monitoring rollout restart deployment prometheus-adapter";
    assert_eq!(commands, expected);
    // The rule is mended that is meant, and no other of the same window.
    let other = "rules:\n  - seriesQuery: other_total\n    resources: {template: <<.Resource>>}\n    metricsQuery: sum(rate(other_total[5s]))\n";
    rewritten(&mut evidence, "rules:\n", other);
    let (_, commands) = cause(&evidence, Link::Rule);
    assert!(commands.contains("<<.LabelMatchers>>}[20s]") && !commands.contains("other"), "{commands}");
    for query in ["rate(<<.Series>>{<<.LabelMatchers>>}[10s])", "max_over_time(<<.Series>>{<<.LabelMatchers>>}[5s])"] {
        let mut evidence = adapter();
        rewritten(&mut evidence, "rate(<<.Series>>{<<.LabelMatchers>>}[2m])", query);
        answers(&mut evidence, 200, json!({"items": []}));
        assert_ne!(named(&evidence), Some(8), "{query}");
    }
}

/// A rule that takes any series, of which Prometheus has none, and the pods' pages neither.
fn any_series(evidence: &mut Evidence) {
    rewritten(evidence, "http_requests_total{namespace!=\"\",pod!=\"\"}", "'{__name__=~\"^http_.*\",pod!=\"\"}'");
    for replica in &mut evidence.prometheus.replicas {
        replica.series.clear();
    }
    for page in &mut evidence.pages {
        (page.first, page.second) = (Read::Seen("up 1\n".to_owned()), Read::Seen("up 1\n".to_owned()));
    }
    not_found(evidence);
}

#[test]
fn a_rule_for_any_series_that_has_none_yet() {
    let mut evidence = adapter();
    any_series(&mut evidence);
    let finding = crate::found(&evidence, 1);
    assert!(finding.evidence.contains("http_requests_total"), "{finding:?}");
    // The pages cannot be read, and nothing is scraped of pods that have just come.
    evidence.pages.clear();
    for replica in &mut evidence.prometheus.replicas {
        replica.targets = Read::Seen(Vec::new());
        replica.queries.clear();
    }
    ready_for(&mut evidence, 8.0);
    for monitor in seen(&mut evidence.monitors) {
        monitor["metadata"]["creationTimestamp"] = json!(ago(20.0));
    }
    assert_eq!(named(&evidence), None);
}

#[test]
fn a_counter_of_a_like_name_is_not_the_one() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    rewritten(&mut evidence, "seriesQuery: http_requests_total", "seriesQuery: orders_total");
    for (page, counters) in [("", 1), ("# TYPE http_requests counter\nhttp_requests 1\n", 2)] {
        for read in &mut evidence.pages {
            let text = format!("{page}{}", seen(&mut read.second).replace("_in_flight", ""));
            let text = format!("# TYPE http_requests_in_flight_total counter\nhttp_requests_in_flight_total 1\n{text}");
            read.second = Read::Seen(text);
        }
        let (number, commands) = cause(&evidence, Link::Rule);
        assert_eq!(number, 11);
        // Of two that may be meant, none is chosen.
        assert_eq!(commands.contains("seriesQuery: http_requests_total"), counters == 1, "{commands}");
        assert!(!commands.contains("in_flight"), "{commands}");
    }
}

#[test]
fn a_url_keeps_its_path_and_its_user() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    for (url, mended) in [
        ("http://prometheus-k8s.monitoring.svc:9091/prom/", "http://prometheus-k8s.monitoring.svc:9090/prom"),
        ("http://admin@prometheus-k8s.monitoring.svc:9091", ""),
    ] {
        argument(&mut evidence, 3, &format!("--prometheus-url={url}"));
        evidence.prometheus.url = Read::Seen(url.to_owned());
        let (number, command) = cause(&evidence, Link::Rule);
        assert_eq!((number, command.is_empty()), (9, mended.is_empty()), "{command}");
        assert!(command.contains(mended), "{command}");
    }
    // An address, a name outside of the cluster, and a name that stands for one, have no ports of a Service's.
    for url in ["http://[fd00::1]:9091", "http://prometheus.example.com:9091"] {
        evidence.prometheus.url = Read::Seen(url.to_owned());
        assert_ne!(named(&evidence), Some(9), "{url}");
    }
    evidence.prometheus.url = Read::Seen("http://prometheus-k8s.monitoring.svc:9091".to_owned());
    seen(&mut evidence.prometheus.service)["spec"]["type"] = json!("ExternalName");
    assert_ne!(named(&evidence), Some(9));
}

#[test]
fn a_rule_that_maps_none_of_the_labels() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    rewritten(&mut evidence, "http_requests_total{namespace!=\"\",pod!=\"\"}", "http_requests_total");
    for replica in &mut evidence.prometheus.replicas {
        let (_, mut series) = replica.series.pop_first().unwrap();
        for labels in seen(&mut series) {
            for label in ["namespace", "pod"] {
                let value = labels.remove(label).unwrap();
                labels.insert(format!("kubernetes_{label}"), value);
            }
        }
        replica.series.insert("http_requests_total".to_owned(), series);
    }
    let (number, commands) = cause(&evidence, Link::Rule);
    let overrides = "overrides: {kubernetes_namespace: {resource: namespace}, kubernetes_pod: {resource: pod}}";
    assert_eq!((number, commands.contains(overrides)), (10, true), "{commands}");
}
