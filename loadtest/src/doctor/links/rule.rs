//! The adapter's rule for the metric; with KEDA, the trigger stands in its place.

mod listing;
mod query;
pub mod reach;
pub mod trigger;

use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::{Finding, Judgement};
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{Metric, Source, Subject};
use crate::doctor::facts::{early, intervals, server, values};
use crate::doctor::fixes::kubectl;
use crate::doctor::fixes::rule::Config;
use crate::doctor::objects::titled;
use crate::kube::read::Read;

pub fn judge(evidence: &Evidence, subject: &Subject) -> Judgement {
    let Some(metric) = &subject.metric else {
        return Judgement::NotJudged("there is no HPA with a metric".to_owned());
    };
    match metric.source {
        Source::Resource => Judgement::Holds(format!("none is needed for {}", metric.name)),
        Source::Keda => trigger::judge(evidence, subject, metric),
        Source::Adapter | Source::AdapterExternal => adapter(evidence, subject, metric),
    }
}

fn adapter(evidence: &Evidence, subject: &Subject, metric: &Metric) -> Judgement {
    let deployment = match &evidence.server.deployment {
        Read::Seen(deployment) => deployment,
        Read::Unread(unread) => return Judgement::Unread(unread.clone()),
        Read::Absent | Read::NotAsked => {
            return Judgement::NotJudged("which adapter is meant is not known: see the APIService".to_owned());
        }
    };
    if !server::serves(deployment, metric.source) {
        let title = server::title(metric.source);
        return Judgement::NotJudged(format!("{} is not {title}: see the APIService", titled(deployment)));
    }
    // The adapter's own answer is the proof that it has the rule, and reaches Prometheus.
    let works = values::works(evidence, subject) == Some(true);
    if !works && let Some(finding) = reach::adapter(evidence, deployment) {
        return Judgement::Broken(finding);
    }
    let config = match Config::of(evidence, deployment) {
        Ok(config) => config,
        Err(judgement) => return judgement,
    };
    if let Some(seconds) = config.older(evidence) {
        let seen = format!("the adapter runs since {seconds:.0} s before the last change of {}", titled(config.object));
        if works {
            return Judgement::Holds(format!("{seen}, and answers by the rules of before"));
        }
        if server::rolls(evidence) {
            return Judgement::NotJudged(format!("{seen}, and is just being restarted"));
        }
        if listing::lists(evidence, metric) {
            return Judgement::NotJudged(format!("{seen}, and lists the metric by the rules of before"));
        }
        // An adapter that serves no such API has no rule for one, and no listing brings it any.
        if !server::answers_with_404(evidence)
            && let Some(why) = early::listed_soon(evidence, subject)
        {
            return Judgement::NotJudged(format!("{seen}; {why}"));
        }
        let advice = "The adapter reads its rules when it starts, and only then: restart it.";
        return Judgement::Broken(Finding::new(Cause::RuleAbsent, seen, advice, vec![kubectl::restart(deployment)]));
    }
    let rules = match config.rules(evidence) {
        Ok(rules) => rules,
        Err(judgement) => return judgement,
    };
    if !works && let Some(judgement) = listing::judge(evidence, subject, metric, &config, &rules) {
        return judgement;
    }
    if let Some(judgement) = query::judge(evidence, subject, metric, &config, works) {
        return judgement;
    }
    let query = subject.query.as_deref().unwrap_or("a rule makes the metric");
    let window = subject.window.zip(intervals::scrape(evidence));
    let window = window.map(|(window, scrape)| format!(", {:.0} scrapes in its window", window / scrape));
    Judgement::Holds(format!("{query}{}", window.unwrap_or_default()))
}
