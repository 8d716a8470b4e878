//! The `ServiceMonitor` or `PodMonitor` that makes Prometheus scrape the pods.

use serde_json::{Value, json};

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::freshness::{ages, is_stale};
use crate::doctor::facts::nearness::{is_own, nearness};
use crate::doctor::facts::ports;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::targets::{arrived, elsewhere, known, ours, with_counter};
use crate::doctor::findings::selection::{Fault, Operator, Stage, Workload, faults};
use crate::doctor::fixes::kubectl::apply;
use crate::doctor::objects::{name, namespace, text, titled};
use crate::doctor::status::{Checked, Finding, Input, Status};

pub fn check(evidence: &Evidence, scaling: &ScalingMetric) -> Checked {
    if let Some(job) = elsewhere(evidence, scaling) {
        return Err(Status::NotApplicable(format!("the counter comes from {job}")));
    }
    let workload = Workload::of(evidence).ok_or_else(|| Status::missing(Input::Pods, "there is no pod to scrape"))?;
    // Whatever made Prometheus find them.
    let replicas = &evidence.prometheus.replicas;
    if known(evidence, scaling) {
        let target = replicas.iter().flat_map(|replica| ours(evidence, scaling, replica)).next();
        let job = target.and_then(|(_, target)| target["scrapePool"].as_str()).unwrap_or("a job");
        return Ok(format!("{job} has the pods as targets"));
    }
    if let Some(series) = arrived(evidence, scaling) {
        let why = format!("Prometheus has {series} series of the pods without a monitor");
        return Err(Status::NotApplicable(why));
    }
    Status::stop(evidence.monitors.unread())?;
    let operator = Operator::of(evidence);
    // A Prometheus outside of the cluster may scrape the pods by whatever it is configured with.
    if operator.is_none() && replicas.is_empty() && evidence.prometheus.pods.items().is_empty() {
        return Err(Status::missing(Input::Prometheus, "no Prometheus was queried, so its targets are not known"));
    }
    let checked = evidence.monitors.items().iter();
    let checked: Vec<(&Value, Vec<Fault>)> =
        checked.map(|monitor| (monitor, faults(evidence, scaling, &workload, operator.as_ref(), monitor))).collect();
    if let Some((monitor, _)) = checked.iter().find(|(_, faults)| faults.is_empty()) {
        return Ok(format!("{} selects the pods, and Prometheus selects it", titled(monitor)));
    }
    // Another job may scrape the pods, which only the targets show.
    let unread = replicas.iter().find_map(|replica| replica.targets.unread());
    Status::stop(unread.filter(|_| replicas.iter().all(|replica| replica.targets.seen().is_none())))?;
    // A monitor with a single fault is meant for the pods, unless it is somebody else's: the nearest, and of several the one
    // whose fault is nearest to Prometheus.
    let meant = checked.into_iter().filter(|(_, faults)| faults.len() == 1);
    let near = meant.filter_map(|(monitor, mut faults)| Some((nearness(evidence, monitor)?, monitor, faults.pop()?)));
    if let Some((_, monitor, fault)) = near.max_by_key(|(near, _, fault)| (*near, fault.stage)) {
        let Fault { stage, told, advice, commands } = fault;
        // To look in one more namespace changes nothing for the others.
        let is_harmless = stage == Stage::Namespace || is_own(evidence, monitor);
        let commands = if is_harmless { commands } else { Vec::new() };
        let evidence = format!("{}: {told}", titled(monitor));
        return Err(Finding::new(Cause::MonitorSelectsNothing, evidence, advice, commands).into());
    }
    Err(none(evidence, scaling, &workload, operator.as_ref()).into())
}

/// No monitor is meant for the pods.
fn none(evidence: &Evidence, scaling: &ScalingMetric, workload: &Workload, operator: Option<&Operator>) -> Finding {
    let annotated = |object: &&Value| object["metadata"]["annotations"]["prometheus.io/scrape"].is_string();
    let annotated = workload.services.iter().copied().chain([workload.pod]).find(annotated);
    let also = annotated.map(|object| format!("; {} has only the annotation prometheus.io/scrape", titled(object)));
    let none = format!("no ServiceMonitor or PodMonitor selects the pods of {}", evidence.namespace);
    let lost = ages(evidence, scaling).filter(|_| annotated.is_none() && is_stale(evidence, scaling));
    let old = lost.map(|(age, _)| format!("; the newest sample in Prometheus is {age:.0} s old"));
    let seen = none + &also.or(old).unwrap_or_default();
    let cause = if lost.is_some() { Cause::MonitorLost } else { Cause::AnnotationsOnly };
    let monitor = operator.and_then(|operator| manifest(evidence, scaling, workload, operator));
    let advice = match &monitor {
        Some(monitor) if lost.is_some() => {
            format!(
                "Apply the {} again. The HPA keeps the last value until Prometheus forgets it.",
                text(monitor, "/kind")
            )
        }
        Some(monitor) => {
            format!("Apply a {}: prometheus-operator ignores the annotations.", text(monitor, "/kind"))
        }
        None => {
            "Add a scrape job for these pods to Prometheus' configuration, or a ServiceMonitor if prometheus-operator \
                 runs it."
                .to_owned()
        }
    };
    Finding::new(cause, seen, advice, monitor.as_ref().map(apply))
}

/// A monitor of the pods that Prometheus selects; none if no labels would make it do so.
fn manifest(evidence: &Evidence, scaling: &ScalingMetric, workload: &Workload, operator: &Operator) -> Option<Value> {
    let pages = scaling.series.as_deref().map(|series| with_counter(evidence, series)).unwrap_or_default();
    let page = pages.first();
    let serving = page.map(|page| page.port);
    let leads = |port: &&Value| {
        let number = ports::of_service(workload.pod, port);
        port["name"].is_string() && number.is_some() && (serving.is_none() || number == serving)
    };
    let service = workload.services.iter().find_map(|service| {
        let port = service["spec"]["ports"].as_array()?.iter().find(leads)?;
        let labels = workload.telling_labels(service)?;
        Some((labels, json!({"port": port["name"]})))
    });
    let (kind, field, labels, mut endpoint) = if let Some((labels, endpoint)) = service {
        ("ServiceMonitor", "endpoints", labels, endpoint)
    } else {
        let number =
            serving.or_else(|| ports::of_pod(workload.pod, &ports::declared(workload.pod).next()?["containerPort"]))?;
        let labels = workload.selector.get("matchLabels")?.clone();
        ("PodMonitor", "podMetricsEndpoints", labels, json!({"portNumber": number}))
    };
    if let Some(page) = page {
        endpoint["path"] = json!(page.path);
    }
    let (place, own_labels) = operator.place(evidence, kind)?;
    let mut spec = json!({"selector": {"matchLabels": labels}});
    if place != evidence.namespace {
        spec["namespaceSelector"] = json!({"matchNames": [evidence.namespace]});
    }
    spec[field] = json!([endpoint]);
    let workload = evidence.workload.seen().map_or(evidence.name.as_str(), name);
    // To apply a monitor of a name that there is would replace it.
    let is_taken = |wanted: &String| {
        let mut all = evidence.monitors.items().iter();
        all.any(|one| one["kind"] == kind && namespace(one) == place && name(one) == wanted)
    };
    let mut names = [workload.to_owned(), format!("{}-{workload}", evidence.namespace)].into_iter();
    let mut metadata = json!({"name": names.find(|name| !is_taken(name))?, "namespace": place});
    if own_labels.as_object().is_some_and(|labels| !labels.is_empty()) {
        metadata["labels"] = own_labels;
    }
    Some(json!({"apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": metadata, "spec": spec}))
}
