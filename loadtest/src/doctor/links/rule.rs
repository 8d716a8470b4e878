//! The adapter's rule for the metric, or KEDA's trigger.

mod listing;
mod query;
mod reach;
mod scaled_object;
mod trigger;

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{Metric, ScalingMetric, Source};
use crate::doctor::facts::{early, intervals, server, values};
use crate::doctor::findings::rule::Config;
use crate::doctor::fixes::{Command, kubectl};
use crate::doctor::link::Link;
use crate::doctor::objects::titled;
use crate::doctor::status::{Checked, Finding, Status};

pub fn check(evidence: &Evidence, scaling: &ScalingMetric) -> Checked {
    scaled_object::check(evidence, scaling)?;
    let metric = scaling.metric.as_ref().ok_or_else(Status::without_metric)?;
    match metric.source {
        Source::Keda => trigger::check(evidence, scaling, metric),
        Source::Adapter | Source::AdapterExternal => adapter(evidence, scaling, metric),
        Source::Resource => Err(Status::NotApplicable(format!("{} comes from metrics.k8s.io", metric.name))),
    }
}

fn adapter(evidence: &Evidence, scaling: &ScalingMetric, metric: &Metric) -> Checked {
    let deployment =
        Status::require(&evidence.server.deployment, || Status::blocked(Link::ApiService, "the adapter is not known"))?;
    if !server::serves(deployment, metric.source) {
        let title = server::title(metric.source);
        return Err(Status::blocked(Link::ApiService, format!("{} is not {title}", titled(deployment))));
    }
    // The adapter's answer proves that it has the rule, and reaches Prometheus.
    let works = values::works(evidence, scaling) == Some(true);
    if !works {
        Status::stop(reach::adapter(evidence, deployment))?;
    }
    let config = Config::of(evidence, deployment)?;
    if let Some(seconds) = config.older(evidence) {
        let seen = format!("the adapter started {seconds:.0} s before the last change of {}", titled(config.object));
        if works {
            return Ok(format!("{seen}, and answers by its old rules"));
        }
        if server::rolls(evidence) {
            return Err(Status::pending(timing::ADAPTER_RESTART, format!("{seen}, and is just being restarted")));
        }
        if listing::lists(evidence, metric) {
            return Err(Status::blocked(Link::Answer, format!("{seen}, and lists the metric by its old rules")));
        }
        // An adapter that does not serve the API has no rule for it, and waiting does not change that.
        if !server::answers_with_404(evidence) {
            Status::stop(early::listed_soon(evidence, scaling).map(|wait| wait.after(&seen)))?;
        }
        let advice = "The adapter reads its rules only at startup. Restart it.";
        return Err(Finding::new(Cause::RuleAbsent, seen, advice, [kubectl::restart(deployment)]).into());
    }
    let rules = config.rules(evidence)?;
    if !works {
        listing::check(evidence, scaling, metric, &config, &rules)?;
    }
    Status::stop(query::check(evidence, scaling, metric, &config, works))?;
    Ok(with_window(evidence, scaling, scaling.query.as_deref().unwrap_or("a rule makes the metric")))
}

/// A query, with the number of scrapes in its window.
fn with_window(evidence: &Evidence, scaling: &ScalingMetric, query: &str) -> String {
    let window = scaling.window.zip(intervals::scrape(evidence));
    let window = window.map(|(window, scrape)| format!(", {:.0} scrapes in its window", window / scrape));
    format!("{query}{}", window.unwrap_or_default())
}

/// Why Prometheus refuses a query, in its own words; none if a replica answers it.
fn refusal<'a>(evidence: &'a Evidence, query: &str) -> Option<&'a str> {
    let mut answers = evidence.prometheus.replicas.iter().filter_map(|replica| replica.queries.get(query)).peekable();
    let first = answers.peek()?.unread()?.why.as_str();
    let is_refused = |why: &str| why.starts_with("400") || why.starts_with("422");
    answers.all(|answer| answer.unread().is_some_and(|unread| is_refused(&unread.why))).then_some(first)
}

/// A query whose window is shorter than two scrapes has no rate.
fn short_window<C: IntoIterator<Item = Command>>(
    evidence: &Evidence,
    query: &str,
    place: &str,
    widened: impl FnOnce(&str, &str) -> C,
) -> Option<Finding> {
    let (range, window, scrape) = intervals::short_range(evidence, query)?;
    let seen = format!("{place}: a window of {window} s, and a scrape every {scrape} s");
    let advice = format!("Widen the window to four scrapes ({} s), or scrape more often.", 4.0 * scrape);
    let commands = widened(&range, &format!("[{}s]", 4.0 * scrape));
    Some(Finding::new(Cause::WindowTooShort, seen, advice, commands))
}
