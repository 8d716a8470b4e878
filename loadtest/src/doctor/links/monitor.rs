//! The `ServiceMonitor` or `PodMonitor` that makes Prometheus scrape the pods.

use serde_json::{Value, json};

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::ports;
use crate::doctor::facts::scaling_metric::Subject;
use crate::doctor::facts::targets::{arrived, elsewhere, known, ours, with_counter};
use crate::doctor::findings::selection::{Fault, Operator, Workload, faults};
use crate::doctor::fixes::kubectl::apply;
use crate::doctor::objects::{name, titled};
use crate::doctor::status::{Finding, Input, Status};
use crate::kube::read::Read;

pub fn check(evidence: &Evidence, subject: &Subject) -> Status {
    if let Some(job) = elsewhere(evidence, subject) {
        return Status::NotApplicable(format!("the counter comes from {job}"));
    }
    let Some(workload) = Workload::of(evidence) else {
        return Status::missing(Input::Pods, "there is no pod to scrape");
    };
    // However Prometheus found them.
    let replicas = &evidence.prometheus.replicas;
    if known(evidence, subject) {
        let target = replicas.iter().flat_map(|replica| ours(evidence, subject, replica)).next();
        let job = target.and_then(|(_, target)| target["scrapePool"].as_str()).unwrap_or("a job");
        return Status::Ok(format!("{job} has the pods as targets"));
    }
    if let Some(series) = arrived(evidence, subject) {
        return Status::NotApplicable(format!("Prometheus has {series} series of the pods without a monitor"));
    }
    let monitors = match &evidence.monitors {
        Read::Unread(unread) => return Status::Unread(unread.clone()),
        monitors => monitors.items(),
    };
    let operator = Operator::of(evidence);
    let judged: Vec<(&Value, Vec<Fault>)> = monitors
        .iter()
        .map(|monitor| (monitor, faults(evidence, subject, &workload, operator.as_ref(), monitor)))
        .collect();
    if let Some((monitor, _)) = judged.iter().find(|(_, faults)| faults.is_empty()) {
        return Status::Ok(format!("{} selects the pods, and Prometheus selects it", titled(monitor)));
    }
    // Another job may scrape the pods, which only the targets show.
    let unread = replicas.iter().find_map(|replica| replica.targets.unread());
    if let Some(unread) = unread.filter(|_| replicas.iter().all(|replica| replica.targets.seen().is_none())) {
        return Status::Unread(unread.clone());
    }
    // A monitor with a single fault is meant for the pods. The nearer to Prometheus the fault is, the surer.
    let mut meant: Vec<_> = judged.into_iter().filter(|(_, faults)| faults.len() == 1).collect();
    meant.sort_by_key(|(_, faults)| faults[0].stage);
    if let Some((monitor, Fault { told, advice, commands, .. })) =
        meant.pop().and_then(|(monitor, faults)| Some((monitor, faults.into_iter().next()?)))
    {
        let evidence = format!("{}: {told}", titled(monitor));
        return Status::Broken(Finding::new(Cause::MonitorSelectsNothing, evidence, advice, commands));
    }
    Status::Broken(none(evidence, subject, &workload, operator.as_ref()))
}

/// There is no monitor that is meant for the pods.
fn none(evidence: &Evidence, subject: &Subject, workload: &Workload, operator: Option<&Operator>) -> Finding {
    let annotated = |object: &&Value| object["metadata"]["annotations"]["prometheus.io/scrape"].is_string();
    let annotated = workload.services.iter().copied().chain([workload.pod]).find(annotated);
    let also = annotated.map(|object| format!("; {} has only the annotation prometheus.io/scrape", titled(object)));
    let told = format!(
        "no ServiceMonitor or PodMonitor selects the pods of {}{}",
        evidence.namespace,
        also.unwrap_or_default()
    );
    match operator.and_then(|operator| manifest(evidence, subject, workload, operator)) {
        Some(monitor) => Finding::new(
            Cause::AnnotationsOnly,
            told,
            format!(
                "Apply a {}: prometheus-operator ignores the annotations.",
                monitor["kind"].as_str().unwrap_or_default()
            ),
            vec![apply(&monitor)],
        ),
        None => Finding::new(
            Cause::AnnotationsOnly,
            told,
            "Add a scrape job for these pods to Prometheus' configuration, or a ServiceMonitor if prometheus-operator runs it.",
            Vec::new(),
        ),
    }
}

/// A monitor of the pods that Prometheus selects; none where no labels would have it selected.
fn manifest(evidence: &Evidence, subject: &Subject, workload: &Workload, operator: &Operator) -> Option<Value> {
    let pages = subject.series.as_deref().map(|series| with_counter(evidence, series)).unwrap_or_default();
    let page = pages.first();
    let wanted = page.map(|page| page.port);
    let leads = |port: &Value| {
        let number = ports::of_service(workload.pod, port);
        port["name"].is_string() && number.is_some() && (wanted.is_none() || number == wanted)
    };
    let service = workload.services.iter().find_map(|service| {
        let port = service["spec"]["ports"].as_array()?.iter().find(|port| leads(port))?;
        let labels = workload.telling_labels(service)?;
        Some((labels, json!({"port": port["name"]})))
    });
    let (kind, field, labels, mut endpoint) = if let Some((labels, endpoint)) = service {
        ("ServiceMonitor", "endpoints", labels, endpoint)
    } else {
        let number =
            wanted.or_else(|| ports::of_pod(workload.pod, &ports::declared(workload.pod).next()?["containerPort"]))?;
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
    let mut metadata = json!({"name": workload, "namespace": place});
    if own_labels.as_object().is_some_and(|labels| !labels.is_empty()) {
        metadata["labels"] = own_labels;
    }
    Some(json!({"apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": metadata, "spec": spec}))
}
