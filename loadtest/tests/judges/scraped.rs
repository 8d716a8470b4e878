//! The links metrics and series: the pods' metrics pages, and their series in Prometheus.

use super::diagnose;
use crate::changed::{counting_scrapes, not_found, ready_for, rewritten, targets, without_results, without_targets};
use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{LinkResult, State};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Read, Unread};
use serde_json::json;

use super::healthy::{self, COUNTER};
use super::{broken_cause, found, seen};

/// Changes both readings of all pages.
fn rewrite(evidence: &mut Evidence, with: impl Fn(&str) -> String) {
    for page in &mut evidence.pages {
        for text in [&mut page.first, &mut page.second] {
            *text = Read::Seen(with(seen(text)));
        }
    }
}

#[test]
fn counter_missing_on_an_idle_pods_page_is_absent() {
    for mut evidence in [healthy::adapter(), healthy::keda()] {
        rewrite(&mut evidence, |text| text.replace("http_requests_total{", "other_total{"));
        if evidence.scaled_object.seen().is_some() {
            // The sum may still have a value, from other pods' counters or a constant.
            assert_eq!(broken_cause(&evidence), None);
        }
        without_results(&mut evidence);
        let commands = found(&evidence, Cause::CounterAbsent).fix.commands;
        let path = "/api/v1/namespaces/miztiik-automation-ns/pods/shopfront-deploy-7d94b56f44-fblvd:9898/proxy/";
        assert_eq!(commands[0], format!("kubectl get --raw {path}"));
        assert_eq!(commands.len(), 2);
    }
}

#[test]
fn new_pod_may_lack_its_counter() {
    let mut evidence = healthy::adapter();
    rewrite(&mut evidence, |text| text.replace("http_requests_total{", "other_total{"));
    ready_for(&mut evidence, 8.0);
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn unselected_series_does_not_mean_missing_labels() {
    // The pages are unreadable, and Prometheus has only a series of the counter that the rule does not select.
    let mut evidence = healthy::adapter();
    rewritten(&mut evidence, "pod!=\"\"}", "pod!=\"\",path=\"version\"}");
    rewritten(&mut evidence, "<<.LabelMatchers>>", "path=\"version\",<<.LabelMatchers>>");
    let series = r#"http_requests_total{path="version",namespace="miztiik-automation-ns",pod=~"shopfront-deploy-7d94b56f44-fblvd|shopfront-deploy-7d94b56f44-x2kqp"}"#;
    healthy::answer(&mut evidence, &[COUNTER, series, &format!("sum(rate({series}[2m])) by (pod)")]);
    unlabelled(&mut evidence, |_| {});
    evidence.pages.clear();
    assert_ne!(broken_cause(&evidence), Some(Cause::LabelsMissing));
}

#[test]
fn series_selected_by_the_rule_must_be_on_the_page() {
    let mut evidence = healthy::adapter();
    rewritten(&mut evidence, "pod!=\"\"}", "pod!=\"\",path=\"version\"}");
    let mut unanswered = evidence.clone();
    not_found(&mut unanswered);
    found(&unanswered, Cause::CounterAbsent);
    rewrite(&mut evidence, |text| format!("{text}http_requests_total{{path=\"version\"}} 0\n"));
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn counter_at_zero_is_present() {
    let mut evidence = healthy::adapter();
    rewrite(&mut evidence, |_| "http_requests_total{path=\"root\"} 0\n".to_owned());
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn counter_of_an_ingress_need_not_be_on_the_pods_pages() {
    let mut evidence = healthy::keda();
    rewrite(&mut evidence, |text| text.replace("http_requests_total{", "other_total{"));
    let ingress =
        json!({"metric": {"job": "ingress", "pod": "ingress-0", "instance": "10.9.9.9:1"}, "value": [1, "5"]});
    for replica in &mut evidence.prometheus.replicas {
        replica.queries.values_mut().for_each(|result| *result = Read::Seen(vec![ingress.clone()]));
    }
    assert_eq!(broken_cause(&evidence), None);
    assert_eq!(diagnose(&evidence).links[1].evidence, "http_requests_total comes from job ingress");
}

#[test]
fn counted_scrapes_are_excluded_in_the_rule() {
    let mut evidence = healthy::adapter();
    counting_scrapes(&mut evidence);
    let finding = found(&evidence, Cause::ProbesCounted);
    assert!(finding.evidence.contains("path=\"metrics\"") && finding.evidence.contains("0.40 a second"), "{finding:?}");
    let [edit, restart] = finding.fix.commands.as_slice() else { panic!("{:?}", finding.fix) };
    assert!(edit.contains(r#"<<.LabelMatchers>>,path!="metrics"}[2m])"#), "{edit}");
    assert!(restart.ends_with("rollout restart deployment prometheus-adapter"), "{restart}");
    // The query is in double quotes in the document already.
    let rules = evidence.server.config.clone();
    rewritten(&mut evidence, "metricsQuery: sum(rate", "metricsQuery: \"sum(rate");
    rewritten(&mut evidence, "by (<<.GroupBy>>)\nresourceRules", "by (<<.GroupBy>>)\"\nresourceRules");
    let edit = &found(&evidence, Cause::ProbesCounted).fix.commands[0];
    assert!(edit.contains(r"<<.LabelMatchers>>,path!='\''metrics'\''}"), "{edit}");
    evidence.server.config = rules;
    // The counter includes probes too: one edit excludes both paths.
    for page in &mut evidence.pages {
        seen(&mut page.second).push_str("http_requests_total{path=\"readyz\"} 9\n");
    }
    let edit = &found(&evidence, Cause::ProbesCounted).fix.commands[0];
    assert!(edit.contains(r#"<<.LabelMatchers>>,path!~"metrics|readyz"}[2m])"#), "{edit}");
    // The scrapes are negligible for a large target.
    seen(&mut evidence.hpa)["spec"]["metrics"][0]["pods"]["target"]["averageValue"] = json!("100");
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn counted_scrapes_are_excluded_in_the_trigger() {
    let mut evidence = healthy::keda();
    counting_scrapes(&mut evidence);
    let command = &found(&evidence, Cause::ProbesCounted).fix.commands[0];
    assert!(command.contains(r#"sum(rate(http_requests_total{path!=\"metrics\",namespace=\""#), "{command}");
    let query = "sum(rate(http_requests_total{namespace=\"miztiik-automation-ns\",path!=\"metrics\"}[1m]))";
    seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["metadata"]["query"] = json!(query);
    let series = r#"http_requests_total{namespace="miztiik-automation-ns",path!="metrics"}"#;
    healthy::answer(&mut evidence, &[COUNTER, series, query]);
    assert_eq!(broken_cause(&evidence), None);
}

/// Makes each pod's counter, which has no label for the route, grow this much between the two readings.
fn growing(evidence: &mut Evidence, growth: u32) {
    for page in &mut evidence.pages {
        page.first = Read::Seen("http_requests_total{status=\"200\"} 100\n".to_owned());
        page.second = Read::Seen(format!("http_requests_total{{status=\"200\"}} {}\n", 100 + growth));
    }
}

#[test]
fn counter_without_routes_counts_probes_if_its_rate_is_theirs() {
    // Two scrapes every 5 s, one probe every 2 s and one every 10 s make one request per second.
    let mut evidence = healthy::adapter();
    growing(&mut evidence, 6);
    assert!(found(&evidence, Cause::ProbesCounted).evidence.contains("1.00 a second, with a target of 2"));
    for growth in [0, 1, 12, 60] {
        growing(&mut evidence, growth);
        assert_eq!(broken_cause(&evidence), None, "{growth}");
    }
}

#[test]
fn probe_rate_on_one_pod_alone_may_be_chance() {
    let mut evidence = healthy::adapter();
    growing(&mut evidence, 6);
    found(&evidence, Cause::ProbesCounted);
    evidence.pages.pop();
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn ratio_query_is_not_judged_by_counted_scrapes() {
    let mut evidence = healthy::keda();
    counting_scrapes(&mut evidence);
    let query = "sum(rate(http_requests_total[1m])) / sum(rate(http_requests_count[1m]))";
    seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["metadata"]["query"] = json!(query);
    healthy::answer(&mut evidence, &["http_requests_total", COUNTER, query]);
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn dropped_label_removes_its_relabelling() {
    let mut evidence = healthy::adapter();
    let drop = json!([{"action": "labeldrop", "regex": "le"}, {"action": "labeldrop", "regex": "pod"}]);
    seen(&mut evidence.monitors)[0]["spec"]["endpoints"][0]["metricRelabelings"] = drop;
    unlabelled(&mut evidence, |labels| {
        labels.remove("pod");
    });
    let finding = found(&evidence, Cause::LabelsMissing);
    assert!(finding.evidence.contains("no label pod"), "{}", finding.evidence);
    assert_eq!(
        finding.fix.commands,
        ["kubectl -n monitoring patch servicemonitor.monitoring.coreos.com/shopfront-monitor --type json \
          -p '[{\"op\":\"test\",\"path\":\"/spec/endpoints/0/metricRelabelings/1\",\
          \"value\":{\"action\":\"labeldrop\",\"regex\":\"pod\"}},\
          {\"op\":\"remove\",\"path\":\"/spec/endpoints/0/metricRelabelings/1\"}]'"]
    );
}

#[test]
fn label_of_the_page_with_honor_labels_is_reported() {
    let mut evidence = healthy::adapter();
    seen(&mut evidence.monitors)[0]["spec"]["endpoints"][0]["honorLabels"] = json!(true);
    unlabelled(&mut evidence, |labels| {
        labels.insert("pod".to_owned(), json!("another"));
    });
    let finding = found(&evidence, Cause::LabelsMissing);
    assert!(finding.evidence.contains("pod=\"another\""), "{}", finding.evidence);
    assert!(finding.fix.commands[0].contains("honorLabels"), "{:?}", finding.fix);
}

#[test]
fn renamed_label_is_copied_by_relabelling_or_an_override() {
    let mut evidence = healthy::adapter();
    unlabelled(&mut evidence, |labels| {
        let pod = labels.remove("pod").unwrap();
        labels.insert("kubernetes_pod_name".to_owned(), pod);
    });
    let finding = found(&evidence, Cause::LabelsMissing);
    assert!(finding.fix.advice.contains("`kubernetes_pod_name: {resource: pod}`"), "{:?}", finding.fix);
    let copy = r#"{"regex":"(.+)","sourceLabels":["kubernetes_pod_name"],"targetLabel":"pod"}"#;
    let patched = |operation: &str| {
        let test = r#"{"op":"test","path":"/spec/endpoints/0/port","value":"web"}"#;
        format!(
            "kubectl -n monitoring patch servicemonitor.monitoring.coreos.com/shopfront-monitor --type json -p '[{test},{operation}]'"
        )
    };
    let path = "/spec/endpoints/0/metricRelabelings";
    let whole = format!(r#"{{"op":"add","path":"{path}","value":[{copy}]}}"#);
    assert_eq!(finding.fix.commands, [patched(&whole)]);
    // Existing relabelling is kept.
    seen(&mut evidence.monitors)[0]["spec"]["endpoints"][0]["metricRelabelings"] =
        json!([{"action": "labeldrop", "regex": "le"}]);
    let one = format!(r#"{{"op":"add","path":"{path}/-","value":{copy}}}"#);
    assert_eq!(found(&evidence, Cause::LabelsMissing).fix.commands, [patched(&one)]);
    // No monitor owns the job. Other series list the metric by a later rule, so an added rule would not count.
    seen(&mut evidence.monitors).clear();
    assert_eq!(found(&evidence, Cause::LabelsMissing).fix.commands, Vec::<String>::new());
    // If all series have the other name, an override maps it.
    for replica in &mut evidence.prometheus.replicas {
        for labels in replica.series.values_mut().flat_map(seen) {
            let pod = labels.remove("pod").unwrap();
            labels.insert("kubernetes_pod_name".to_owned(), pod);
        }
    }
    let commands = found(&evidence, Cause::LabelsMissing).fix.commands;
    let overrides = "overrides: {namespace: {resource: namespace}, kubernetes_pod_name: {resource: pod}}";
    assert!(commands[0].contains(overrides) && commands[1].contains("rollout restart"), "{commands:?}");
}

#[test]
fn pod_not_scraped_twice_may_lack_series() {
    let mut evidence = healthy::adapter();
    unlabelled(&mut evidence, |_| {});
    ready_for(&mut evidence, 8.0);
    targets(&mut evidence)
        .for_each(|targets| targets.iter_mut().for_each(|target| target["health"] = json!("unknown")));
    assert_eq!(broken_cause(&evidence), None);
}

/// Changes the labels of the counter. A query that selects labels finds nothing.
fn unlabelled(evidence: &mut Evidence, with: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) {
    for (query, result) in evidence.prometheus.replicas.iter_mut().flat_map(|replica| &mut replica.queries) {
        if query == COUNTER {
            for sample in seen(result) {
                with(sample["metric"].as_object_mut().unwrap());
            }
        } else if query.starts_with("http_requests_total{") {
            *result = Read::Seen(Vec::new());
        }
    }
}

/// A Prometheus with two shards, each with one of the pods.
fn sharded() -> Evidence {
    let mut evidence = healthy::adapter();
    seen(&mut evidence.prometheuses)[0]["spec"]["shards"] = json!(2);
    for (number, pod) in seen(&mut evidence.prometheus.pods).iter_mut().enumerate() {
        pod["metadata"]["labels"]["operator.prometheus.io/shard"] = json!(number.to_string());
    }
    for (number, replica) in evidence.prometheus.replicas.iter_mut().enumerate() {
        let lists = replica.queries.values_mut().chain([&mut replica.targets]);
        lists.for_each(|list| _ = seen(list).remove(1 - number));
    }
    evidence
}

fn series(evidence: &Evidence) -> LinkResult {
    diagnose(evidence).links.into_iter().find(|result| result.link == Link::Series).unwrap()
}

#[test]
fn shards_of_prometheus_share_the_series() {
    let mut evidence = sharded();
    let result = series(&evidence);
    assert_eq!((broken_cause(&evidence), result.state), (None, State::Ok), "{result:?}");
    assert!(result.evidence.ends_with(": 2 series"), "{result:?}");
    // A label that no shard has is missing.
    let drop = json!([{"action": "labeldrop", "regex": "pod"}]);
    seen(&mut evidence.monitors)[0]["spec"]["endpoints"][0]["metricRelabelings"] = drop;
    without_results(&mut evidence);
    found(&evidence, Cause::LabelsMissing);
    // A shard that does not answer, or that was not found, may have the label.
    let mut silent = evidence.clone();
    silent.prometheus.replicas[1].queries.clear();
    seen(&mut evidence.prometheuses)[0]["spec"]["shards"] = json!(3);
    for (evidence, number) in [(silent, 1), (evidence, 2)] {
        let (result, expected) =
            (series(&evidence), format!("shard {number} of Prometheus monitoring/k8s did not answer"));
        assert_eq!((broken_cause(&evidence), result.state), (None, State::Unread), "{result:?}");
        assert!(result.evidence.starts_with(&expected), "{result:?}");
    }
}

#[test]
fn unreadable_shard_may_have_the_targets() {
    let mut evidence = sharded();
    without_targets(&mut evidence);
    found(&evidence, Cause::MonitorSelectsNothing);
    evidence.prometheus.replicas[1].targets = Read::Unread(Unread::default());
    assert_eq!(broken_cause(&evidence), None);
}
