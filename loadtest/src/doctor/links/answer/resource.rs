//! What the Resource Metrics API has of the pods.

use serde_json::{Value, json};

use crate::autoscaling::timing::RESOURCE_METRICS;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::early::Wait;
use crate::doctor::facts::pods::{living, ready_for};
use crate::doctor::facts::scaling_metric::{self, Metric};
use crate::doctor::facts::server::{is_kubelet_failure, newest};
use crate::doctor::facts::{requests, resource};
use crate::doctor::findings::missing_right;
use crate::doctor::fixes::kubectl::replace;
use crate::doctor::link::Link;
use crate::doctor::objects::{name, text};
use crate::doctor::status::{Checked, Finding, Status};
use crate::kube::read::Unread;

/// What the Resource Metrics API has. Source: `staging/src/k8s.io/metrics/pkg/apis/metrics/v1beta1/types.go`.
const SERVED: [&str; 2] = ["cpu", "memory"];

pub fn check(evidence: &Evidence, metric: &Metric) -> Checked {
    Status::stop(unserved(evidence, metric))?;
    let path = requests::metric(evidence, &metric.spec);
    let Some((path, answer)) = path.and_then(|path| evidence.answers.get_key_value(&path)) else {
        let why = format!("the HPA reports what it reads of {} from metrics.k8s.io", metric.name);
        return Err(Status::NotApplicable(why));
    };
    let message = text(&answer.body, "/message");
    let unread = |why: &str, right| Status::Unread(Unread { what: path.clone(), why: why.to_owned(), right });
    match answer.status {
        0 => return Err(unread(answer.body.as_str().unwrap_or("no answer"), None)),
        401 | 403 => return Err(unread(message, Some(missing_right::right(evidence, metric)))),
        200 => {}
        status => return Err(Status::blocked(Link::ApiService, format!("{path}: {status} {message}"))),
    }
    let items = resource::answered(evidence, &metric.spec).unwrap_or_default();
    let has = |pod: &&Value| items.iter().any(|item| name(item) == name(pod));
    let (with, without): (Vec<_>, Vec<_>) = living(evidence).partition(has);
    let seen = format!("{}: {} of {} pods have a value", metric.name, with.len(), with.len() + without.len());
    // Where others have one, a node may be new.
    let patience = if with.is_empty() { RESOURCE_METRICS } else { 2.0 * RESOURCE_METRICS };
    let age = |pod: &&Value| ready_for(evidence, pod);
    let Some(oldest) = without.iter().filter_map(age).reduce(f64::max) else {
        let none = with.is_empty() && !without.is_empty();
        return if none { Err(Status::pending(patience, format!("{seen}; no pod is ready"))) } else { Ok(seen) };
    };
    let since = newest(evidence).map_or(oldest, |server| server.min(oldest));
    if since < patience {
        let seen = format!("{seen}; the first value of a pod may take {patience:.0} s");
        return if with.is_empty() { Err(Wait::new(patience - since, seen).into()) } else { Ok(seen) };
    }
    let late = without.iter().find(|pod| age(pod) == Some(oldest)).map(|pod| name(pod)).unwrap_or_default();
    Err(without_value(evidence, late, oldest, &seen).into())
}

/// The metric is of a resource that this API never has.
fn unserved(evidence: &Evidence, metric: &Metric) -> Option<Finding> {
    let resource = metric.name.as_str();
    if SERVED.contains(&resource) {
        return None;
    }
    let place = scaling_metric::all(evidence).iter().position(|spec| *spec == metric.spec)?;
    let field = if metric.spec["type"] == "ContainerResource" { "containerResource" } else { "resource" };
    let path = format!("/spec/metrics/{place}/{field}/name");
    let seen =
        format!("spec.metrics[{place}] names the resource {resource}, and metrics.k8s.io has cpu and memory alone");
    let Some(meant) = SERVED.into_iter().find(|served| served.eq_ignore_ascii_case(resource)) else {
        let advice = format!("Scale by a Pods or External metric of {resource} instead: an exporter has to serve it.");
        return Some(Finding::new(Cause::PodMetricsMissing, seen, advice, None));
    };
    let command = evidence.hpa.seen().map(|hpa| replace(hpa, &path, &json!(resource), &json!(meant)));
    Some(Finding::new(
        Cause::PodMetricsMissing,
        seen,
        format!("Correct the name to {meant}, in the manifest as well."),
        command,
    ))
}

/// A pod has been ready for long, but the server has nothing of it.
fn without_value(evidence: &Evidence, pod: &str, age: f64, seen: &str) -> Finding {
    let log = evidence.server.log.seen().and_then(|log| log.lines().rfind(|line| is_kubelet_failure(line)));
    let log = log.map(|line| format!("; the server's log: {}", line.trim())).unwrap_or_default();
    let seen = format!("{seen}; pod {pod} has been ready for {age:.0} s, and has none{log}");
    let advice = if log.contains("x509") || log.contains("certificate") {
        "metrics-server does not trust the kubelets' certificates. Give the kubelets certificates that the cluster's CA has \
         signed (serverTLSBootstrap: true); only in a test cluster, start metrics-server with --kubelet-insecure-tls."
    } else {
        "The metrics server runs, but gets nothing from the kubelet of the pod's node. Read its log, and allow it to reach \
         port 10250 of the nodes."
    };
    Finding::new(Cause::PodMetricsMissing, seen, advice, None)
}
