//! Prometheus' targets: Prometheus runs, may discover them, and scrapes them.

mod down;
mod prometheus_replicas;

use serde_json::{Value, json};

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::early::{settled, until_settled};
use crate::doctor::facts::intervals;
use crate::doctor::facts::scaling_metric::Subject;
use crate::doctor::facts::targets::{arrived, elsewhere, known, ours, silent_shard};
use crate::doctor::fixes::kubectl::apply;
use crate::doctor::link::Link;
use crate::doctor::objects::{age, changed, lives, namespace, titled};
use crate::doctor::status::{Finding, Input, Status};
use crate::kube::access::access;
use crate::kube::read::{Read, Unread};

pub fn check(evidence: &Evidence, subject: &Subject) -> Status {
    if let Some(finding) = prometheus_replicas::not_ready(evidence, subject) {
        return Status::Broken(finding);
    }
    if let Some(job) = elsewhere(evidence, subject) {
        return Status::NotApplicable(format!("the counter comes from {job}"));
    }
    let all = &evidence.prometheus.replicas;
    if all.iter().all(|replica| replica.targets.seen().is_none()) {
        let unread = all.iter().find_map(|replica| replica.targets.unread());
        return unread.map_or_else(
            || Status::missing(Input::Prometheus, "no replica of Prometheus was queried"),
            |unread| Status::Unread(unread.clone()),
        );
    }
    let up = |pod: &&str| {
        let mut targets = all.iter().flat_map(|replica| ours(evidence, subject, replica));
        targets.any(|(of, target)| of == *pod && target["health"] == "up")
    };
    let arrived = arrived(evidence, subject);
    // Not all that a role allows is needed: what is scraped was found.
    if let Some(finding) =
        forbidden(evidence).filter(|_| arrived.is_none() && !settled(evidence, subject).iter().all(up))
    {
        return Status::Broken(finding);
    }
    if !known(evidence, subject) {
        if let Some(series) = arrived {
            return Status::NotApplicable(format!("Prometheus has {series} series of the pods without a target"));
        }
        return without_target(evidence, subject);
    }
    if let Some(finding) = down::finding(evidence, subject) {
        return Status::Broken(finding);
    }
    if let Some(finding) = prometheus_replicas::disagree(evidence, subject) {
        return Status::Broken(finding);
    }
    let targets = || all.iter().flat_map(|replica| ours(evidence, subject, replica));
    let up = targets().filter(|(_, target)| target["health"] == "up").count();
    if up == 0 {
        return Status::pending(
            intervals::scrape(evidence).unwrap_or(timing::FIRST_SCRAPE),
            "no target was scraped yet",
        );
    }
    Status::Ok(format!("{up} of {} targets are up, in {} replicas of Prometheus", targets().count(), all.len()))
}

fn forbidden(evidence: &Evidence) -> Option<Finding> {
    let pod = evidence.prometheus.pods.items().iter().find(|pod| lives(pod))?;
    let (of, account) = (namespace(pod), pod["spec"]["serviceAccountName"].as_str()?);
    let user = format!("system:serviceaccount:{of}:{account}");
    let ours = evidence.namespace.as_str();
    let denied = |group: &str, resource: &str| {
        ["list", "watch"]
            .into_iter()
            .any(|verb| evidence.access.get(&access(&user, verb, group, resource, ours)) == Some(&Read::Seen(false)))
    };
    let role = evidence.prometheuses.items().iter().find(|object| {
        namespace(object) == of
            && pod["metadata"]["labels"]["operator.prometheus.io/name"] == object["metadata"]["name"]
    });
    let slices = ("discovery.k8s.io", "endpointslices");
    let needed = match role.map(|object| object["spec"]["serviceDiscoveryRole"].as_str()) {
        Some(Some("EndpointSlice")) => vec![("", "services"), ("", "pods"), slices],
        Some(_) => vec![("", "services"), ("", "pods"), ("", "endpoints")],
        // Without the operator either will do.
        None if denied("", "endpoints") && denied(slices.0, slices.1) => vec![("", "services"), ("", "pods"), slices],
        None => vec![("", "services"), ("", "pods")],
    };
    let denied: Vec<&str> =
        needed.into_iter().filter(|(group, resource)| denied(group, resource)).map(|(_, resource)| resource).collect();
    if denied.is_empty() {
        return None;
    }
    Some(Finding::new(
        Cause::PrometheusForbidden,
        format!("{user} may not list and watch {} in {ours}", denied.join(", ")),
        "Give Prometheus' service account a Role in the namespace.",
        rights(ours, of, account).iter().map(apply).collect(),
    ))
}

/// As kube-prometheus names them, and has them in its own namespaces.
fn rights(namespace: &str, of: &str, account: &str) -> [Value; 2] {
    let group = "rbac.authorization.k8s.io";
    let metadata = json!({"name": account, "namespace": namespace});
    let verbs = ["get", "list", "watch"];
    [
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata,
            "rules": [
                {"apiGroups": [""], "resources": ["services", "pods", "endpoints"], "verbs": verbs},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": verbs},
            ],
        }),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": account},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": of}],
        }),
    ]
}

/// No replica has the pods as targets, although a monitor selects them and nothing forbids it.
fn without_target(evidence: &Evidence, subject: &Subject) -> Status {
    if let Some(shard) = silent_shard(evidence, |replica| replica.targets.seen().is_some()) {
        let why = "it may have the pods as targets".to_owned();
        return Status::Unread(Unread { what: format!("{shard} did not answer"), why, right: None });
    }
    let young = |object: &&Value| changed(object, evidence.taken) < timing::MONITOR_RELOAD;
    let (monitors, services) = (evidence.monitors.items(), evidence.services.items());
    let pods = evidence.pods.items().iter().chain(evidence.prometheus.pods.items());
    let operators = evidence.prometheuses.items();
    if let Some(object) = monitors.iter().chain(services).chain(operators).find(young) {
        let age = changed(object, evidence.taken);
        let why = format!("Prometheus has no target yet; {} was changed {age:.0} s ago", titled(object));
        return Status::pending(timing::MONITOR_RELOAD - age, why);
    }
    if let Some(pod) = pods.into_iter().find(|pod| age(pod, evidence.taken) < timing::MONITOR_RELOAD) {
        let why = format!("Prometheus has no target yet; {} has just started", titled(pod));
        return Status::pending(timing::MONITOR_RELOAD - age(pod, evidence.taken), why);
    }
    let none = "no replica of Prometheus has the pods as targets";
    if settled(evidence, subject).is_empty() {
        return Status::pending(until_settled(evidence, subject), none);
    }
    if monitors.is_empty() {
        return Status::blocked(Link::Monitor, none);
    }
    Status::Broken(Finding::new(
        Cause::MonitorSelectsNothing,
        "no replica of Prometheus has the pods as targets, although a monitor selects them".to_owned(),
        "Check whether the monitor's relabelings drop them, and whether prometheus-operator has updated Prometheus' \
         configuration: read its log, and the object's condition Reconciled.",
        Vec::new(),
    ))
}
