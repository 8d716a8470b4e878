//! The adapter's rule for the metric; with KEDA, the trigger stands in its place.

mod config;
mod listing;
mod query;
pub mod reach;

use super::objects::titled;
use super::subject::{Metric, Source, Subject};
use super::{answer, api_service, pace, reading, server, trigger};
use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::{Finding, Judgement};
use crate::doctor::evidence::{Evidence, Read};
use crate::doctor::fixes::Command;
use config::Config;

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
    let works = reading::works(evidence, subject) == Some(true);
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
        if !api_service::answers_with_404(evidence)
            && let Some(why) = answer::listed_soon(evidence, subject)
        {
            return Judgement::NotJudged(format!("{seen}; {why}"));
        }
        let advice = "The adapter reads its rules when it starts, and only then: restart it.";
        return Judgement::Broken(Finding::new(Cause::RuleAbsent, seen, advice, vec![server::restart(deployment)]));
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
    let window = subject.window.zip(pace::scrape(evidence));
    let window = window.map(|(window, scrape)| format!(", {:.0} scrapes in its window", window / scrape));
    Judgement::Holds(format!("{query}{}", window.unwrap_or_default()))
}

/// The adapter's configuration, and the metric that it makes.
fn of_adapter<'a>(evidence: &'a Evidence, subject: &'a Subject) -> Option<(Config<'a>, &'a Metric)> {
    let metric = subject.metric.as_ref().filter(|metric| metric.source == Source::Adapter)?;
    Some((Config::of(evidence, evidence.server.deployment.seen()?).ok()?, metric))
}

/// What has the adapter make the metric by the labels that tell the namespace and the pod.
pub fn by_labels(evidence: &Evidence, subject: &Subject, [namespace, pod]: &[String; 2]) -> Vec<Command> {
    let Some(((config, metric), series)) = of_adapter(evidence, subject).zip(subject.series.as_deref()) else {
        return Vec::new();
    };
    // Of several rules that list it the last counts, and this one would be the first.
    if config.rules(evidence).is_ok_and(|rules| listing::has_rule(evidence, rules.custom(), &metric.name)) {
        return Vec::new();
    }
    config.added(listing::rule_for(evidence, series, &metric.name, [namespace, pod]).as_deref())
}

/// What has the adapter read only the series that this matcher takes as well.
pub fn narrowed(evidence: &Evidence, subject: &Subject, matcher: &str) -> Vec<Command> {
    const MATCHERS: &str = "<<.LabelMatchers>>";
    let Some(((config, _), rule)) = of_adapter(evidence, subject).zip(subject.rule) else { return Vec::new() };
    let Some(written) = config.field(rule, "/metricsQuery") else { return Vec::new() };
    // Whichever quotes are none of the document's own there.
    let matchers = [matcher.to_owned(), matcher.replace('"', "'")];
    let queries = matchers.map(|matcher| written.replace(MATCHERS, &format!("{MATCHERS},{matcher}")));
    let commands = queries.iter().map(|query| config.set(rule, "/metricsQuery", query));
    commands.into_iter().find(|commands| !commands.is_empty()).unwrap_or_default()
}
