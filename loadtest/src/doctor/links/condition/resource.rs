//! Whether the HPA's CPU and memory metrics are defined: each container that counts has a request, and exists; and whether
//! the controller counts the pods' samples yet.

use serde_json::{Value, json};

use crate::autoscaling::timing::{CPU_INITIALISATION, SYNC_PERIOD};
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::{living, since};
use crate::doctor::facts::proposals::{Group, group};
use crate::doctor::facts::resource::{self, Resource};
use crate::doctor::facts::resource_requests::{Lacking, counted, of_pod, of_template, sidecars};
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::strategic;
use crate::doctor::objects::{Hpa, condition, labels, list, name, text, titled};
use crate::doctor::status::{Finding, Status};

/// The first CPU or memory metric that is not defined, or not counted yet; none if each is.
pub fn check(evidence: &Evidence, hpa: &Value) -> Option<Status> {
    let metrics = Hpa(hpa).metrics().iter().enumerate();
    let mut metrics = metrics.filter_map(|(place, spec)| Some((place, spec, Resource::of(spec)?)));
    metrics.find_map(|(place, spec, of)| {
        lacking(evidence, place, of).or_else(|| not_counted(evidence, hpa, place, spec, of))
    })
}

/// A pod of the workload that the metric is not defined for.
fn lacking(evidence: &Evidence, place: usize, of: Resource<'_>) -> Option<Status> {
    let lacks = |spec: &Value| match of_pod(spec, of.name, of.container) {
        Err(Lacking::Container(container)) => Some(Lacking::Container(container)),
        Err(lacking) if of.utilization.is_some() => Some(lacking),
        _ => None,
    };
    let own = || living(evidence).filter(|pod| is_own(evidence, pod));
    let (pod, lacking) = own().find_map(|pod| Some((pod, lacks(&pod["spec"])?)))?;
    let what = match &lacking {
        Lacking::Request(container) => format!("container {container} of pod {} has no {} request", name(pod), of.name),
        Lacking::OfPod => format!("pod {} has requests of its own, but none for {}", name(pod), of.name),
        Lacking::Container(container) => format!("pod {} has no container {container}", name(pod)),
    };
    let seen = format!("HPA {}: spec.metrics[{place}], {}: {what}", evidence.name, of.name);
    // While a change rolls out, older pods lack what the template has by now, or what a LimitRange adds by now.
    let template = evidence.workload.seen().and_then(|workload| workload.pointer("/spec/template/spec"));
    let has_it = template.is_some_and(|spec| {
        // What something else adds to the pods is not in the template.
        if matches!(&lacking, Lacking::Request(container) if !counted(spec).any(|one| text(one, "/name") == container))
        {
            return false;
        }
        let found = of_template(spec, of.name, of.container);
        found.is_ok() || (of.utilization.is_none() && !matches!(found, Err(Lacking::Container(_))))
    });
    let newest = own().max_by_key(|pod| text(pod, "/metadata/creationTimestamp").to_owned());
    if has_it || newest.is_some_and(|pod| lacks(&pod["spec"]).is_none()) {
        let why = format!("{seen}; new pods have it, and the HPA waits until the last of the others is gone");
        return Some(Status::pending(2.0 * SYNC_PERIOD, why));
    }
    Some(match lacking {
        Lacking::Container(_) => unknown_container(pod, &seen).into(),
        Lacking::Request(container) => without_request(evidence, of, pod, &container, seen).into(),
        Lacking::OfPod => {
            let advice = format!(
                "Add {} to the requests of the pod template, beside the others in its spec.resources.",
                of.name
            );
            Finding::new(Cause::RequestMissing, seen, advice, None).into()
        }
    })
}

/// Whether a pod is of the workload: the controllers of most kinds name what they make after themselves.
fn is_own(evidence: &Evidence, pod: &Value) -> bool {
    let Some(workload) = evidence.workload.seen().map(name) else { return true };
    let hashes = ["pod-template-hash", "rollouts-pod-template-hash"];
    let hash = hashes.into_iter().find_map(|label| labels(pod)[label].as_str());
    let is_named = |owner: &Value| match (text(owner, "/name").strip_prefix(workload), hash) {
        (Some(rest), Some(hash)) => rest.strip_prefix('-') == Some(hash),
        (Some(rest), None) => rest.is_empty(),
        (None, _) => false,
    };
    let mut owners = list(pod, "/metadata/ownerReferences").iter().peekable();
    owners.peek().is_none() || owners.any(is_named)
}

fn unknown_container(pod: &Value, seen: &str) -> Finding {
    let there = counted(&pod["spec"]).map(|one| text(one, "/name")).collect::<Vec<_>>().join(", ");
    let advice = format!("Set containerResource.container to one that the pods have: {there}.");
    Finding::new(Cause::ContainerUnknown, seen, advice, None)
}

fn without_request(evidence: &Evidence, of: Resource<'_>, pod: &Value, container: &str, seen: String) -> Finding {
    let resource = of.name;
    let workload = evidence.workload.seen();
    let template = workload.and_then(|workload| workload.pointer("/spec/template/spec"));
    let is_named = |one: &Value| text(one, "/name") == container;
    let field = template.and_then(|spec| {
        let own = list(spec, "/containers").iter().any(is_named).then_some("containers");
        own.or_else(|| sidecars(spec).any(is_named).then_some("initContainers"))
    });
    let amount = amount(evidence, of, pod, container);
    // A strategic merge knows the lists of these kinds, and no others.
    let known = workload.filter(|workload| text(workload, "/apiVersion").starts_with("apps/")).zip(field);
    let command: Option<Command> = known.map(|(workload, field)| {
        let container = json!({"name": container, "resources": {"requests": {resource: amount}}});
        strategic(workload, &json!({"spec": {"template": {"spec": {field: [container]}}}}))
    });
    let rest = "Or make the metric a ContainerResource of a container that has a request, or give it an averageValue as its \
                target, which needs no requests.";
    let advice = match (&command, field.or(template.map(|_| "")), workload) {
        (Some(_), ..) => format!(
            "Give the container a {resource} request: the utilization is a share of the requests of all containers. The \
             command sets {amount}, about what it uses now, and restarts the pods. {rest}"
        ),
        (None, Some(""), _) => format!(
            "Something adds container {container} to the pods, as service meshes do: set its {resource} request there (with \
             Istio: the annotation sidecar.istio.io/proxyCPU or proxyMemory). {rest}"
        ),
        (None, _, Some(workload)) => format!(
            "Give container {container} in the template of {} a {resource} request, such as {amount}. {rest}",
            titled(workload)
        ),
        (None, _, None) => format!("Give container {container} a {resource} request, such as {amount}. {rest}"),
    };
    Finding::new(Cause::RequestMissing, seen, advice, command)
}

/// A request that is about what the container uses now.
fn amount(evidence: &Evidence, of: Resource<'_>, pod: &Value, container: &str) -> String {
    let spec = json!({"type": "Resource", "resource": {"name": of.name}});
    let items = resource::answered(evidence, &spec).unwrap_or_default();
    let own = Resource { container: Some(container), ..of };
    let usage = resource::sample(items, name(pod), own).map_or(0.0, |sample| sample.usage);
    if of.name == "memory" {
        format!("{:.0}Mi", ((usage / 1_048_576.0 / 16.0).ceil() * 16.0).max(16.0))
    } else {
        format!("{:.0}m", ((usage * 100.0).ceil() * 10.0).max(10.0))
    }
}

/// The HPA reports that it has no value of the metric, and it will have one by itself.
fn not_counted(evidence: &Evidence, hpa: &Value, place: usize, spec: &Value, of: Resource<'_>) -> Option<Status> {
    let reported = invalid(hpa, place, spec)?;
    let seen = format!("HPA {}: spec.metrics[{place}], {}: {reported}", evidence.name, of.name);
    let items = resource::answered(evidence, spec);
    if items.is_some() && living(evidence).any(|pod| group(evidence, pod, spec) == Some(Group::Counted)) {
        let why = format!("{seen}. The API has a value that counts now: the HPA syncs every {SYNC_PERIOD} s");
        return Some(Status::pending(SYNC_PERIOD, why));
    }
    if of.name != "cpu" {
        return None;
    }
    let rests = living(evidence).filter_map(|pod| {
        if let Some(items) = items {
            return resource::initialising(evidence, pod, resource::sample(items, name(pod), of)?);
        }
        let age = since(evidence, pod, "/status/startTime")?;
        Some(CPU_INITIALISATION - age).filter(|rest| *rest > 0.0)
    });
    let rest = rests.reduce(f64::min)?;
    let why = format!(
        "{seen}. Nothing is wrong: the controller counts the CPU of a new pod when a whole window of samples is later than \
         its becoming ready, or {CPU_INITIALISATION:.0} s after its start. That is in {rest:.0} s at the latest"
    );
    Some(Status::pending(rest, why))
}

/// What the HPA reports of a metric that it has no value of.
fn invalid(hpa: &Value, place: usize, spec: &Value) -> Option<String> {
    let reason = format!("FailedGet{}Metric", text(spec, "/type"));
    let active = condition(hpa, "ScalingActive");
    if let Some(active) = active.filter(|active| active["status"] == "False" && active["reason"] == *reason) {
        return Some(format!("{reason}: {}", text(active, "/message")));
    }
    let status = list(hpa, "/status/currentMetrics").get(place)?;
    text(status, "/type").is_empty().then(|| format!("status.currentMetrics[{place}] is empty"))
}
