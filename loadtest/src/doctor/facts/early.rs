//! Why a value may be missing that will come.

use serde_json::Value;

use super::{intervals, server};
use crate::autoscaling::duration;
use crate::autoscaling::timing;
use crate::bounds::DAY;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::monitors::of_target;
use crate::doctor::facts::pods::{living, ready_for};
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::targets::{arrived, elsewhere, known, ours};
use crate::doctor::objects::{changed, name, text, titled};

/// Why something may be missing that will come, and how long that may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// The seconds to wait: whole ones, at least one and at most a day.
    pub seconds: f64,
    /// Why, in one line.
    pub why: String,
}

impl Wait {
    /// A wait of so many seconds more.
    pub fn new(seconds: f64, why: impl Into<String>) -> Self {
        Self { seconds: seconds.ceil().clamp(1.0, DAY), why: why.into() }
    }

    /// The same, with evidence in front.
    #[must_use]
    pub fn after(self, seen: &str) -> Self {
        Self { why: format!("{seen}; {}", self.why), ..self }
    }
}

/// Why an answer may be missing that will come.
pub fn too_early(evidence: &Evidence, scaling: &ScalingMetric) -> Option<Wait> {
    let wait = wait(evidence, scaling);
    if let Some(deployment) = evidence.server.deployment.seen().filter(|_| server::rolls(evidence)) {
        return Some(Wait::new(wait, format!("{} is just being changed", titled(deployment))));
    }
    if let Some((monitor, age)) = scraped_by(evidence, scaling).filter(|(_, age)| *age < timing::MONITOR_RELOAD + wait)
    {
        let monitor = titled(monitor);
        let why = format!("{monitor} was changed {age:.0} s ago, and Prometheus, its scrapes and a listing take time");
        return Some(Wait::new(timing::MONITOR_RELOAD + wait - age, why));
    }
    untargeted(evidence, scaling).map(|why| Wait::new(wait, why)).or_else(|| listed_soon(evidence, scaling))
}

/// Prometheus has no target to have the series from, or one of a monitor that is not there: it was made while all this was
/// read, or has just gone.
fn untargeted(evidence: &Evidence, scaling: &ScalingMetric) -> Option<String> {
    let replicas = &evidence.prometheus.replicas;
    if scaling.is_resource() || scaling.selector.is_none() || replicas.iter().all(|one| one.targets.seen().is_none()) {
        return None;
    }
    if !known(evidence, scaling) {
        let comes = arrived(evidence, scaling).is_some() || elsewhere(evidence, scaling).is_some();
        return (!comes).then(|| "Prometheus has no target to have the series from".to_owned());
    }
    evidence.monitors.seen()?;
    let gone = |target: &Value| {
        let job = text(target, "/scrapePool");
        let of_a_monitor = job.starts_with("serviceMonitor/") || job.starts_with("podMonitor/");
        (of_a_monitor && of_target(evidence, target).is_none()).then(|| job.to_owned())
    };
    let targets = replicas.iter().flat_map(|replica| ours(evidence, scaling, replica));
    let jobs: Option<Vec<String>> = targets.map(|(_, target)| gone(target)).collect();
    let job = jobs?.pop()?;
    Some(format!("Prometheus has targets of {job}, which is not there: it was made or deleted just now"))
}

/// The same, where Prometheus is known to scrape.
pub fn listed_soon(evidence: &Evidence, scaling: &ScalingMetric) -> Option<Wait> {
    unlisted(evidence, scaling).or_else(|| young(evidence, scaling, wait(evidence, scaling)))
}

/// Why Prometheus may have no series of the pods yet, whatever the adapter makes of them.
pub fn unscraped(evidence: &Evidence, scaling: &ScalingMetric) -> Option<Wait> {
    let replicas = evidence.prometheus.replicas.iter();
    if replicas.flat_map(|replica| ours(evidence, scaling, replica)).any(|(_, target)| target["health"] == "up") {
        return None;
    }
    young(evidence, scaling, first_value(evidence))
}

/// Why the server may not have listed the metric yet.
pub fn unlisted(evidence: &Evidence, scaling: &ScalingMetric) -> Option<Wait> {
    let wait = wait(evidence, scaling);
    let age = server::newest(evidence).filter(|age| *age < wait)?;
    let why = format!("its server started {age:.0} s ago, and lists its metrics every {wait:.0} s or so");
    Some(Wait::new(wait - age, why))
}

/// Seconds from a pod's being ready to a rate of two scrapes.
pub fn first_value(evidence: &Evidence) -> f64 {
    timing::DISCOVERY_AT_MOST
        + 2.0 * intervals::scrape(evidence).unwrap_or(timing::SCRAPE_INTERVAL)
        + timing::FIRST_RATE_SLACK
}

/// Seconds from a pod's being ready to its first value at the API.
fn wait(evidence: &Evidence, scaling: &ScalingMetric) -> f64 {
    if scaling.is_resource() {
        timing::RESOURCE_METRICS
    } else {
        first_value(evidence) + intervals::relist(evidence, scaling)
    }
}

/// No pod is ready for so long; for a metric of something else, only where one is ready at all.
fn young(evidence: &Evidence, scaling: &ScalingMetric, wait: f64) -> Option<Wait> {
    let Some(oldest) = living(evidence).filter_map(|pod| ready_for(evidence, pod)).reduce(f64::max) else {
        return scaling.is_of_pods().then(|| Wait::new(wait, "no pod is ready"));
    };
    let why = || format!("the first pod has been ready for {oldest:.0} s, and its first value may take {wait:.0} s");
    (oldest < wait).then(|| Wait::new(wait - oldest, why()))
}

/// The monitor that has Prometheus scrape the pods, and the seconds since it was last changed.
fn scraped_by<'a>(evidence: &'a Evidence, scaling: &ScalingMetric) -> Option<(&'a Value, f64)> {
    let targets = evidence.prometheus.replicas.iter().flat_map(|replica| ours(evidence, scaling, replica));
    let targets = targets.filter(|_| !scaling.is_resource());
    let mut monitors = targets.filter_map(|(_, target)| of_target(evidence, target));
    monitors.next().map(|(monitor, _)| (monitor, changed(monitor, evidence.taken)))
}

/// Whether the monitor that has Prometheus scrape the pods was changed so lately that a replica may not scrape by it yet:
/// each replica gets its configuration in its own time.
pub fn may_reload(evidence: &Evidence, scaling: &ScalingMetric) -> bool {
    scraped_by(evidence, scaling).is_some_and(|(_, changed)| changed < timing::MONITOR_RELOAD)
}

/// How long after a pod is ready its first scrapes are to be there, in seconds.
pub fn patience(evidence: &Evidence, scaling: &ScalingMetric) -> f64 {
    let targets = evidence.prometheus.replicas.iter().flat_map(|replica| ours(evidence, scaling, replica));
    let intervals = targets.filter_map(|(_, target)| duration::prometheus(target["scrapeInterval"].as_str()?));
    intervals.fold(timing::FIRST_SCRAPE, |patience, interval| patience.max(timing::FIRST_SCRAPE + 2.0 * interval))
}

/// The names of the pods that have been ready for so long that Prometheus must have them.
pub fn settled<'a>(evidence: &'a Evidence, scaling: &ScalingMetric) -> Vec<&'a str> {
    let patience = patience(evidence, scaling);
    let pods = evidence.pods.items().iter();
    pods.filter(|pod| ready_for(evidence, pod).is_some_and(|ready| ready > patience)).map(name).collect()
}

/// Seconds until Prometheus must have the pod that has been ready the longest; without a ready pod, for the whole time.
pub fn until_settled(evidence: &Evidence, scaling: &ScalingMetric) -> f64 {
    let ready = evidence.pods.items().iter().filter_map(|pod| ready_for(evidence, pod)).fold(0.0, f64::max);
    patience(evidence, scaling) - ready
}
