//! What is asked of Prometheus and of the metrics API: written here once, for who asks and for who judges the answers.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, APIResourceList};
use serde_json::Value;

use crate::autoscaling::adapter_rules::{Resources, Rules};
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::freshness;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::subjects;
use crate::doctor::objects::{self, ScaledObject, Workload, namespace};
use crate::kube::cluster::percent_encoded;
use crate::kube::read::Read;

/// A label selector as the API takes it in a URL's query and the scale writes it.
pub fn selector(selector: &Value) -> String {
    objects::selector(selector).unwrap_or_default().to_string()
}

/// The selector of the HPA's pods: that of the scale, else the workload's own.
pub fn pods(evidence: &Evidence) -> Option<String> {
    pods_of(&evidence.scale, &evidence.workload)
}

/// The same, of a workload and its scale.
pub fn pods_of(scale: &Read<Value>, workload: &Read<Value>) -> Option<String> {
    let scale = scale.seen().and_then(|scale| scale["status"]["selector"].as_str());
    let workload = workload.seen().map(|workload| selector(Workload(workload).selector()));
    scale.map(str::to_owned).or(workload).filter(|selector| !selector.is_empty())
}

/// The same, or why no pods are selected: never all of them.
pub fn pods_or_why(evidence: &Evidence) -> Result<String, String> {
    pods(evidence).ok_or_else(|| match (evidence.scale.unread(), evidence.workload.unread()) {
        (Some(unread), _) => format!("its scale cannot be read: {}", unread.reason()),
        (None, Some(unread)) => unread.reason(),
        (None, None) if evidence.workload == Read::Absent => "it does not exist".to_owned(),
        (None, None) => "its scale has no selector, and without one the HPA does not scale either".to_owned(),
    })
}

/// The group of the API that an HPA's metric (an item of `spec.metrics`) belongs to.
pub fn group(metric: &Value) -> &'static str {
    match metric["type"].as_str() {
        Some("Pods" | "Object") => "custom.metrics.k8s.io",
        Some("External") => "external.metrics.k8s.io",
        _ => "metrics.k8s.io",
    }
}

/// Where the list of a group's metrics is: at the version of the `APIService` that was read, else the common one.
pub fn listing(evidence: &Evidence, group: &str) -> String {
    let servers = [&evidence.server].into_iter().chain(evidence.servers.values());
    let mut specs = servers.filter_map(|server| server.api_service.seen()).map(|service| &service["spec"]);
    let version = specs.find(|spec| spec["group"] == group).and_then(|spec| spec["version"].as_str());
    format!("/apis/{group}/{}", version.unwrap_or("v1beta1"))
}

/// Where the HPA's controller reads a metric (an item of `spec.metrics`); none where it is not known which pods are
/// meant.
pub fn metric(evidence: &Evidence, metric: &Value) -> Option<String> {
    let (namespace, base) = (&evidence.namespace, listing(evidence, group(metric)));
    let within = |inner: &str| format!("{base}/namespaces/{namespace}/{inner}");
    let identified = |source: &Value| {
        let name = source["metric"]["name"].as_str().unwrap_or_default().to_owned();
        (name, percent_encoded(&selector(&source["metric"]["selector"])))
    };
    match metric["type"].as_str()? {
        "Pods" => {
            let (name, labels) = identified(&metric["pods"]);
            let pods = percent_encoded(&pods(evidence)?);
            let labels = if labels.is_empty() { labels } else { format!("&metricLabelSelector={labels}") };
            Some(within(&format!("pods/*/{name}?labelSelector={pods}{labels}")))
        }
        "External" => {
            let (name, labels) = identified(&metric["external"]);
            Some(within(&format!("{name}?labelSelector={labels}")))
        }
        "Object" => {
            let (name, labels) = identified(&metric["object"]);
            let object = &metric["object"]["describedObject"];
            let labels = if labels.is_empty() { labels } else { format!("?metricLabelSelector={labels}") };
            let kind = object["kind"].as_str()?;
            if kind == "Namespace" {
                return Some(within(&format!("metrics/{name}{labels}")));
            }
            let version = object["apiVersion"].as_str().unwrap_or("v1");
            let (group, plural) = (group_of(version), plural(evidence, version, kind));
            let dot = if group.is_empty() { "" } else { "." };
            Some(within(&format!("{plural}{dot}{group}/{}/{name}{labels}", object["name"].as_str()?)))
        }
        _ => Some(within(&format!("pods?labelSelector={}", percent_encoded(&pods(evidence)?)))),
    }
}

/// What the HPA's controller has to be allowed to read a metric (an item of `spec.metrics`): verb, group and resource.
pub fn right(metric: &Value) -> Option<(&'static str, &'static str, String)> {
    let group = group(metric);
    let name = |source: &str| metric[source]["metric"]["name"].as_str();
    match metric["type"].as_str()? {
        "Pods" => Some(("get", group, format!("pods/{}", name("pods")?))),
        // A metric of that group is a list to the API server, whatever the verb of HTTP.
        "External" => Some(("list", group, name("external")?.to_owned())),
        "Resource" | "ContainerResource" => Some(("list", group, "pods".to_owned())),
        _ => None,
    }
}

/// The group of an `apiVersion`; empty for the core.
pub fn group_of(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}

/// The name of a kind's resource in a path.
pub fn plural(evidence: &Evidence, version: &str, kind: &str) -> String {
    let group = group_of(version);
    let mut known = evidence.resources.items().iter();
    let known = known.find(|resource| resource.group == group && resource.kind == kind);
    known.map_or_else(|| format!("{}s", kind.to_lowercase()), |resource| resource.plural.clone())
}

/// The adapter's configuration, where its `ConfigMap` was read.
pub fn configuration(evidence: &Evidence) -> Option<&str> {
    document(evidence.server.config.seen()?)
}

/// The document of a `ConfigMap` that has the adapter's rules.
pub fn document(config: &Value) -> Option<&str> {
    let mut documents = config["data"].as_object()?.values().filter_map(Value::as_str);
    documents.find(|document| ["rules:", "externalRules:", "resourceRules:"].iter().any(|key| document.contains(key)))
}

/// The Service that the host of a URL of Prometheus names, and its namespace: `service` of the namespace of whoever asks,
/// `service.namespace`, or that with `.svc` and what may follow. None where the host is none of the cluster's.
pub fn service<'a>(evidence: &'a Evidence, host: &'a str) -> Option<(&'a str, &'a str)> {
    let labels: Vec<&str> = host.split('.').collect();
    let address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
    if address || host == "localhost" || labels.get(2).is_some_and(|label| *label != "svc") {
        return None;
    }
    let own = || evidence.server.service.seen().map(namespace).unwrap_or_default();
    let of = labels.get(1).copied().unwrap_or_else(own);
    // `example.com` may be any: the Service was not found, and nothing else is known of such a namespace.
    let any = labels.len() == 2 && evidence.prometheus.service == Read::Absent && !is_known(evidence, of);
    (!any).then_some((labels[0], of))
}

/// Whether something was read of a namespace.
fn is_known(evidence: &Evidence, of: &str) -> bool {
    let server = &evidence.server;
    let lists = [&evidence.prometheuses, &evidence.monitors, &evidence.prometheus.pods, &server.candidates];
    let servers = [&server.service, &server.deployment].into_iter().filter_map(Read::seen);
    let mut objects = lists.into_iter().flat_map(Read::items).chain(servers);
    of == evidence.namespace || objects.any(|object| namespace(object) == of)
}

/// The adapter's rules; none where they were not read, and where it does not start with them.
pub fn rules(evidence: &Evidence) -> Option<Rules> {
    Rules::parse(configuration(evidence)?, &resources(evidence)).ok()
}

/// The API server's resources, group by group in its own order.
pub fn resources(evidence: &Evidence) -> Resources {
    let mut lists: Vec<APIResourceList> = Vec::new();
    for resource in evidence.resources.items() {
        let version = if resource.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", resource.group) };
        if lists.last().is_none_or(|list| list.group_version != version) {
            lists.push(APIResourceList { group_version: version, ..APIResourceList::default() });
        }
        let known = APIResource {
            name: resource.plural.clone(),
            singular_name: resource.singular.clone(),
            kind: resource.kind.clone(),
            namespaced: resource.namespaced,
            ..APIResource::default()
        };
        lists.last_mut().expect("one was just added").resources.push(known);
    }
    Resources::new(&lists)
}

/// What the adapter asks Prometheus at each relist: `/api/v1/series` of each rule.
pub fn series(evidence: &Evidence) -> BTreeSet<String> {
    let rules = rules(evidence);
    let all = rules.iter().flat_map(|rules| rules.custom().iter().chain(rules.external()));
    all.map(|rule| rule.series_matcher().to_owned()).collect()
}

/// The triggers of the `ScaledObject` that ask Prometheus: their `metadata`.
pub fn triggers(evidence: &Evidence) -> impl Iterator<Item = &Value> {
    evidence.scaled_object.seen().into_iter().flat_map(|object| ScaledObject(object).prometheus_triggers())
}

/// What is asked of Prometheus as `/api/v1/query`: the triggers' queries, and those that the links are judged by.
pub fn queries(evidence: &Evidence) -> BTreeSet<String> {
    let others = subjects::others(evidence).into_iter().map(|subject| subject.scaling);
    let metrics = [ScalingMetric::of(evidence)].into_iter().chain(others);
    let asked = triggers(evidence).filter_map(|trigger| trigger["query"].as_str()).map(str::to_owned);
    asked.chain(metrics.flat_map(|scaling| scaling.queries())).collect()
}

/// What is asked besides, for the age of the counter's samples.
pub fn queries_of_age(evidence: &Evidence) -> impl Iterator<Item = String> {
    freshness::queries(&ScalingMetric::of(evidence)).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kube::read::Unread;

    fn selected(scale: Read<Value>, workload: Value) -> Result<String, String> {
        pods_or_why(&Evidence { scale, workload: Read::Seen(workload), ..Evidence::default() })
    }

    fn scale(selector: &str) -> Read<Value> {
        Read::Seen(json!({"status": {"replicas": 1, "selector": selector}}))
    }

    fn forbidden() -> Read<Value> {
        let right = Some("get deployments/scale in namespace shop".to_owned());
        Read::Unread(Unread { right, ..Unread::default() })
    }

    #[test]
    fn the_selector_of_the_scale_comes_first() {
        let workload = json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}});
        assert_eq!(selected(scale("app=shop,tier!=back"), workload).unwrap(), "app=shop,tier!=back");
    }

    #[test]
    fn expressions_of_a_selector_count_where_the_scale_may_not_be_read() {
        let expressions = json!([
            {"key": "tier", "operator": "In", "values": ["front", "back"]},
            {"key": "track", "operator": "NotIn", "values": ["canary"]},
            {"key": "app", "operator": "Exists"},
            {"key": "legacy", "operator": "DoesNotExist"},
        ]);
        let workload = json!({"spec": {"selector": {"matchExpressions": expressions}}});
        let all = "tier in (back,front),track notin (canary),app,!legacy";
        assert_eq!(selected(forbidden(), workload).unwrap(), all);
        let workload = json!({"spec": {"selector": {"matchLabels": {"app": "shop"}, "matchExpressions": expressions}}});
        assert_eq!(selected(forbidden(), workload).unwrap(), format!("app=shop,{all}"));
    }

    #[test]
    fn no_selector_selects_no_pods_and_never_all_of_them() {
        for workload in [json!({"spec": {"selector": {}}}), json!({"spec": {"selector": "app=shop"}}), json!({})] {
            assert!(selected(scale(""), workload.clone()).unwrap_err().contains("has no selector"));
            let error = selected(forbidden(), workload).unwrap_err();
            assert!(error.contains("the right to get deployments/scale in namespace shop is missing"), "{error}");
        }
    }

    /// Source: `internalSelector.String` in `pkg/labels/selector.go` of k8s.io/apimachinery, which sorts values as well.
    #[test]
    fn a_selector_is_written_as_the_api_server_reads_it() {
        let expression =
            |key: &str, operator: &str, values: &[&str]| json!({"key": key, "operator": operator, "values": values});
        let all = json!({"matchLabels": {"app": "shop", "a/b": "c"}, "matchExpressions": [
            expression("e", "In", &["y", "x"]), expression("f", "NotIn", &["z"]), expression("g", "Exists", &[]),
            expression("h", "DoesNotExist", &[])]});
        assert_eq!(selector(&all), "a/b=c,app=shop,e in (x,y),f notin (z),g,!h");
        assert_eq!(selector(&json!({})), "");
        assert_eq!(selector(&json!(null)), "");
        assert_eq!(selector(&json!({"matchExpressions": [expression("e", "Has", &[])]})), "");
    }
}
