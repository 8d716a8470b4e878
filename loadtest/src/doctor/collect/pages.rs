//! The pods' own pages of metrics, where their monitor says that they are, or where they are instead.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::autoscaling::exposition::{few_of_each, series_of};
use crate::autoscaling::timing;
use crate::doctor::evidence::{Evidence, Page, Server};
use crate::doctor::facts::pages::{PATH, served_at};
use crate::doctor::facts::pods::in_front;
use crate::doctor::facts::ports;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::objects::{Pod, Service, is_ready, labels, name};
use crate::kube::Failure;
use crate::kube::pod_http::{Place, PodPage, UNREACHED};
use crate::kube::prometheus::MOST;
use crate::kube::read::{Read, Unread};
use crate::kube::reader::Reader;

/// The most pods that are read.
const PODS: usize = 5;

/// The most other places where a page is looked for, each of which may take its time.
const TRIES: usize = 8;

/// A port, a path, and whether TLS is spoken there.
type At = (u16, String, bool);

/// The pages of the pods that run, the ready ones first.
pub async fn pages(reader: &Reader, evidence: &Evidence) -> Vec<Page> {
    let mut running: Vec<_> = evidence.pods.items().iter().filter(|pod| Pod(pod).is_running()).collect();
    running.sort_by_key(|pod| !is_ready(pod));
    let places = running.into_iter().map(|pod| (pod, where_of(evidence, pod))).filter(|(_, places)| !places.is_empty());
    join_all(places.take(PODS).map(|(pod, places)| page(reader, evidence, pod, places))).await
}

/// A pod's page at the places where the monitors scrape it: the one with the counter. If none of them has a page, other
/// places are tried.
async fn page(reader: &Reader, evidence: &Evidence, pod: &Value, told: Vec<At>) -> Page {
    let read = async |(port, path, tls): &At| {
        let place = Place { namespace: evidence.namespace.clone(), pod: name(pod).to_owned(), port: *port, tls: *tls };
        let begun = Instant::now();
        let what = format!("{path} of pod {}, port {port}", place.pod);
        (few(evidence, place.read(reader, path, &what).await, &what), begun)
    };
    let mut told = told.into_iter();
    let mut at = told.next().expect("a pod without a place for its page is left out");
    let (mut first, mut begun) = read(&at).await;
    if !has_counter(evidence, &first) {
        let unasked = |place: &At| !told.as_slice().contains(place);
        let others = elsewhere(evidence, pod, &at).into_iter().filter(|_| is_not_there(&first)).filter(unasked);
        let others: Vec<At> = told.as_slice().iter().cloned().chain(others).collect();
        for other in others.into_iter().take(TRIES) {
            let (found, then) = read(&other).await;
            if has_counter(evidence, &found) {
                (first, begun, at) = (found, then, other);
                break;
            }
        }
    }
    let mut page = Page { pod: name(pod).to_owned(), port: at.0, path: at.1.clone(), first, ..Page::default() };
    // Where it cannot be read once, it is not worth waiting for.
    if page.first.seen().is_some() {
        tokio::time::sleep_until(begun + timing::PAGE_GAP).await;
        let (second, again) = read(&at).await;
        (page.second, page.apart) = (second, (again - begun).as_secs_f64());
    }
    page
}

/// A page without what nobody judges; one with more series of the counter than are read is not read.
fn few(evidence: &Evidence, read: Read<String>, what: &str) -> Read<String> {
    let Read::Seen(whole) = read else { return read };
    let page = few_of_each(&whole, MOST);
    match counter(evidence, &page) {
        Some(counter) if series_of(&page, &counter).nth(MOST).is_some() => {
            let excess = Failure::Excess(format!("has more than {MOST} series of {counter}"));
            Read::failed(what, &excess)
        }
        _ => Read::Seen(page),
    }
}

/// Whether a page has what the metric is made of; a rule may take any series of a page.
fn has_counter(evidence: &Evidence, read: &Read<String>) -> bool {
    let Some(text) = read.seen() else { return false };
    counter(evidence, text).is_some_and(|counter| series_of(text, &counter).next().is_some())
}

/// The counter that the metric is made of, if this is a page of its pods.
fn counter(evidence: &Evidence, text: &str) -> Option<String> {
    let pages = vec![Page { first: Read::Seen(text.to_owned()), ..Page::default() }];
    // What tells the counter, and no more: pods may be many.
    let of_page = Evidence {
        namespace: evidence.namespace.clone(),
        hpa: evidence.hpa.clone(),
        scaled_object: evidence.scaled_object.clone(),
        resources: evidence.resources.clone(),
        server: Server { config: evidence.server.config.clone(), ..Server::default() },
        pages,
        ..Evidence::default()
    };
    ScalingMetric::of(&of_page).series
}

/// Whether the pod has answered that there is no page here, or nobody listens.
fn is_not_there(read: &Read<String>) -> bool {
    read.unread().is_some_and(|Unread { why, right, .. }| {
        // What refuses us, or wants TLS, is a page.
        let answered = why.starts_with("404") && !why.contains(UNREACHED);
        right.is_none() && (answered || why.contains("connection refused"))
    })
}

/// Where else the page may be: at the ports that Services lead to and that containers declare, at the usual path and at
/// the one that was told.
fn elsewhere(evidence: &Evidence, pod: &Value, told: &At) -> Vec<At> {
    let (port, path, tls) = told;
    let served = in_front(evidence, labels(pod)).flat_map(|service| led_to(service, pod));
    let mut places = Vec::new();
    for port in [*port].into_iter().chain(served).chain(ports::numbers(pod)) {
        for path in [PATH, path] {
            let place = (port, path.to_owned(), *tls);
            if place != *told && !places.contains(&place) {
                places.push(place);
            }
        }
    }
    places
}

/// Ports, paths and whether it is TLS: as the monitors that select the pod say; else the first that the Services or the pod
/// itself have.
fn where_of(evidence: &Evidence, pod: &Value) -> Vec<At> {
    let places = served_at(evidence, labels(pod)).into_iter();
    let here = places.filter_map(|PodPage { port, path, tls }| Some((ports::of_pod(pod, &json!(port))?, path, tls)));
    let own = ports::numbers(pod).map(|port| (port, PATH.to_owned(), false));
    let mut all: Vec<At> = Vec::new();
    for place in here.chain(own) {
        if !all.contains(&place) {
            all.push(place);
        }
    }
    all
}

/// The pod's ports that a Service leads to.
fn led_to<'a>(service: &'a Value, pod: &'a Value) -> impl Iterator<Item = u16> + 'a {
    Service(service).ports().iter().filter_map(|port| ports::of_service(pod, port))
}
