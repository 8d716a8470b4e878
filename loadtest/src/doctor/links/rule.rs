//! The adapter's rule for the metric, or KEDA's trigger.

mod listing;
mod query;
pub mod reach;
pub mod trigger;

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{Metric, Source, Subject};
use crate::doctor::facts::{early, intervals, server, values};
use crate::doctor::findings::rule::Config;
use crate::doctor::fixes::kubectl;
use crate::doctor::link::Link;
use crate::doctor::objects::titled;
use crate::doctor::status::{Finding, Status};
use crate::kube::read::Read;

pub fn check(evidence: &Evidence, subject: &Subject) -> Status {
    let Some(metric) = &subject.metric else {
        return Status::without_metric();
    };
    match metric.source {
        Source::Keda => trigger::check(evidence, subject, metric),
        Source::Adapter | Source::AdapterExternal | Source::Resource => adapter(evidence, subject, metric),
    }
}

fn adapter(evidence: &Evidence, subject: &Subject, metric: &Metric) -> Status {
    let deployment = match &evidence.server.deployment {
        Read::Seen(deployment) => deployment,
        Read::Unread(unread) => return Status::Unread(unread.clone()),
        Read::Absent | Read::NotAsked => {
            return Status::blocked(Link::ApiService, "the adapter is not known");
        }
    };
    if !server::serves(deployment, metric.source) {
        let title = server::title(metric.source);
        return Status::blocked(Link::ApiService, format!("{} is not {title}", titled(deployment)));
    }
    // The adapter's own answer proves that it has the rule, and reaches Prometheus.
    let works = values::works(evidence, subject) == Some(true);
    if !works && let Some(finding) = reach::adapter(evidence, deployment) {
        return Status::Broken(finding);
    }
    let config = match Config::of(evidence, deployment) {
        Ok(config) => config,
        Err(status) => return status,
    };
    if let Some(seconds) = config.older(evidence) {
        let seen = format!("the adapter started {seconds:.0} s before the last change of {}", titled(config.object));
        if works {
            return Status::Ok(format!("{seen}, and answers by its old rules"));
        }
        if server::rolls(evidence) {
            return Status::pending(timing::ADAPTER_RESTART, format!("{seen}, and is just being restarted"));
        }
        if listing::lists(evidence, metric) {
            return Status::blocked(Link::Answer, format!("{seen}, and lists the metric by its old rules"));
        }
        // An adapter that does not serve the API has no rule for it, and does not get one by waiting.
        if !server::answers_with_404(evidence)
            && let Some(wait) = early::listed_soon(evidence, subject)
        {
            return Status::Pending(wait.after(&seen));
        }
        let advice = "The adapter reads its rules only at startup. Restart it.";
        return Status::Broken(Finding::new(Cause::RuleAbsent, seen, advice, vec![kubectl::restart(deployment)]));
    }
    let rules = match config.rules(evidence) {
        Ok(rules) => rules,
        Err(status) => return status,
    };
    if !works && let Some(status) = listing::check(evidence, subject, metric, &config, &rules) {
        return status;
    }
    if let Some(status) = query::check(evidence, subject, metric, &config, works) {
        return status;
    }
    let query = subject.query.as_deref().unwrap_or("a rule makes the metric");
    let window = subject.window.zip(intervals::scrape(evidence));
    let window = window.map(|(window, scrape)| format!(", {:.0} scrapes in its window", window / scrape));
    Status::Ok(format!("{query}{}", window.unwrap_or_default()))
}
