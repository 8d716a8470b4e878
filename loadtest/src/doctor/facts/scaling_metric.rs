//! The metric that the HPA scales by, and the series that it is made of.

use serde_json::Value;

use super::pods::living;
use super::{adapter, scaled_object};
use crate::autoscaling::promql::{Matcher, Selector, selectors, window};
use crate::autoscaling::quantity;
use crate::doctor::evidence::Evidence;
use crate::doctor::objects::{Hpa, is_ready, name};

/// Who brings the metric to the HPA.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// A Pods or Object metric, by prometheus-adapter's rules (custom.metrics.k8s.io).
    Adapter,
    /// An External metric of a `ScaledObject`'s trigger (external.metrics.k8s.io).
    Keda,
    /// An External metric by prometheus-adapter's external rules.
    AdapterExternal,
    /// CPU or memory (metrics.k8s.io): the links between Prometheus and the API have no part in it.
    Resource,
}

/// The metric that decides, its series and its query.
#[derive(Clone, Debug, Default)]
pub struct ScalingMetric {
    /// The metric that decides, as [`deciding`] finds it. None without an HPA.
    pub metric: Option<Metric>,
    /// The counter's name that the rule or the query asks for, where one can be told.
    pub series: Option<String>,
    /// The counter of the namespace or of the pods' addresses, whatever else its labels are.
    pub of_pods: Option<String>,
    /// The counter as the query selects it, with all its matchers.
    pub selector: Option<Selector>,
    /// All matchers of the counter: the query's, and those by which the adapter finds it.
    pub matchers: Vec<Matcher>,
    /// What Prometheus is asked for the HPA: the adapter's rule, rendered, or the trigger's own query.
    pub query: Option<String>,
    /// The window of that query, in seconds.
    pub window: Option<f64>,
    /// Which of the adapter's rules makes the metric, or is to.
    pub rule: Option<usize>,
    /// Pods that have not ended and are not about to go.
    pub pods: Vec<String>,
    /// Those of them that are ready.
    pub ready: Vec<String>,
}

/// A metric of the HPA.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Who serves it.
    pub source: Source,
    /// The target: the average of a pod, or the value as a whole.
    pub target: f64,
    /// It as the HPA has it: an item of `spec.metrics`.
    pub spec: Value,
}

impl ScalingMetric {
    /// Reads it from the evidence.
    pub fn of(evidence: &Evidence) -> Self {
        Self::made(evidence, deciding(evidence))
    }

    /// One of the HPA's metrics, an item of `spec.metrics`.
    pub fn of_spec(evidence: &Evidence, spec: &Value) -> Self {
        Self::made(evidence, Some(spec))
    }

    fn made(evidence: &Evidence, spec: Option<&Value>) -> Self {
        let metric = spec.and_then(|spec| metric(evidence, spec));
        let all: Vec<&Value> = living(evidence).collect();
        let names = |pods: &[&Value]| pods.iter().map(|pod| name(pod).to_owned()).collect::<Vec<_>>();
        let ready: Vec<&Value> = all.iter().copied().filter(|pod| is_ready(pod)).collect();
        let (pods, ready) = (names(&all), names(&ready));
        let made = metric.as_ref().map(|metric| match metric.source {
            Source::Adapter | Source::AdapterExternal => adapter::made(evidence, metric),
            Source::Keda => asked_by_keda(evidence, metric),
            Source::Resource => Self::default(),
        });
        let Self { series, matchers: found_by, query, window, rule, .. } = made.unwrap_or_default();
        let found = query.as_deref().map(selectors).unwrap_or_default();
        let selector = match &series {
            Some(series) => found.into_iter().find(|selector| selector.name == *series),
            None => found.into_iter().next(),
        };
        let series = series.or_else(|| selector.as_ref().map(|selector| selector.name.clone()));
        let matchers = selector.iter().flat_map(|selector| selector.matchers.clone()).chain(found_by).collect();
        let of_pods = series.as_deref().map(|series| of_pods(evidence, series, &all));
        Self { metric, series, of_pods, selector, matchers, query, window, rule, pods, ready }
    }

    /// The queries that each replica of Prometheus is sent for the checks: the counter of the pods, as the query selects
    /// it, and the whole query.
    pub fn queries(&self) -> Vec<String> {
        let selector = self.selector.as_ref().map(Selector::text);
        let mut queries: Vec<String> =
            [self.of_pods.clone(), selector, self.query.clone()].into_iter().flatten().collect();
        queries.dedup();
        queries
    }

    /// The counter's name, or why it is not known.
    pub fn series_or_why(&self) -> Result<&str, String> {
        self.series.as_deref().ok_or_else(|| match self.query {
            Some(_) => "its query names no counter".to_owned(),
            None => "the counter's name stands where the window does, and is not known".to_owned(),
        })
    }

    /// Whether there can only be a value where there is a pod that is ready.
    pub fn is_of_pods(&self) -> bool {
        let kind = self.metric.as_ref().and_then(|metric| metric.spec["type"].as_str());
        matches!(kind, Some("Pods" | "Resource" | "ContainerResource"))
    }

    /// Whether each pod has a value of its own.
    pub fn is_of_each_pod(&self) -> bool {
        self.metric.as_ref().is_some_and(|metric| metric.source == Source::Adapter && metric.spec["type"] == "Pods")
    }

    /// Whether the metric comes from metrics.k8s.io, to which Prometheus has no part.
    pub fn is_resource(&self) -> bool {
        self.metric.as_ref().is_some_and(|metric| metric.source == Source::Resource)
    }
}

/// The most pods that are named by their addresses.
const ADDRESSES: usize = 500;

/// Not by its name alone: a large Prometheus has thousands of others.
fn of_pods(evidence: &Evidence, series: &str, pods: &[&Value]) -> String {
    let with = |label: &str, operator: &str, value: String| {
        let matchers = vec![(label.to_owned(), operator.to_owned(), value)];
        Selector { name: series.to_owned(), matchers }.text()
    };
    let addresses = pods.iter().filter_map(|pod| pod["status"]["podIP"].as_str());
    let addresses: Vec<_> = addresses.map(|ip| format!(r"\[?{}\]?(:\d+)?", regex::escape(ip))).collect();
    let of_namespace = with("namespace", "=", evidence.namespace.clone());
    // A URL that names them all has to be one that can be sent.
    if addresses.is_empty() || addresses.len() > ADDRESSES {
        return of_namespace;
    }
    format!("{} or {of_namespace}", with("instance", "=~", addresses.join("|")))
}

/// The metric whose chain is walked first, an item of `spec.metrics`: the first that KEDA asks Prometheus for; else the first that is an
/// average of the pods, and so can be watched beside a load; else the first that is no resource of the pods; else the
/// first.
pub fn deciding(evidence: &Evidence) -> Option<&Value> {
    let all = all(evidence);
    let of_prometheus = |metric: &&Value| {
        let name = metric["external"]["metric"]["name"].as_str();
        name.is_some_and(|name| trigger(evidence, name).is_some())
    };
    let is_average = |metric: &&Value| average(metric).is_some();
    let is_resource = |metric: &&Value| matches!(metric["type"].as_str(), Some("Resource" | "ContainerResource"));
    let spec = all.iter().find(of_prometheus).or_else(|| all.iter().find(is_average));
    spec.or_else(|| all.iter().find(|metric| !is_resource(metric))).or(all.first())
}

/// The HPA's metrics.
pub fn all(evidence: &Evidence) -> &[Value] {
    evidence.hpa.seen().map_or(&[], |hpa| Hpa(hpa).metrics())
}

/// The average of a pod that a metric of type Pods or External is held against.
fn average(metric: &Value) -> Option<f64> {
    let source = match metric["type"].as_str()? {
        "Pods" => &metric["pods"],
        "External" => &metric["external"],
        _ => return None,
    };
    quantity::value(source["target"]["averageValue"].as_str()?)
}

/// Whether a metric can be watched beside a load: an error says which metrics there are, and what to do.
pub fn is_watchable(evidence: &Evidence, metric: Option<&Metric>) -> Result<(), String> {
    if metric.is_some_and(|metric| average(&metric.spec).is_some()) {
        return Ok(());
    }
    let Evidence { namespace, name, .. } = evidence;
    let names: Vec<_> = all(evidence).iter().map(titled).collect();
    Err(format!(
        "the HPA {namespace}/{name} scales by {}: what is watched is a metric of type Pods or External with an \
         averageValue; give the HPA one, name another HPA with --hpa, or send load alone with --hpa none and --url",
        names.join(", ")
    ))
}

/// The HPA's other metrics, as a user would call them.
pub fn others(evidence: &Evidence) -> Vec<String> {
    let chosen = deciding(evidence);
    let is_other = |metric: &&Value| chosen.is_none_or(|chosen| !std::ptr::eq(chosen, *metric));
    all(evidence).iter().filter(is_other).map(titled).collect()
}

/// Type and name of a metric.
pub fn titled(metric: &Value) -> String {
    let kind = metric["type"].as_str().unwrap_or_default();
    let name = ["resource", "containerResource", "object", "pods", "external"].into_iter().find_map(|source| {
        let source = &metric[source];
        source["metric"]["name"].as_str().or(source["name"].as_str())
    });
    format!("{kind} {}", name.unwrap_or_default()).trim_end().to_owned()
}

fn metric(evidence: &Evidence, spec: &Value) -> Option<Metric> {
    let (source, body) = match spec["type"].as_str()? {
        "Pods" => (Source::Adapter, &spec["pods"]),
        "Object" => (Source::Adapter, &spec["object"]),
        "External" if is_of_keda(evidence, &spec["external"]) => (Source::Keda, &spec["external"]),
        "External" => (Source::AdapterExternal, &spec["external"]),
        "ContainerResource" => (Source::Resource, &spec["containerResource"]),
        _ => (Source::Resource, &spec["resource"]),
    };
    let name = body["metric"]["name"].as_str().or(body["name"].as_str())?.to_owned();
    let target = &body["target"];
    let quantity = target["averageValue"].as_str().or(target["value"].as_str()).and_then(quantity::value);
    let target = quantity.or(target["averageUtilization"].as_f64()).unwrap_or_default();
    Some(Metric { name, source, target, spec: spec.clone() })
}

fn is_of_keda(evidence: &Evidence, external: &Value) -> bool {
    let label = &external["metric"]["selector"]["matchLabels"]["scaledobject.keda.sh/name"];
    evidence.scaled_object.seen().is_some() || label.is_string()
}

/// KEDA names a metric after its trigger: `s0-prometheus` is the first.
pub fn trigger_number(metric: &str) -> Option<usize> {
    metric.strip_prefix('s')?.split_once('-')?.0.parse().ok()
}

/// The first trigger of the `ScaledObject` that a metric is made of and that queries Prometheus.
fn trigger<'a>(evidence: &'a Evidence, metric: &str) -> Option<&'a Value> {
    let triggers = scaled_object::triggers(evidence.scaled_object.seen()?, metric).into_iter();
    triggers.map(|(_, trigger)| trigger).find(|trigger| trigger["type"] == "prometheus")
}

fn asked_by_keda(evidence: &Evidence, metric: &Metric) -> ScalingMetric {
    let query = trigger(evidence, &metric.name).and_then(|trigger| trigger["metadata"]["query"].as_str());
    ScalingMetric { query: query.map(str::to_owned), window: query.and_then(window), ..ScalingMetric::default() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kube::read::Read;

    fn evidence(metrics: &Value) -> Evidence {
        let hpa = Read::Seen(json!({"spec": {"metrics": metrics}}));
        Evidence { namespace: "shops".to_owned(), name: "shop".to_owned(), hpa, ..Evidence::default() }
    }

    fn cpu() -> Value {
        json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}})
    }

    fn pods(name: &str) -> Value {
        let target = json!({"type": "AverageValue", "averageValue": "2"});
        json!({"type": "Pods", "pods": {"metric": {"name": name}, "target": target}})
    }

    fn refused(metrics: &Value) -> String {
        let evidence = evidence(metrics);
        is_watchable(&evidence, ScalingMetric::of(&evidence).metric.as_ref()).unwrap_err()
    }

    #[test]
    fn an_hpa_without_a_metric_to_watch_gets_one_line_that_says_what_to_do() {
        let error = refused(&json!([cpu()]));
        assert!(error.contains("shops/shop scales by Resource cpu"), "{error}");
        assert!(error.contains("--hpa none") && !error.contains('\n'), "{error}");
        let total = json!({"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "5"}}});
        assert!(refused(&json!([total])).contains("External queue"));
    }

    #[test]
    fn of_several_metrics_the_first_average_of_the_pods_decides() {
        let total = json!({"type": "Object", "object": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "5"}}});
        let evidence = evidence(&json!([cpu(), total, pods("requests"), pods("bytes")]));
        let metric = ScalingMetric::of(&evidence).metric.unwrap();
        assert_eq!((metric.name.as_str(), metric.target), ("requests", 2.0));
        assert_eq!(others(&evidence), ["Resource cpu", "Object queue", "Pods bytes"]);
        assert_eq!(is_watchable(&evidence, Some(&metric)), Ok(()));
    }
}
