//! Whether Prometheus scrapes a pod's page by several targets, so that a sum counts each request several times.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, Replica};
use crate::doctor::facts::monitors::of_target;
use crate::doctor::facts::nearness::is_own;
use crate::doctor::facts::pages::last;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::targets::{Ours, is_given, labels_of, ours, place, result, taken, with_counter};
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::Endpoint;
use crate::doctor::objects::{name, text, titled};
use crate::doctor::status::Finding;

/// What tells targets of one page apart.
const TOLD_BY: [&str; 3] = ["service", "endpoint", "job"];

pub fn finding(evidence: &Evidence, scaling: &ScalingMetric) -> Option<Finding> {
    let query = scaling.query.as_deref()?;
    // Other aggregations take one of equal series, or their average.
    if !query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == "sum") {
        return None;
    }
    let (pod, targets) =
        evidence.prometheus.replicas.iter().find_map(|replica| of_replica(evidence, scaling, replica))?;
    let times = counted(evidence, scaling, pod).filter(|times| *times > 1)?;
    let url = text(targets[0], "/scrapeUrl");
    let told = told(&targets);
    let seen = format!(
        "{url} of pod {pod} is scraped by {} targets ({}): a sum counts each request {times} times",
        targets.len(),
        told.join(", ")
    );
    let (advice, command) = fix(evidence, &targets);
    Some(Finding::new(Cause::ScrapedTwice, seen, advice, command))
}

/// The first pod with a page that several targets of one replica scrape, and these targets.
fn of_replica<'a>(
    evidence: &'a Evidence,
    scaling: &ScalingMetric,
    replica: &'a Replica,
) -> Option<(&'a str, Vec<&'a Value>)> {
    let mut places: BTreeMap<_, Vec<&Value>> = BTreeMap::new();
    for (pod, target) in ours(evidence, scaling, replica).into_iter().filter(|(_, target)| target["health"] == "up") {
        places.entry((pod, place(target))).or_default().push(target);
    }
    let several = places.into_iter().find(|(_, targets)| targets.len() > 1);
    several.map(|((pod, _), targets)| (pod, targets))
}

/// How many times the query takes a series of the page: those that differ by nothing but the labels of their targets.
fn counted(evidence: &Evidence, scaling: &ScalingMetric, pod: &str) -> Option<usize> {
    let found = result(evidence, &scaling.selector.as_ref()?.text())?;
    let pods = Ours::of(evidence);
    // A job may add any labels, such as the pod's own.
    let series = scaling.series.as_deref()?;
    let pages = with_counter(evidence, series).into_iter().filter(|page| page.pod == pod);
    let on_page: BTreeSet<String> = pages
        .filter_map(last)
        .flat_map(|page| taken(page, series, &[]))
        .flat_map(|(braces, _)| labels_of(braces))
        .map(|(label, ..)| label)
        .collect();
    let is_own = |label: &str| if on_page.is_empty() { !is_given(label) } else { on_page.contains(label) };
    let mut alike: BTreeMap<String, usize> = BTreeMap::new();
    for sample in found.iter().filter(|sample| pods.pod_of_series(&sample["metric"]) == Some(pod)) {
        let all = sample["metric"].as_object().into_iter().flatten();
        // The port tells two counters of one name from one that is scraped twice.
        let own: BTreeMap<_, _> = all.filter(|(label, _)| is_own(label) || *label == "instance").collect();
        *alike.entry(json!(own).to_string()).or_default() += 1;
    }
    alike.into_values().max()
}

/// The labels by which the targets differ, else their jobs.
fn told(targets: &[&Value]) -> Vec<String> {
    let label = |target: &Value, label: &str| text(target, &format!("/labels/{label}")).to_owned();
    let differs = |name: &str| targets.iter().any(|target| label(target, name) != label(targets[0], name));
    let tells = |name: &&&str| differs(name) && targets.iter().all(|target| !label(target, name).is_empty());
    match TOLD_BY.iter().find(tells) {
        Some(name) => targets.iter().map(|target| format!("{name}={}", label(target, name))).collect(),
        None => targets.iter().map(|target| text(target, "/scrapePool").to_owned()).collect(),
    }
}

/// What to do: of several Services that one endpoint of the user's own monitor selects, one is enough.
fn fix(evidence: &Evidence, targets: &[&Value]) -> (String, Option<Command>) {
    let endpoints: Vec<_> = targets.iter().filter_map(|target| of_target(evidence, target)).collect();
    let (Some(first), true) = (endpoints.first(), endpoints.len() == targets.len()) else {
        return ("Keep one job that scrapes these pods, and exclude them from the others.".to_owned(), None);
    };
    if endpoints.iter().any(|(monitor, _)| !std::ptr::eq(*monitor, first.0)) {
        let mut names: Vec<String> = endpoints.iter().map(|(monitor, _)| titled(monitor)).collect();
        names.dedup();
        return (format!("Keep one of {}: each of them has the pods scraped.", names.join(" and ")), None);
    }
    let monitor = titled(first.0);
    if endpoints.iter().any(|(_, number)| *number != first.1) {
        return (format!("Keep one of the endpoints of {monitor} that lead to this port."), None);
    }
    let advice = format!("Narrow the selector of {monitor} to one Service, by a label that only that Service has.");
    let mut services: Vec<&str> = targets.iter().map(|target| text(target, "/labels/service")).collect();
    services.sort_unstable();
    services.dedup();
    let Some(others) = others(evidence, &services).filter(|_| is_own(evidence, first.0)) else { return (advice, None) };
    let advice = format!("{advice} Or have it drop the targets of {}, as the command does.", others.join(" and "));
    (advice, Some(dropping(evidence, Endpoint::new(*first), &others)))
}

/// All Services but the one to keep: the first with an address of its own. None if one of them is not known.
fn others<'a>(evidence: &Evidence, services: &[&'a str]) -> Option<Vec<&'a str>> {
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let known = services.iter().map(|service| evidence.services.items().iter().find(|one| name(one) == *service));
    let known: Vec<&Value> = known.collect::<Option<_>>()?;
    let kept = known.iter().position(|service| service["spec"]["clusterIP"] != "None").unwrap_or(0);
    let others: Vec<&str> = services.iter().enumerate().filter(|(at, _)| *at != kept).map(|(_, name)| *name).collect();
    let is_safe = !others.is_empty() && others.iter().all(|name| is_plain(name)) && is_plain(&evidence.namespace);
    is_safe.then_some(others)
}

/// The command that adds a relabeling which drops the targets of these Services.
fn dropping(evidence: &Evidence, endpoint: Endpoint<'_>, services: &[&str]) -> Command {
    let drop = json!({
        "action": "drop",
        "sourceLabels": ["__meta_kubernetes_namespace", "__meta_kubernetes_service_name"],
        "separator": ";",
        "regex": format!("{};({})", evidence.namespace, services.join("|")),
    });
    let path = endpoint.path("relabelings");
    let added = if endpoint.spec()["relabelings"].is_array() {
        json!({"op": "add", "path": format!("{path}/-"), "value": drop})
    } else {
        json!({"op": "add", "path": path, "value": [drop]})
    };
    endpoint.patch([added])
}
