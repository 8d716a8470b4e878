//! Prometheus' targets: Prometheus runs, may discover them, and scrapes them.

mod down;
mod prometheus_replicas;
mod twice;

use serde_json::{Value, json};

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::early::{settled, until_settled};
use crate::doctor::facts::intervals;
use crate::doctor::facts::nearness::nearness;
use crate::doctor::facts::prometheus::is_of;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::targets::{arrived, elsewhere, known, ours, silent_shard};
use crate::doctor::fixes::kubectl::grant;
use crate::doctor::link::Link;
use crate::doctor::objects::{age, changed, lives, namespace, titled};
use crate::doctor::status::{Checked, Finding, Input, Status};
use crate::kube::access::access;
use crate::kube::read::{Read, Unread};

pub fn check(evidence: &Evidence, scaling: &ScalingMetric) -> Checked {
    Status::stop(prometheus_replicas::not_ready(evidence, scaling))?;
    if let Some(job) = elsewhere(evidence, scaling) {
        return Err(Status::NotApplicable(format!("the counter comes from {job}")));
    }
    let all = &evidence.prometheus.replicas;
    if all.iter().all(|replica| replica.targets.seen().is_none()) {
        let unread = all.iter().find_map(|replica| replica.targets.unread());
        let none = || Status::missing(Input::Prometheus, "no replica of Prometheus was queried");
        return Err(Status::unread_or(unread, none));
    }
    let targets = || all.iter().flat_map(|replica| ours(evidence, scaling, replica));
    let is_up = |target: &Value| target["health"] == "up";
    let pod_is_up = |pod: &&str| targets().any(|(of, target)| of == *pod && is_up(target));
    let arrived = arrived(evidence, scaling);
    // Discovery needs fewer rights than a role usually grants: pods that are scraped were discovered.
    if arrived.is_none() && !settled(evidence, scaling).iter().all(pod_is_up) {
        Status::stop(forbidden(evidence))?;
    }
    if !known(evidence, scaling) {
        return Err(match arrived {
            Some(series) => {
                Status::NotApplicable(format!("Prometheus has {series} series of the pods without a target"))
            }
            None => without_target(evidence, scaling),
        });
    }
    Status::stop(down::finding(evidence, scaling))?;
    Status::stop(prometheus_replicas::disagree(evidence, scaling))?;
    Status::stop(twice::finding(evidence, scaling))?;
    let up = targets().filter(|(_, target)| is_up(target)).count();
    if up == 0 {
        return Err(Status::pending(
            intervals::scrape(evidence).unwrap_or(timing::FIRST_SCRAPE),
            "no target was scraped yet",
        ));
    }
    Ok(format!("{up} of {} targets are up, in {} replicas of Prometheus", targets().count(), all.len()))
}

/// Prometheus' service account may not discover the pods.
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
    let role = evidence.prometheuses.items().iter().find(|object| is_of(pod, object));
    let slices = ("discovery.k8s.io", "endpointslices");
    let needed = match role.map(|object| object["spec"]["serviceDiscoveryRole"].as_str()) {
        Some(Some("EndpointSlice")) => vec![("", "services"), ("", "pods"), slices],
        Some(_) => vec![("", "services"), ("", "pods"), ("", "endpoints")],
        // Without the operator, one of the two is enough.
        None if denied("", "endpoints") && denied(slices.0, slices.1) => vec![("", "services"), ("", "pods"), slices],
        None => vec![("", "services"), ("", "pods")],
    };
    let denied: Vec<&str> =
        needed.into_iter().filter(|(group, resource)| denied(group, resource)).map(|(_, resource)| resource).collect();
    if denied.is_empty() {
        return None;
    }
    // kube-prometheus uses the same names in its own namespaces.
    let verbs = ["get", "list", "watch"];
    let rules = json!([
        {"apiGroups": [""], "resources": ["services", "pods", "endpoints"], "verbs": verbs},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": verbs},
    ]);
    let seen = format!("{user} may not list and watch {} in {ours}", denied.join(", "));
    let advice = "Give Prometheus' service account a Role in the namespace.";
    Some(Finding::new(Cause::PrometheusForbidden, seen, advice, grant(account, Some(ours), &rules, [account, of])))
}

/// No replica has the pods as targets, although a monitor selects them and nothing forbids it.
fn without_target(evidence: &Evidence, scaling: &ScalingMetric) -> Status {
    if let Some(shard) = silent_shard(evidence, |replica| replica.targets.seen().is_some()) {
        let why = "it may have the pods as targets".to_owned();
        return Status::Unread(Unread { what: format!("{shard} did not answer"), why, right: None });
    }
    let young = |object: &&Value| changed(object, evidence.taken) < timing::MONITOR_RELOAD;
    // A change of somebody else's monitor brings no target here.
    let mut near: Vec<&Value> =
        evidence.monitors.items().iter().filter(|one| nearness(evidence, one).is_some()).collect();
    near.sort_by_key(|one| std::cmp::Reverse(nearness(evidence, one)));
    let (monitors, services) = (evidence.monitors.items(), evidence.services.items());
    let pods = evidence.pods.items().iter().chain(evidence.prometheus.pods.items());
    let operators = evidence.prometheuses.items();
    if let Some(object) = near.into_iter().chain(services).chain(operators).find(young) {
        let age = changed(object, evidence.taken);
        let why = format!("Prometheus has no target yet; {} was changed {age:.0} s ago", titled(object));
        return Status::pending(timing::MONITOR_RELOAD - age, why);
    }
    if let Some(pod) = pods.into_iter().find(|pod| age(pod, evidence.taken) < timing::MONITOR_RELOAD) {
        let why = format!("Prometheus has no target yet; {} has just started", titled(pod));
        return Status::pending(timing::MONITOR_RELOAD - age(pod, evidence.taken), why);
    }
    let none = "no replica of Prometheus has the pods as targets";
    if settled(evidence, scaling).is_empty() {
        return Status::pending(until_settled(evidence, scaling), none);
    }
    if monitors.is_empty() {
        return Status::blocked(Link::Monitor, none);
    }
    let seen = "no replica of Prometheus has the pods as targets, although a monitor selects them";
    let advice = "Check whether the monitor's relabelings drop them. Check whether prometheus-operator has updated Prometheus' \
                  configuration: read its log, and the object's condition Reconciled.";
    Finding::new(Cause::MonitorSelectsNothing, seen, advice, None).into()
}
