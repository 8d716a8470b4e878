//! The pod's metrics page: the counter is on it, and counts clients only.

mod balancer;
mod probe_traffic;

use serde_json::Value;

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, Page};
use crate::doctor::facts::early::{settled, until_settled};
use crate::doctor::facts::pages::last;
use crate::doctor::facts::ports;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::targets::{elsewhere, has, result};
use crate::doctor::findings::no_counter;
use crate::doctor::fixes::Command;
use crate::doctor::objects::{is_ready, leads_to, name};
use crate::doctor::status::{Checked, Finding, Input, Status};

pub fn check(evidence: &Evidence, scaling: &ScalingMetric) -> Checked {
    let series = scaling.series.as_deref().ok_or_else(|| no_counter::check(evidence, scaling))?;
    if let Some(job) = elsewhere(evidence, scaling) {
        return Err(Status::NotApplicable(format!("{series} comes from {job}")));
    }
    // The pods expose neither a recording rule's result nor the metric of another object.
    if series.contains(':') || scaling.metric.as_ref().is_some_and(|metric| metric.spec["type"] == "Object") {
        return Err(Status::NotApplicable(format!("the pods do not expose {series}")));
    }
    let pods = evidence.pods.items();
    let ready = |page: &&Page| pods.iter().any(|pod| name(pod) == page.pod && is_ready(pod));
    let pages: Vec<&Page> = evidence.pages.iter().filter(ready).collect();
    let read: Vec<(&Page, &String)> = pages.iter().filter_map(|page| Some((*page, last(page)?))).collect();
    if read.is_empty() {
        let unread = pages.iter().find_map(|page| page.first.unread());
        let none = || Status::missing(Input::Pages, "no metrics page of a ready pod was read");
        return Err(Status::unread_or(unread, none));
    }
    let (with, without): (Vec<_>, Vec<_>) =
        read.iter().copied().partition(|(_, text)| has(text, series, &scaling.matchers));
    let lacking: Vec<&Page> = if scaling.is_of_each_pod() {
        let settled = settled(evidence, scaling);
        without.into_iter().map(|(page, _)| page).filter(|page| settled.contains(&page.pod.as_str())).collect()
    } else if with.is_empty() && !has_number(evidence, scaling) {
        without.into_iter().map(|(page, _)| page).collect()
    } else {
        Vec::new()
    };
    if !lacking.is_empty() {
        return Err(absent(evidence, scaling, series, &lacking).into());
    }
    Status::stop(probe_traffic::scrapes_and_probes(evidence, scaling, series, &read))?;
    Status::stop(balancer::checks(evidence, scaling, series, &read))?;
    let Some((page, _)) = with.first() else {
        // The query has a number without the pods' counters, or the pods are too young to have them.
        let why = format!("no pod exposes {series} yet");
        return Err(if scaling.is_of_each_pod() {
            Status::pending(until_settled(evidence, scaling), why)
        } else {
            Status::missing(Input::Requests, why)
        });
    };
    Ok(format!("{series} is on {} of {} pods, port {}", page.path, with.len(), page.port))
}

/// Whether the query has a number, with or without these pods' counters.
fn has_number(evidence: &Evidence, scaling: &ScalingMetric) -> bool {
    let found = scaling.query.as_deref().and_then(|query| result(evidence, query));
    let number = |sample: &Value| sample["value"][1].as_str()?.parse::<f64>().ok().filter(|number| number.is_finite());
    found.into_iter().flatten().any(|sample| number(sample).is_some())
}

/// The counter is absent. A request through the API server creates it.
fn absent(evidence: &Evidence, scaling: &ScalingMetric, series: &str, lacking: &[&Page]) -> Finding {
    let Page { pod, port, path, .. } = lacking[0];
    let labels = scaling.metric.iter().flat_map(|metric| metric_selector(&metric.spec));
    let labels: Vec<_> = labels.map(|(label, value)| format!("{label}={value}")).collect();
    if !labels.is_empty() && last(lacking[0]).is_some_and(|text| has(text, series, &[])) {
        let labels = labels.join(", ");
        return Finding::new(
            Cause::CounterAbsent,
            format!(
                "{path} of pod {pod}, port {port}, has {series}, but none with {labels}, which the HPA's metric selects"
            ),
            "Correct the selector of the metric in the HPA, or have the pods initialise the series that it selects.",
            None,
        );
    }
    let request = |page: &&Page| {
        let Page { pod, .. } = page;
        let port = serving(evidence, pod).unwrap_or(page.port);
        let path = format!("/api/v1/namespaces/{}/pods/{pod}:{port}/proxy/", evidence.namespace);
        Command::new("kubectl get --raw").plain("", &path)
    };
    Finding::new(
        Cause::CounterAbsent,
        format!("{path} of pod {pod}, port {port}, has no series {series}"),
        "Initialise the counter to 0 at startup. Until that is released, send one request to each new pod. Any status \
         will do.",
        lacking.iter().map(request),
    )
}

/// The labels by which the HPA's metric selects series.
fn metric_selector(spec: &Value) -> impl Iterator<Item = (&str, &str)> {
    let labels = spec["pods"]["metric"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    labels.filter_map(|(label, value)| Some((label.as_str(), value.as_str()?)))
}

/// The pod's port to which a Service sends clients.
fn serving(evidence: &Evidence, pod: &str) -> Option<u16> {
    let pod = evidence.pods.items().iter().find(|one| name(one) == pod)?;
    let mut services: Vec<_> =
        evidence.services.items().iter().filter(|service| leads_to(service, &pod["metadata"]["labels"])).collect();
    // A Service without an address may be only for scrapes.
    services.sort_by_key(|service| service["spec"]["clusterIP"] == "None");
    ports::of_service(pod, &services.first()?["spec"]["ports"][0])
}
