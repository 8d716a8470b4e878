//! What the pods show: their pages, and what Prometheus has of them.

use super::diagnose;
use loadtest::doctor::diagnosis::{LinkResult, State};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::facts::scaling_metric::ScalingMetric;
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Read, Unread};
use serde_json::json;

use super::healthy::{self, ago};
use super::{found, named, seen, targets};

/// Changes both readings of all pages.
fn rewrite(evidence: &mut Evidence, with: impl Fn(&str) -> String) {
    for page in &mut evidence.pages {
        for text in [&mut page.first, &mut page.second] {
            *text = Read::Seen(with(seen(text)));
        }
    }
}

#[test]
fn a_counter_that_is_not_on_an_idle_pods_page() {
    for mut evidence in [healthy::adapter(), healthy::keda()] {
        rewrite(&mut evidence, |text| text.replace("http_requests_total{", "other_total{"));
        if evidence.scaled_object.seen().is_some() {
            // The other pods' counters, or a constant, make a value of it.
            assert_eq!(named(&evidence), None);
        }
        for replica in &mut evidence.prometheus.replicas {
            replica.queries.values_mut().for_each(|result| *result = Read::Seen(Vec::new()));
        }
        let commands = found(&evidence, 1).fix.commands;
        let path = "/api/v1/namespaces/miztiik-automation-ns/pods/shopfront-deploy-7d94b56f44-fblvd:9898/proxy/";
        assert_eq!(commands[0], format!("kubectl get --raw {path}"));
        assert_eq!(commands.len(), 2);
    }
}

#[test]
fn a_pod_that_has_just_started_may_be_without_its_counter() {
    let mut evidence = healthy::adapter();
    rewrite(&mut evidence, |text| text.replace("http_requests_total{", "other_total{"));
    for pod in seen(&mut evidence.pods) {
        pod["status"]["conditions"].as_array_mut().unwrap().iter_mut().for_each(|condition| {
            condition["lastTransitionTime"] = json!(ago(8.0));
        });
    }
    assert_eq!(named(&evidence), None);
}

#[test]
fn another_series_of_the_counter_is_not_one_without_labels() {
    // Nobody lets us see the page; of its counter, a series that is not wanted is there.
    let mut evidence = healthy::adapter();
    let rules = seen(&mut evidence.server.config);
    let changed = rules["data"]["config.yaml"].as_str().unwrap().replace("pod!=\"\"}", "pod!=\"\",path=\"version\"}");
    rules["data"]["config.yaml"] = json!(changed.replace("<<.LabelMatchers>>", "path=\"version\",<<.LabelMatchers>>"));
    healthy::answer(&mut evidence);
    unlabelled(&mut evidence, |_| {});
    evidence.pages.clear();
    assert_ne!(named(&evidence), Some(10));
}

#[test]
fn a_series_that_the_rule_asks_for_and_that_is_not_on_the_page_yet() {
    let mut evidence = healthy::adapter();
    let rules = seen(&mut evidence.server.config);
    let changed = rules["data"]["config.yaml"].as_str().unwrap().replace("pod!=\"\"}", "pod!=\"\",path=\"version\"}");
    rules["data"]["config.yaml"] = json!(changed);
    found(&evidence, 1);
    rewrite(&mut evidence, |text| format!("{text}http_requests_total{{path=\"version\"}} 0\n"));
    assert_eq!(named(&evidence), None);
}

#[test]
fn a_counter_at_zero_is_there() {
    let mut evidence = healthy::adapter();
    rewrite(&mut evidence, |_| "http_requests_total{path=\"root\"} 0\n".to_owned());
    assert_eq!(named(&evidence), None);
}

#[test]
fn a_counter_that_an_ingress_has_need_not_be_on_the_pods_pages() {
    let mut evidence = healthy::keda();
    rewrite(&mut evidence, |text| text.replace("http_requests_total{", "other_total{"));
    let ingress =
        json!({"metric": {"job": "ingress", "pod": "ingress-0", "instance": "10.9.9.9:1"}, "value": [1, "5"]});
    for replica in &mut evidence.prometheus.replicas {
        replica.queries.values_mut().for_each(|result| *result = Read::Seen(vec![ingress.clone()]));
    }
    assert_eq!(named(&evidence), None);
    assert_eq!(diagnose(&evidence).links[1].evidence, "http_requests_total comes from job ingress");
}

/// Has the counter count scrapes too: two at 5 s are 0.4 a second.
fn counting_scrapes(evidence: &mut Evidence) {
    for page in &mut evidence.pages {
        for (text, count) in [(&mut page.first, 480), (&mut page.second, 483)] {
            let line = format!("http_requests_total{{path=\"metrics\"}} {count}\n");
            seen(text).push_str(&line);
        }
    }
}

#[test]
fn scrapes_that_the_counter_counts() {
    let mut evidence = healthy::adapter();
    counting_scrapes(&mut evidence);
    let finding = found(&evidence, 3);
    assert!(finding.evidence.contains("path=\"metrics\"") && finding.evidence.contains("0.40 a second"), "{finding:?}");
    let [edit, restart] = finding.fix.commands.as_slice() else { panic!("{:?}", finding.fix) };
    assert!(edit.contains(r#"<<.LabelMatchers>>,path!="metrics"}[2m])"#), "{edit}");
    assert!(restart.ends_with("rollout restart deployment prometheus-adapter"), "{restart}");
    // The document has those quotes itself.
    let rules = evidence.server.config.clone();
    let text = seen(&mut evidence.server.config)["data"]["config.yaml"].as_str().unwrap().to_owned();
    let text = text
        .replace("metricsQuery: sum(rate", "metricsQuery: \"sum(rate")
        .replace("by (<<.GroupBy>>)\nresourceRules", "by (<<.GroupBy>>)\"\nresourceRules");
    seen(&mut evidence.server.config)["data"]["config.yaml"] = json!(text);
    let edit = &found(&evidence, 3).fix.commands[0];
    assert!(edit.contains(r"<<.LabelMatchers>>,path!='\''metrics'\''}"), "{edit}");
    evidence.server.config = rules;
    // Probes as well: they are left out at once.
    for page in &mut evidence.pages {
        seen(&mut page.second).push_str("http_requests_total{path=\"readyz\"} 9\n");
    }
    let edit = &found(&evidence, 3).fix.commands[0];
    assert!(edit.contains(r#"<<.LabelMatchers>>,path!~"metrics|readyz"}[2m])"#), "{edit}");
    // Of a large target they are nothing.
    seen(&mut evidence.hpa)["spec"]["metrics"][0]["pods"]["target"]["averageValue"] = json!("100");
    assert_eq!(named(&evidence), None);
}

#[test]
fn scrapes_that_the_query_leaves_out_are_not_counted() {
    let mut evidence = healthy::keda();
    counting_scrapes(&mut evidence);
    let command = &found(&evidence, 3).fix.commands[0];
    assert!(command.contains(r#"sum(rate(http_requests_total{path!=\"metrics\",namespace=\""#), "{command}");
    let query = "sum(rate(http_requests_total{namespace=\"miztiik-automation-ns\",path!=\"metrics\"}[1m]))";
    seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["metadata"]["query"] = json!(query);
    healthy::answer(&mut evidence);
    assert_eq!(named(&evidence), None);
}

/// Each pod's counter, without a route's label, grows by so many requests between the two readings.
fn paced(evidence: &mut Evidence, growth: u32) {
    for page in &mut evidence.pages {
        page.first = Read::Seen("http_requests_total{status=\"200\"} 100\n".to_owned());
        page.second = Read::Seen(format!("http_requests_total{{status=\"200\"}} {}\n", 100 + growth));
    }
}

#[test]
fn a_counter_without_routes_is_told_by_its_rate() {
    // 2 scrapes each 5 s, a probe each 2 s and one each 10 s: one a second.
    let mut evidence = healthy::adapter();
    paced(&mut evidence, 6);
    assert!(found(&evidence, 3).evidence.contains("1.00 a second, with a target of 2"));
    for growth in [0, 1, 12, 60] {
        paced(&mut evidence, growth);
        assert_eq!(named(&evidence), None, "{growth}");
    }
}

#[test]
fn one_pods_few_requests_may_be_as_many_as_its_probes_by_chance() {
    let mut evidence = healthy::adapter();
    paced(&mut evidence, 6);
    found(&evidence, 3);
    evidence.pages.pop();
    assert_eq!(named(&evidence), None);
}

#[test]
fn what_a_ratio_makes_of_scrapes_is_not_told_by_their_number() {
    let mut evidence = healthy::keda();
    counting_scrapes(&mut evidence);
    let query = "sum(rate(http_requests_total[1m])) / sum(rate(http_requests_count[1m]))";
    seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["metadata"]["query"] = json!(query);
    healthy::answer(&mut evidence);
    assert_eq!(named(&evidence), None);
}

#[test]
fn a_label_that_relabelling_dropped() {
    let mut evidence = healthy::adapter();
    let drop = json!([{"action": "labeldrop", "regex": "le"}, {"action": "labeldrop", "regex": "pod"}]);
    seen(&mut evidence.monitors)[0]["spec"]["endpoints"][0]["metricRelabelings"] = drop;
    unlabelled(&mut evidence, |labels| {
        labels.remove("pod");
    });
    let finding = found(&evidence, 10);
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
fn a_label_of_the_page_that_wins_over_prometheus_own() {
    let mut evidence = healthy::adapter();
    seen(&mut evidence.monitors)[0]["spec"]["endpoints"][0]["honorLabels"] = json!(true);
    unlabelled(&mut evidence, |labels| {
        labels.insert("pod".to_owned(), json!("another"));
    });
    let finding = found(&evidence, 10);
    assert!(finding.evidence.contains("pod=\"another\""), "{}", finding.evidence);
    assert!(finding.fix.commands[0].contains("honorLabels"), "{:?}", finding.fix);
}

#[test]
fn a_label_that_is_called_otherwise() {
    let mut evidence = healthy::adapter();
    unlabelled(&mut evidence, |labels| {
        let pod = labels.remove("pod").unwrap();
        labels.insert("kubernetes_pod_name".to_owned(), pod);
    });
    let finding = found(&evidence, 10);
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
    // What there is of relabelling stays.
    seen(&mut evidence.monitors)[0]["spec"]["endpoints"][0]["metricRelabelings"] =
        json!([{"action": "labeldrop", "regex": "le"}]);
    let one = format!(r#"{{"op":"add","path":"{path}/-","value":{copy}}}"#);
    assert_eq!(found(&evidence, 10).fix.commands, [patched(&one)]);
    // No monitor's job, and other series for which a rule lists the metric: one before it would go unheard.
    seen(&mut evidence.monitors).clear();
    assert_eq!(found(&evidence, 10).fix.commands, Vec::<String>::new());
    // Where all are called so, the adapter asks for what there is.
    for replica in &mut evidence.prometheus.replicas {
        for labels in replica.series.values_mut().flat_map(seen) {
            let pod = labels.remove("pod").unwrap();
            labels.insert("kubernetes_pod_name".to_owned(), pod);
        }
    }
    let commands = found(&evidence, 10).fix.commands;
    let overrides = "overrides: {namespace: {resource: namespace}, kubernetes_pod_name: {resource: pod}}";
    assert!(commands[0].contains(overrides) && commands[1].contains("rollout restart"), "{commands:?}");
}

#[test]
fn a_pod_that_was_not_scraped_twice_has_no_series_yet() {
    let mut evidence = healthy::adapter();
    unlabelled(&mut evidence, |_| {});
    for pod in seen(&mut evidence.pods) {
        pod["status"]["conditions"].as_array_mut().unwrap().iter_mut().for_each(|condition| {
            condition["lastTransitionTime"] = json!(ago(8.0));
        });
    }
    targets(&mut evidence)
        .for_each(|targets| targets.iter_mut().for_each(|target| target["health"] = json!("unknown")));
    assert_eq!(named(&evidence), None);
}

/// Changes the counter's labels; what asks for more than its name finds nothing.
fn unlabelled(evidence: &mut Evidence, with: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) {
    let scaling = ScalingMetric::of(evidence);
    let (wanted, of_pods) = (scaling.selector.unwrap().text(), scaling.of_pods.unwrap());
    for replica in &mut evidence.prometheus.replicas {
        for sample in seen(replica.queries.get_mut(&of_pods).unwrap()) {
            with(sample["metric"].as_object_mut().unwrap());
        }
        replica.queries.insert(wanted.clone(), Read::Seen(Vec::new()));
    }
}

/// A Prometheus of two shards: each has one of the pods.
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
fn shards_of_prometheus_have_the_series_together() {
    let mut evidence = sharded();
    let result = series(&evidence);
    assert_eq!((named(&evidence), result.state), (None, State::Ok), "{result:?}");
    assert!(result.evidence.ends_with(": 2 series"), "{result:?}");
    // What no shard has is lost.
    let drop = json!([{"action": "labeldrop", "regex": "pod"}]);
    seen(&mut evidence.monitors)[0]["spec"]["endpoints"][0]["metricRelabelings"] = drop;
    for replica in &mut evidence.prometheus.replicas {
        replica.queries.values_mut().for_each(|result| *result = Read::Seen(Vec::new()));
    }
    found(&evidence, 10);
    // What one does not tell, or one that is not there, may be there.
    let mut silent = evidence.clone();
    silent.prometheus.replicas[1].queries.clear();
    seen(&mut evidence.prometheuses)[0]["spec"]["shards"] = json!(3);
    for (evidence, number) in [(silent, 1), (evidence, 2)] {
        let (result, expected) =
            (series(&evidence), format!("shard {number} of Prometheus monitoring/k8s did not answer"));
        assert_eq!((named(&evidence), result.state), (None, State::Unread), "{result:?}");
        assert!(result.evidence.starts_with(&expected), "{result:?}");
    }
}

#[test]
fn a_shard_that_does_not_answer_may_have_the_targets() {
    let mut evidence = sharded();
    targets(&mut evidence).for_each(Vec::clear);
    for replica in &mut evidence.prometheus.replicas {
        replica.queries.values_mut().for_each(|result| *result = Read::Seen(Vec::new()));
    }
    found(&evidence, 5);
    evidence.prometheus.replicas[1].targets = Read::Unread(Unread::default());
    assert_eq!(named(&evidence), None);
}
