//! Reduces the evidence to what a judge reads, before it is judged or written: fields by name (`redact/kept.txt`), and texts
//! without their secrets ([`shopfront::redact`]).

mod places;
mod table;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::doctor::evidence::{Evidence, Page, Prometheus, Replica, Server};
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::subjects;
use crate::kube::read::{Read, Unread};
use crate::kube::words::LEFT_OUT;
use table::kept;

/// The maximum length of a text in bytes. A longer text is cut to half of it; messages and log lines are shorter.
const LONGEST: usize = 16 << 10;

/// The part of the evidence that judges read. A new field is not kept until it is named here.
pub fn redacted(evidence: &Evidence) -> Evidence {
    let others = subjects::others(evidence).into_iter().map(|subject| subject.scaling);
    let series = [ScalingMetric::of(evidence)].into_iter().chain(others).filter_map(|scaling| scaling.series);
    let series: Vec<String> = series.collect();
    let of = |kind: &'static str| move |object: &Value| places::kept_of(kind, object);
    let mut redacted = Evidence {
        version: evidence.version.clone(),
        taken: evidence.taken,
        kubernetes: one(&evidence.kubernetes, Clone::clone),
        namespace: evidence.namespace.clone(),
        name: evidence.name.clone(),
        autoscaling: one(&evidence.autoscaling, Clone::clone),
        resources: one(&evidence.resources, Clone::clone),
        hpa: one(&evidence.hpa, of("HorizontalPodAutoscaler")),
        hpas: all(&evidence.hpas, of("HorizontalPodAutoscaler")),
        scaled_object: one(&evidence.scaled_object, places::scaled_object),
        workload: one(&evidence.workload, of("Workload")),
        elsewhere: evidence.elsewhere.clone(),
        namesake: one(&evidence.namesake, of("Workload")),
        scale: one(&evidence.scale, of("Scale")),
        pods: all(&evidence.pods, places::pod),
        services: all(&evidence.services, of("Service")),
        ingresses: all(&evidence.ingresses, of("Ingress")),
        events: all(&evidence.events, places::event),
        own_namespace: one(&evidence.own_namespace, of("Namespace")),
        monitors: all(&evidence.monitors, of("Monitor")),
        prometheuses: all(&evidence.prometheuses, of("Prometheus")),
        pages: evidence.pages.iter().map(|page| page_of(page, &series)).collect(),
        prometheus: prometheus(&evidence.prometheus),
        server: server(&evidence.server),
        servers: evidence.servers.iter().map(|(group, read)| (group.clone(), server(read))).collect(),
        answers: BTreeMap::new(),
        access: evidence.access.iter().map(|(question, read)| (question.clone(), one(read, |is| *is))).collect(),
        load: one(&evidence.load, Clone::clone),
    };
    redacted.answers = places::answers(evidence, &redacted);
    redacted
}

/// A text without its secrets, of a bounded length.
fn told(text: &str) -> String {
    if text.len() <= LONGEST {
        return shopfront::redact::text(text, LEFT_OUT);
    }
    // Cut between words: half a credential would not be known for one.
    let cut = &text[..text.floor_char_boundary(LONGEST / 2)];
    shopfront::redact::text(&cut[..cut.rfind(char::is_whitespace).unwrap_or(0)], LEFT_OUT) + LEFT_OUT
}

/// The address of Prometheus. Outside of the cluster its path may be what grants access, and no judge reads it there.
fn address(url: &str) -> String {
    let url = told(url);
    let Some((scheme, rest)) = url.split_once("://") else { return url };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once(':').map_or(authority, |(host, _port)| host);
    let is_address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
    let is_of_cluster = is_address || host.split('.').nth(2).is_none_or(|label| label == "svc");
    let is_kept = is_of_cluster || path.trim_matches('/').is_empty();
    if is_kept { url } else { format!("{scheme}://{authority}/{LEFT_OUT}") }
}

fn one<T, U>(read: &Read<T>, kept: impl FnOnce(&T) -> U) -> Read<U> {
    match read {
        Read::Seen(seen) => Read::Seen(kept(seen)),
        Read::Absent => Read::Absent,
        Read::NotAsked => Read::NotAsked,
        Read::Unread(Unread { what, why, right }) => {
            Read::Unread(Unread { what: told(what), why: told(why), right: right.clone() })
        }
    }
}

fn all<T, U>(read: &Read<Vec<T>>, kept: impl FnMut(&T) -> U) -> Read<Vec<U>> {
    one(read, |all| all.iter().map(kept).collect())
}

fn page_of(page: &Page, series: &[String]) -> Page {
    let Page { pod, port, path, first, second, apart } = page;
    let judged = |text: &String| places::page(text, series);
    let path = path.split('?').next().unwrap_or_default();
    let (first, second) = (one(first, judged), one(second, judged));
    Page { pod: pod.clone(), port: *port, path: told(path), first, second, apart: *apart }
}

fn prometheus(prometheus: &Prometheus) -> Prometheus {
    let Prometheus { url, service, pods, replicas, policies, services } = prometheus;
    Prometheus {
        url: one(url, |url| address(url)),
        service: one(service, |service| kept("Service", service)),
        pods: all(pods, |pod| kept("Pod", pod)),
        replicas: replicas.iter().map(replica).collect(),
        policies: all(policies, |policy| kept("NetworkPolicy", policy)),
        services: all(services, |service| kept("Service", service)),
    }
}

/// A judge finds a query's answer by the query's text, which it derives from redacted objects. So keys are redacted too.
fn replica(replica: &Replica) -> Replica {
    let Replica { pod, ready, unprefixed, targets, queries, series } = replica;
    let samples = |read| all(read, |sample| kept("Sample", sample));
    Replica {
        pod: pod.clone(),
        ready: one(ready, |ready| *ready),
        unprefixed: *unprefixed,
        targets: all(targets, |target| kept("ScrapeTarget", target)),
        queries: queries.iter().map(|(query, read)| (told(query), samples(read))).collect(),
        series: series.iter().map(|(matcher, read)| (told(matcher), all(read, places::labels))).collect(),
    }
}

fn server(server: &Server) -> Server {
    let Server { api_service, service, deployment, pods, config, log, candidates } = server;
    Server {
        api_service: one(api_service, |api| kept("APIService", api)),
        service: one(service, |service| kept("Service", service)),
        deployment: one(deployment, places::server),
        pods: all(pods, |pod| kept("Pod", pod)),
        config: one(config, places::config),
        log: one(log, |log| places::log(log)),
        candidates: all(candidates, |service| kept("Service", service)),
    }
}
