//! Why the metric's counter is not known.

use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{ScalingMetric, Source};
use crate::doctor::fixes::scaler::trigger;
use crate::doctor::link::Link;
use crate::doctor::objects::{text, titled};
use crate::doctor::status::{Input, Status};

/// The status of a link that checks the counter, if no counter is known.
pub fn check(evidence: &Evidence, scaling: &ScalingMetric) -> Status {
    let Some(metric) = &scaling.metric else { return Status::without_metric() };
    if let Some(object) = evidence.scaled_object.seen().filter(|_| metric.source == Source::Keda)
        && let Some(trigger) = trigger(object, metric)
        && text(trigger.spec, "/type") != "prometheus"
    {
        let why = format!("{}: trigger {} does not query Prometheus", titled(object), trigger.place);
        return Status::NotApplicable(why);
    }
    match &scaling.query {
        Some(query) => Status::missing(Input::Counter, format!("{query} names no counter")),
        None => Status::blocked(Link::Rule, "the counter of the metric is not known"),
    }
}
