//! Whether the counter includes scrapes and probes.

use std::collections::{BTreeMap, BTreeSet};

use crate::autoscaling::duration;
use crate::autoscaling::exposition::series_of;
use crate::autoscaling::promql::is_plain_rate;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, Page};
use crate::doctor::facts::scaling_metric::{ScalingMetric, Source};
use crate::doctor::facts::targets::{labels_of, ours, taken};
use crate::doctor::findings::rule;
use crate::doctor::fixes::scaler;
use crate::doctor::objects::name;
use crate::doctor::status::Finding;

/// Labels that programs name a request's route with.
const ROUTES: [&str; 9] =
    ["path", "handler", "route", "uri", "url", "endpoint", "http_route", "http_target", "url_path"];

/// The share of the target that an idle pod may have without harm: the HPA's tolerance.
const HARMLESS: f64 = 0.1;

/// What the HPA's metric makes of requests that no client sends.
pub struct Share {
    /// The metric's target.
    pub target: f64,
    /// What one request a second is in the metric.
    per_second: f64,
}

impl Share {
    /// None where the counter's growth does not show what the query makes of it: of another function, or of two series.
    pub fn of(scaling: &ScalingMetric) -> Option<Self> {
        let target = scaling.metric.as_ref().map(|metric| metric.target).filter(|target| *target > 0.0)?;
        let query = scaling.query.as_deref().filter(|query| is_plain_rate(query))?;
        let per_second = if query.contains("increase") { scaling.window? } else { 1.0 };
        Some(Self { target, per_second })
    }

    /// Whether so many requests a second matter to the HPA.
    pub fn harms(&self, rate: f64) -> bool {
        rate * self.per_second / self.target >= HARMLESS
    }
}

/// Whether the counter grows by scrapes or probes, and by so much that it matters to the HPA.
pub fn scrapes_and_probes(
    evidence: &Evidence,
    scaling: &ScalingMetric,
    series: &str,
    pages: &[(&Page, &String)],
) -> Option<Finding> {
    let metric = scaling.metric.as_ref()?;
    let share = Share::of(scaling)?;
    let mut has_routes = false;
    let mut idle = Vec::new();
    for (page, _) in pages {
        let (Some(first), Some(second)) = (page.first.seen(), page.second.seen()) else { continue };
        let own = Own::of(evidence, scaling, page);
        let before: BTreeMap<&str, f64> = series_of(first, series).collect();
        let (mut all, mut harmful, mut routes) = (0.0, None, BTreeSet::new());
        for (labels, value) in taken(second, series, &scaling.matchers) {
            let grown = value - before.get(labels).copied().unwrap_or_default();
            all += grown;
            let Some((label, route)) = route(labels) else { continue };
            has_routes = true;
            let rate = own.rate_of(&route);
            if harmful.is_none() && grown > 0.0 && share.harms(rate) {
                harmful = Some((label, route.clone(), grown, rate));
            }
            if rate > 0.0 {
                routes.insert(route);
            }
        }
        let Some((label, route, grown, rate)) = harmful else {
            idle.push((*page, all, own.all()));
            continue;
        };
        let counted = format!("{series}{{{label}=\"{route}\"}}");
        let seen = grew(&counted, page, grown, "", rate, metric.target);
        let Some(matcher) = excluding(label, &routes) else {
            return Some(Finding::new(Cause::ProbesCounted, seen, COUNT_CLIENTS, None));
        };
        let commands = match metric.source {
            Source::Keda => scaler::narrowed(evidence, scaling, &matcher).into_iter().collect(),
            Source::Adapter => rule::narrowed(evidence, scaling, &matcher),
            _ => Vec::new(),
        };
        let advice = format!(
            "Count client requests only, or add `{matcher}` to the matchers of the rule's or the trigger's query."
        );
        return Some(Finding::new(Cause::ProbesCounted, seen, advice, commands));
    }
    // Without a route, the number shows it: every pod's counter grows by exactly its scrapes and probes. A single pod may
    // have as many requests by chance.
    let clients = evidence.load.seen().is_some();
    if has_routes || clients || idle.len() < 2 || !idle.iter().all(|(page, grown, own)| is_own(page, *grown, *own)) {
        return None;
    }
    let (page, grown, own) = idle[0];
    let seen = || grew(series, page, grown, ", as much as by its scrapes and probes", own, metric.target);
    share.harms(own).then(|| Finding::new(Cause::ProbesCounted, seen(), COUNT_CLIENTS, None))
}

/// What to do if no matcher excludes the requests.
const COUNT_CLIENTS: &str = "Count client requests only, without scrapes and probes. Or give the counter a label with the \
                             route, and exclude those routes in the query.";

/// The evidence that a counter grew by so much in a pod.
fn grew(counted: &str, page: &Page, grown: f64, by: &str, rate: f64, target: f64) -> String {
    let Page { pod, apart, .. } = page;
    format!("{counted} of pod {pod} grew by {grown} in {apart:.0} s{by}: {rate:.2} a second, with a target of {target}")
}

/// The matcher that excludes these routes; none if a route's name would have to be escaped.
fn excluding(label: &str, routes: &BTreeSet<String>) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-/".contains(c);
    let how = if routes.len() == 1 { "!=" } else { "!~" };
    let all = routes.iter().map(String::as_str).collect::<Vec<_>>().join("|");
    routes.iter().all(|route| route.chars().all(plain)).then(|| format!("{label}{how}\"{all}\""))
}

/// Whether a pod's counter grew by scrapes and probes alone, give or take one of each. The doctor's first reading is one.
fn is_own(page: &Page, grown: f64, own: f64) -> bool {
    let expected = own * page.apart;
    grown >= 3.0 && (grown - expected - 0.5).abs() <= 1.5
}

/// The label that names a series' route, and the route.
pub fn route(labels: &str) -> Option<(&'static str, String)> {
    let matchers = labels_of(labels);
    ROUTES.into_iter().find_map(|route| {
        let (.., value) = matchers.iter().find(|(label, ..)| label == route)?;
        Some((route, value.clone()))
    })
}

/// The scrapes and probes of a pod: each path, and its requests per second.
struct Own(Vec<(String, f64)>);

impl Own {
    fn of(evidence: &Evidence, scaling: &ScalingMetric, page: &Page) -> Self {
        let mut all = Vec::new();
        for replica in &evidence.prometheus.replicas {
            let targets = ours(evidence, scaling, replica);
            for (_, target) in targets.iter().filter(|(pod, _)| *pod == page.pod) {
                let interval = target["scrapeInterval"].as_str().and_then(duration::prometheus);
                all.extend(interval.map(|interval| (page.path.clone(), 1.0 / interval)));
            }
        }
        let pod = evidence.pods.items().iter().find(|pod| name(pod) == page.pod);
        let containers = pod.and_then(|pod| pod["spec"]["containers"].as_array()).into_iter().flatten();
        for probe in containers.flat_map(|container| [&container["readinessProbe"], &container["livenessProbe"]]) {
            if let Some(path) = probe["httpGet"]["path"].as_str() {
                let period = probe["periodSeconds"].as_f64().unwrap_or(10.0);
                all.push((path.to_owned(), 1.0 / period));
            }
        }
        Self(all)
    }

    /// Requests per second of a route, which programs name by its path or similarly. Clients request `/` too, so it has none.
    fn rate_of(&self, route: &str) -> f64 {
        let plain = |text: &str| text.trim_matches('/').to_lowercase();
        let same = |path: &&(String, f64)| !plain(&path.0).is_empty() && plain(&path.0) == plain(route);
        self.0.iter().filter(same).map(|(_, rate)| rate).sum()
    }

    fn all(&self) -> f64 {
        self.0.iter().map(|(_, rate)| rate).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_read_from_the_labels() {
        assert_eq!(route(r#"method="GET",handler="/metrics",code="200""#), Some(("handler", "/metrics".to_owned())));
        assert_eq!(route(r#"status="200""#), None);
        assert_eq!(route(""), None);
    }

    #[test]
    fn a_route_is_a_path_or_a_similar_name() {
        let own = Own(vec![("/metrics".to_owned(), 0.4), ("/healthz".to_owned(), 0.1), ("/".to_owned(), 9.0)]);
        assert!(
            [("metrics", 0.4), ("/Metrics", 0.4), ("healthz", 0.1), ("/", 0.0), ("root", 0.0)]
                .iter()
                .all(|(route, rate)| (own.rate_of(route) - rate).abs() < 1e-9)
        );
    }

    #[test]
    fn additional_requests_are_those_of_clients() {
        let page = Page { apart: 6.0, ..Page::default() };
        assert!(is_own(&page, 7.0, 1.0) && is_own(&page, 6.0, 1.0));
        assert!(!is_own(&page, 12.0, 1.0) && !is_own(&page, 0.0, 1.0) && !is_own(&page, 2.0, 0.3));
    }
}
