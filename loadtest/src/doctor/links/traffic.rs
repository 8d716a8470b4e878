//! Whether clients' requests reach all pods alike, and as many as requested.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, Load};
use crate::doctor::facts::pods::{ready, ready_for};
use crate::doctor::facts::ports;
use crate::doctor::facts::scaling_metric::Subject;
use crate::doctor::fixes::kubectl::{self, in_namespace, merge};
use crate::doctor::objects::{age, leads_to, list, name, namespace, text, titled};
use crate::doctor::status::{Finding, Input, Status};

/// Requests of a fair share, below which a difference may be chance: none of twenty is one in half a billion.
const ENOUGH: f64 = 20.0;
pub fn check(evidence: &Evidence, subject: &Subject) -> Status {
    let counted = counted(evidence, subject);
    if let Some(finding) = pinned(evidence, subject, &counted).or_else(|| short(evidence)) {
        return Status::Broken(finding);
    }
    let requests: f64 = counted.iter().map(|(_, requests)| requests).sum();
    let seen = match counted.len() {
        0 => "the pods' requests are not known".to_owned(),
        pods => format!("{requests:.0} requests to {pods} pods between two reads of their pages"),
    };
    let status = |seen| if counted.is_empty() { Status::missing(Input::Pages, seen) } else { Status::Ok(seen) };
    let Some(service) = unreachable(evidence) else { return status(seen) };
    let seen = format!("{seen}; {}: status.loadBalancer has no address", titled(service));
    if age(service, evidence.taken) < timing::BALANCER_PROVISION {
        return status(format!("{seen} yet"));
    }
    // Where requests come anyway, they come from within.
    if requests >= 1.0 || evidence.load.seen().is_some_and(|load| load.answered > 0) {
        return status(seen);
    }
    Status::Broken(no_address(service, seen))
}

/// Requests between the two looks at each ready pod's page.
fn counted<'a>(evidence: &'a Evidence, subject: &Subject) -> Vec<(&'a Value, f64)> {
    let Some(series) = &subject.series else { return Vec::new() };
    let requests = |pod: &&'a Value| {
        let page = evidence.pages.iter().find(|page| page.pod == name(pod))?;
        let requests = page.grown(series)?;
        (requests >= 0.0).then_some((*pod, requests))
    };
    ready(evidence).iter().filter_map(requests).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a number of pods")]
fn pinned(evidence: &Evidence, subject: &Subject, counted: &[(&Value, f64)]) -> Option<Finding> {
    let fair = counted.iter().map(|(_, requests)| requests).sum::<f64>() / counted.len().max(1) as f64;
    if counted.len() < 2 || fair < ENOUGH || !are_alike(evidence, subject) || !are_spread(evidence, counted) {
        return None;
    }
    let known = |pod: &Value| ready_for(evidence, pod).is_some_and(|age| age > timing::BALANCER_KNOWS_POD);
    let (idle, _) = counted.iter().find(|(pod, requests)| *requests < fair / 10.0 && known(pod))?;
    let shares = counted.iter().map(|(pod, requests)| format!("{} {requests:.0}", name(pod)));
    let seen = format!("requests: {}; {} is ready", shares.collect::<Vec<_>>().join(", "), name(idle));
    let sticky =
        services(evidence).find(|service| service.pointer("/spec/sessionAffinity") == Some(&json!("ClientIP")));
    if let Some(service) = sticky {
        let seen = format!("{seen}; {}: spec.sessionAffinity is ClientIP", titled(service));
        let patch = json!({"spec": {"sessionAffinity": "None", "sessionAffinityConfig": null}});
        let command = merge(service, &patch);
        let advice = "Each client stays at its first pod. Turn session affinity off.";
        return Some(Finding::new(Cause::ClientsPinned, seen, advice, vec![command]));
    }
    let advice = "A Service balances connections, not requests. Make clients reconnect from time to time, make the server \
                  close connections after a while, or use a proxy that balances requests. Until then, a restart makes \
                  all clients reconnect once.";
    let restart = evidence.workload.seen().filter(|workload| workload["kind"] == "Deployment").map(kubectl::restart);
    Some(Finding::new(Cause::ClientsPinned, seen, advice, restart.into_iter().collect()))
}

/// Whether the counter is one of requests, and any pod may answer any of them: not where pods have names and parts of
/// their own, as those of a `StatefulSet`, and not while some of them are of another revision, a canary maybe.
fn are_alike(evidence: &Evidence, subject: &Subject) -> bool {
    let counter = subject.series.as_deref().unwrap_or_default();
    let kind = evidence.workload.seen().map(|workload| text(workload, "/kind"));
    let ready = ready(evidence);
    let mut revisions = ready.iter().map(|pod| text(pod, "/metadata/labels/pod-template-hash"));
    let revision = revisions.next();
    ["request", "http", "grpc", "rpc"].iter().any(|word| counter.contains(word))
        && matches!(kind, Some("Deployment" | "ReplicaSet"))
        && revisions.all(|other| Some(other) == revision)
}

/// Whether each Service that leads to any of the pods spreads connections over all of them. Else clients may mean the
/// pod that they ask: by a headless Service's names, or a Service of one pod or of some.
fn are_spread(evidence: &Evidence, counted: &[(&Value, f64)]) -> bool {
    let leads = |service: &Value, (pod, _): &(&Value, f64)| leads_to(service, &pod["metadata"]["labels"]);
    let services = evidence.services.items().iter().filter(|service| !is_for_scrapes(evidence, service));
    let mut services = services.filter(|service| counted.iter().any(|pod| leads(service, pod))).peekable();
    services.peek().is_some()
        && services.all(|service| !is_partial(service) && counted.iter().all(|pod| leads(service, pod)))
}

/// Whether a headless Service leads to the pods' pages alone, and clients have another one, for another port.
fn is_for_scrapes(evidence: &Evidence, service: &Value) -> bool {
    let Some(pod) = evidence.pods.items().first().filter(|_| is_headless(service)) else { return false };
    let led_to = |service: &Value| -> BTreeSet<u16> {
        list(service, "/spec/ports").iter().filter_map(|port| ports::of_service(pod, port)).collect()
    };
    let pages: BTreeSet<u16> = evidence.pages.iter().map(|page| page.port).collect();
    let own = led_to(service);
    let mut others = services(evidence).filter(|other| !is_headless(other)).map(led_to).peekable();
    own.is_subset(&pages) && others.peek().is_some() && others.all(|other| other.is_disjoint(&own))
}

fn is_headless(service: &Value) -> bool {
    service["spec"]["clusterIP"] == "None"
}

/// Whether a Service is headless, or sends to pods that are near rather than to all.
fn is_partial(service: &Value) -> bool {
    let spec = &service["spec"];
    let local = ["internalTrafficPolicy", "externalTrafficPolicy"].iter().any(|policy| spec[*policy] == "Local");
    let mode = &service["metadata"]["annotations"]["service.kubernetes.io/topology-mode"];
    is_headless(service) || local || !spec["trafficDistribution"].is_null() || !mode.is_null()
}

fn short(evidence: &Evidence) -> Option<Finding> {
    let Load { pod, seconds, due, answered, dropped } = evidence.load.seen()?;
    // A fifth: a pod that is just taken away, or one that starts, costs a moment's requests.
    let falls_short = answered.saturating_mul(5) < due.saturating_mul(4) || dropped.saturating_mul(5) > *due;
    if *due < 20 || !falls_short {
        return None;
    }
    let seen =
        format!("pod {pod}: in {seconds:.0} s {due} requests were due, {answered} answered, {dropped} never sent");
    let advice = "The HPA sees only the requests that arrive. Read the load test's log: failures, the limit on requests in \
                  flight, or its own CPU.";
    let log = |pod: &str| in_namespace(&evidence.namespace).words("logs").name("pod/", pod).words("--tail=50").end();
    Some(Finding::new(Cause::LoadShort, seen, advice, pod.split(", ").map(log).collect()))
}

/// The Services that select the pods.
fn services(evidence: &Evidence) -> impl Iterator<Item = &Value> {
    let labels = evidence.pods.items().first().map_or(&Value::Null, |pod| &pod["metadata"]["labels"]);
    evidence.services.items().iter().filter(move |service| leads_to(service, labels))
}

/// The load balancer that has no address: no place for one, or places with nothing in them.
fn unreachable(evidence: &Evidence) -> Option<&Value> {
    let named = |place: &Value| ["/ip", "/hostname"].into_iter().any(|field| !text(place, field).is_empty());
    services(evidence).find(|service| {
        text(service, "/spec/type") == "LoadBalancer"
            && !list(service, "/status/loadBalancer/ingress").iter().any(named)
    })
}

fn no_address(service: &Value, seen: String) -> Finding {
    let port = list(service, "/spec/ports").first().and_then(|port| port["port"].as_u64()).unwrap_or(80);
    // A port below 1024 is not everybody's to open.
    let local = if port < 1024 { 8000 + port } else { port };
    let command = in_namespace(namespace(service)).words("port-forward").name("service/", name(service));
    let command = command.plain("", &format!("{local}:{port}")).end();
    let advice = "Install a load balancer controller (clouds have one; use MetalLB or cloud-provider-kind elsewhere). Until \
                  then, a port-forward reaches one pod.";
    Finding::new(Cause::NoLoadBalancer, seen, advice, vec![command])
}
