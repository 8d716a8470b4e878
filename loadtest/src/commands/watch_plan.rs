//! What `run` watches, from the evidence.

use crate::autoscaling::predict;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::autoscaler::{Assumed, autoscaler};
use crate::doctor::facts::scaling_metric::{ScalingMetric, Source, is_watchable};
use crate::doctor::facts::trust::Trust;
use crate::doctor::facts::{pages, prometheus, requests};
use crate::doctor::objects::Hpa;
use crate::error::Error;
use crate::kube::read::Read;
use crate::observe::{Counter, Metric, Plan, Query};

/// The label selector of the pods that the HPA scales; an error says why nothing can be watched.
pub fn watched_pods(evidence: &Evidence) -> Result<String, Error> {
    let Evidence { namespace, name, .. } = evidence;
    let hpa = match &evidence.hpa {
        Read::Seen(hpa) => hpa,
        Read::Unread(unread) => {
            let why = unread.reason();
            return Err(Error::Environment(format!("the HPA {namespace}/{name} cannot be read: {why}")));
        }
        Read::Absent | Read::NotAsked => {
            return Err(Error::Usage(format!(
                "no HPA {name} in namespace {namespace} (there: none); kubectl get hpa -A lists all"
            )));
        }
    };
    is_watchable(evidence, ScalingMetric::of(evidence).metric.as_ref()).map_err(Error::Usage)?;
    requests::pods_or_why(evidence).map_err(|why| {
        let scaled = Hpa(hpa).scaled();
        Error::Environment(format!("{scaled} in namespace {namespace}, which the HPA scales: {why}"))
    })
}

/// The HPA's autoscaler, what had to be assumed of it, and what to watch.
pub fn watch_plan(evidence: &Evidence, trust: Trust) -> Result<(Assumed, Plan), Error> {
    let Evidence { namespace, name, .. } = evidence;
    let pods = watched_pods(evidence)?;
    let scaling = ScalingMetric::of(evidence);
    let settings = autoscaler(evidence, &scaling).map_err(Error::Usage)?;
    let counter = scaling
        .series_or_why()
        .map(|series| Counter { series: series.to_owned(), pages: pages::counter_at(evidence, series) });
    let window = settings.autoscaler.pipeline.window;
    let query = || prometheus::sum(evidence, &scaling, window);
    let metric = scaling.metric.as_ref().and_then(|metric| {
        let of_adapter = metric.source == Source::Adapter;
        let source = if of_adapter { predict::Source::Pods } else { predict::Source::External };
        Some(Metric { name: metric.name.clone(), source, path: requests::metric(evidence, &metric.spec)? })
    });
    let metric = metric.ok_or_else(|| Error::Usage(format!("HPA {namespace}/{name}: its metric has no address")))?;
    let plan = Plan {
        namespace: namespace.clone(),
        hpa: name.clone(),
        scaled: settings.autoscaler.scaled.clone(),
        pods,
        metric,
        counter,
        prometheus: prometheus::pods(evidence, trust).and_then(|pods| Ok(Query { pods, text: query()? })),
    };
    Ok((settings, plan))
}
