//! Whether clients' requests reach all pods alike, and whether as many arrive as were due.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, Load};
use crate::doctor::facts::pods::{ready, ready_for};
use crate::doctor::facts::ports;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::fixes::kubectl::{self, in_namespace, merge};
use crate::doctor::objects::{Service, age, leads_to, list, name, namespace, text, titled};
use crate::doctor::status::{Checked, Finding, Input, Status};

/// With a fair share of fewer requests, a difference may be chance: none of twenty has a chance of one in half a billion.
const ENOUGH: f64 = 20.0;
pub fn check(evidence: &Evidence, scaling: &ScalingMetric) -> Checked {
    let counted = counted(evidence, scaling);
    Status::stop(pinned(evidence, scaling, &counted))?;
    Status::stop(short(evidence))?;
    let requests: f64 = counted.iter().map(|(_, requests)| requests).sum();
    let seen = match counted.len() {
        0 => "the pods' requests are not known".to_owned(),
        pods => format!("{requests:.0} requests to {pods} pods between two reads of their pages"),
    };
    let checked = |seen| if counted.is_empty() { Err(Status::missing(Input::Pages, seen)) } else { Ok(seen) };
    let Some(service) = unreachable(evidence) else { return checked(seen) };
    let seen = format!("{seen}; {}: status.loadBalancer has no address", titled(service));
    if age(service, evidence.taken) < timing::BALANCER_PROVISION {
        return checked(format!("{seen} yet"));
    }
    // If there are requests anyway, clients are in the cluster.
    if requests >= 1.0 || evidence.load.seen().is_some_and(|load| load.answered > 0) {
        return checked(seen);
    }
    Err(no_address(service, seen).into())
}

/// Requests between the two readings of each ready pod's page.
fn counted<'a>(evidence: &'a Evidence, scaling: &ScalingMetric) -> Vec<(&'a Value, f64)> {
    let Some(series) = &scaling.series else { return Vec::new() };
    let requests = |pod: &&'a Value| {
        let page = evidence.pages.iter().find(|page| page.pod == name(pod))?;
        let requests = page.grown(series)?;
        (requests >= 0.0).then_some((*pod, requests))
    };
    ready(evidence).iter().filter_map(requests).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a number of pods")]
fn pinned(evidence: &Evidence, scaling: &ScalingMetric, counted: &[(&Value, f64)]) -> Option<Finding> {
    let fair = counted.iter().map(|(_, requests)| requests).sum::<f64>() / counted.len().max(1) as f64;
    if counted.len() < 2 || fair < ENOUGH || !are_alike(evidence, scaling) || !are_spread(evidence, counted) {
        return None;
    }
    let known = |pod: &Value| ready_for(evidence, pod).is_some_and(|age| age > timing::BALANCER_KNOWS_POD);
    let (idle, _) = counted.iter().find(|(pod, requests)| *requests < fair / 10.0 && known(pod))?;
    let shares = counted.iter().map(|(pod, requests)| format!("{} {requests:.0}", name(pod)));
    let seen = format!("requests: {}; {} is ready", shares.collect::<Vec<_>>().join(", "), name(idle));
    let sticky = services(evidence).find(|service| service["spec"]["sessionAffinity"] == "ClientIP");
    if let Some(service) = sticky {
        let seen = format!("{seen}; {}: spec.sessionAffinity is ClientIP", titled(service));
        let off = merge(service, &json!({"spec": {"sessionAffinity": "None", "sessionAffinityConfig": null}}));
        let advice = "Each client stays at its first pod. Turn session affinity off.";
        return Some(Finding::new(Cause::ClientsPinned, seen, advice, [off]));
    }
    let advice = "A Service balances connections, not requests. Make clients reconnect from time to time, make the server \
                  close connections after a while, or use a proxy that balances requests. Until then, a restart makes \
                  all clients reconnect once.";
    let restart = evidence.workload.seen().filter(|workload| workload["kind"] == "Deployment").map(kubectl::restart);
    Some(Finding::new(Cause::ClientsPinned, seen, advice, restart))
}

/// Whether the counter counts requests, and any pod may answer any of them. The pods of a `StatefulSet` have parts of their
/// own, and pods of another revision may be a canary.
fn are_alike(evidence: &Evidence, scaling: &ScalingMetric) -> bool {
    let counter = scaling.series.as_deref().unwrap_or_default();
    let kind = evidence.workload.seen().map(|workload| text(workload, "/kind"));
    let ready = ready(evidence);
    let mut revisions = ready.iter().map(|pod| text(pod, "/metadata/labels/pod-template-hash"));
    let revision = revisions.next();
    ["request", "http", "grpc", "rpc"].iter().any(|word| counter.contains(word))
        && matches!(kind, Some("Deployment" | "ReplicaSet"))
        && revisions.all(|other| Some(other) == revision)
}

/// Whether each Service that leads to any of the pods spreads connections over all of them. Otherwise clients may choose
/// their pod: by a headless Service's names, or by a Service of some pods only.
fn are_spread(evidence: &Evidence, counted: &[(&Value, f64)]) -> bool {
    let leads = |service: &Value, (pod, _): &(&Value, f64)| leads_to(service, &pod["metadata"]["labels"]);
    let services = evidence.services.items().iter().filter(|service| !is_for_scrapes(evidence, service));
    let mut services = services.filter(|service| counted.iter().any(|pod| leads(service, pod))).peekable();
    services.peek().is_some()
        && services.all(|service| !is_partial(service) && counted.iter().all(|pod| leads(service, pod)))
}

/// Whether a headless Service leads only to the pods' metrics pages, and clients have another Service for another port.
fn is_for_scrapes(evidence: &Evidence, service: &Value) -> bool {
    let Some(pod) = evidence.pods.items().first().filter(|_| is_headless(service)) else { return false };
    let led_to = |service: &Value| -> BTreeSet<u16> {
        Service(service).ports().iter().filter_map(|port| ports::of_service(pod, port)).collect()
    };
    let pages: BTreeSet<u16> = evidence.pages.iter().map(|page| page.port).collect();
    let own = led_to(service);
    let mut others = services(evidence).filter(|other| !is_headless(other)).map(led_to).peekable();
    own.is_subset(&pages) && others.peek().is_some() && others.all(|other| other.is_disjoint(&own))
}

fn is_headless(service: &Value) -> bool {
    service["spec"]["clusterIP"] == "None"
}

/// Whether a Service is headless, or prefers pods nearby.
fn is_partial(service: &Value) -> bool {
    let spec = &service["spec"];
    let local = ["internalTrafficPolicy", "externalTrafficPolicy"].iter().any(|policy| spec[*policy] == "Local");
    let mode = &service["metadata"]["annotations"]["service.kubernetes.io/topology-mode"];
    is_headless(service) || local || !spec["trafficDistribution"].is_null() || !mode.is_null()
}

fn short(evidence: &Evidence) -> Option<Finding> {
    let Load { pod, seconds, due, answered, dropped } = evidence.load.seen()?;
    // Less than a fifth is normal: a pod that stops or starts costs some requests.
    let falls_short = answered.saturating_mul(5) < due.saturating_mul(4) || dropped.saturating_mul(5) > *due;
    if *due < 20 || !falls_short {
        return None;
    }
    let seen =
        format!("pod {pod}: in {seconds:.0} s {due} requests were due, {answered} answered, {dropped} never sent");
    let advice = "The HPA sees only the requests that arrive. Read the load test's log for failures, the limit on requests \
                  in flight, or its own CPU.";
    let log = |pod: &str| in_namespace(&evidence.namespace).words("logs").name("pod/", pod).words("--tail=50");
    Some(Finding::new(Cause::LoadShort, seen, advice, pod.split(", ").map(log)))
}

/// The Services that select the pods.
fn services(evidence: &Evidence) -> impl Iterator<Item = &Value> {
    let labels = evidence.pods.items().first().map_or(&Value::Null, |pod| &pod["metadata"]["labels"]);
    evidence.services.items().iter().filter(move |service| leads_to(service, labels))
}

/// A load balancer that has no address, or an empty one.
fn unreachable(evidence: &Evidence) -> Option<&Value> {
    let named = |place: &Value| ["/ip", "/hostname"].into_iter().any(|field| !text(place, field).is_empty());
    services(evidence).find(|service| {
        text(service, "/spec/type") == "LoadBalancer"
            && !list(service, "/status/loadBalancer/ingress").iter().any(named)
    })
}

fn no_address(service: &Value, seen: String) -> Finding {
    let port = Service(service).ports().first().and_then(|port| port["port"].as_u64()).unwrap_or(80);
    // Only root may open ports below 1024.
    let local = if port < 1024 { 8000 + port } else { port };
    let command = in_namespace(namespace(service)).words("port-forward").name("service/", name(service));
    let command = command.plain("", &format!("{local}:{port}"));
    let advice = "Install a load balancer controller (clouds have one; use MetalLB or cloud-provider-kind elsewhere). Until \
                  then, a port-forward reaches one pod.";
    Finding::new(Cause::NoLoadBalancer, seen, advice, [command])
}
