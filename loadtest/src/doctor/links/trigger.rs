//! The `ScaledObject`'s trigger: KEDA's side of what a rule is to the adapter.

mod blocked;

use serde_json::{Value, json};

use super::fields::{list, living, ready_for, text};
use super::objects::{patch, titled};
use super::pace;
use super::rule::reach;
use super::subject::{Metric, Subject};
use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::{Finding, Judgement};
use crate::doctor::evidence::{Evidence, Read};

/// A trigger, and its place in the `ScaledObject`.
pub struct Trigger<'a> {
    pub object: &'a Value,
    pub place: usize,
    pub spec: &'a Value,
}

impl Trigger<'_> {
    /// A field of its `metadata`.
    fn field(&self, name: &str) -> &str {
        text(self.spec, &format!("/metadata/{name}"))
    }

    /// The command that sets fields of its `metadata`.
    fn with(&self, fields: &[(&str, &str)]) -> String {
        let path = |name: &str| format!("/spec/triggers/{}/metadata/{name}", self.place);
        // An add replaces what is there.
        let operations = fields.iter().map(|(name, value)| json!({"op": "add", "path": path(name), "value": value}));
        patch(self.object, &operations.collect())
    }
}

pub fn judge(evidence: &Evidence, subject: &Subject, metric: &Metric) -> Judgement {
    let object = match &evidence.scaled_object {
        Read::Seen(object) => object,
        Read::Unread(unread) => return Judgement::Unread(unread.clone()),
        Read::Absent | Read::NotAsked => return Judgement::NotJudged("there is no ScaledObject".to_owned()),
    };
    let Some(trigger) = trigger(object, metric) else {
        return Judgement::NotJudged(format!("{}: no trigger makes {}", titled(object), metric.name));
    };
    let kind = text(trigger.spec, "/type");
    if kind != "prometheus" {
        return blocked::judge(evidence, subject, &trigger).unwrap_or_else(|| {
            Judgement::Holds(format!("trigger {}: {kind}, which is not Prometheus'", trigger.place))
        });
    }
    if let Some(why) = reach::wrong(evidence) {
        return Judgement::Broken(unreachable(evidence, &trigger, &why));
    }
    if let Some(judgement) = blocked::refused(evidence, &trigger) {
        return judgement;
    }
    if let Some(finding) = short_window(evidence, subject, &trigger) {
        return Judgement::Broken(finding);
    }
    if let Some(judgement) = result(evidence, subject, metric, &trigger) {
        return judgement;
    }
    blocked::judge(evidence, subject, &trigger).unwrap_or_else(|| {
        let window = subject.window.zip(pace::scrape(evidence));
        let window = window.map(|(window, scrape)| format!(", {:.0} scrapes in its window", window / scrape));
        Judgement::Holds(format!("{}{}", trigger.field("query"), window.unwrap_or_default()))
    })
}

/// KEDA names a metric after its trigger: `s0-prometheus` is the first.
fn trigger<'a>(object: &'a Value, metric: &Metric) -> Option<Trigger<'a>> {
    let place: usize = metric.name.strip_prefix('s')?.split('-').next()?.parse().ok()?;
    list(object, "/spec/triggers").get(place).map(|spec| Trigger { object, place, spec })
}

fn unreachable(evidence: &Evidence, trigger: &Trigger<'_>, why: &str) -> Finding {
    let (object, place) = (titled(trigger.object), trigger.place);
    let seen =
        format!("{object}: triggers[{place}].metadata.serverAddress is {}; {why}", trigger.field("serverAddress"));
    let command = reach::right(evidence).map(|url| trigger.with(&[("serverAddress", &url)]));
    let advice = "Set the address to Prometheus' Service and port.";
    Finding::new(Cause::PrometheusUnreachable, seen, advice, command.into_iter().collect())
}

fn short_window(evidence: &Evidence, subject: &Subject, trigger: &Trigger<'_>) -> Option<Finding> {
    let (window, scrape) = (subject.window?, pace::scrape(evidence)?);
    if window >= 2.0 * scrape {
        return None;
    }
    let query = trigger.field("query");
    let range = query.split('[').nth(1)?.split(']').next()?;
    let wide = query.replace(&format!("[{range}]"), &format!("[{}s]", 4.0 * scrape));
    let (object, place) = (titled(trigger.object), trigger.place);
    let seen = format!("{object}: triggers[{place}]: a window of {window} s, and a scrape each {scrape} s");
    let advice = format!("Widen the window to four scrapes, {} s, or scrape more often.", 4.0 * scrape);
    Some(Finding::new(Cause::WindowTooShort, seen, advice, vec![trigger.with(&[("query", &wide)])]))
}

/// What Prometheus answers to the trigger's query: one number is as it should be.
fn result(evidence: &Evidence, subject: &Subject, metric: &Metric, trigger: &Trigger<'_>) -> Option<Judgement> {
    let query = trigger.field("query");
    let replicas = evidence.prometheus.replicas.iter();
    let results = replicas.filter_map(|replica| replica.queries.get(query)?.seen()).collect::<Vec<_>>();
    let (object, place) = (titled(trigger.object), trigger.place);
    let seen = |what: &str| format!("{object}: triggers[{place}].metadata.query {query} results in {what}");
    if let Some(several) = results.iter().find(|result| result.len() > 1) {
        let seen = seen(&format!("{} series: KEDA takes one", several.len()));
        let advice = "Make the query one sum over all pods: the HPA divides it by their number.";
        let commands = vec![trigger.with(&[("query", &format!("sum({query})"))])];
        return Some(Judgement::Broken(Finding::new(Cause::SeveralSeries, seen, advice, commands)));
    }
    if let Some(summed) = summed(query).filter(|_| averaged(metric)) {
        let seen = seen("an average, which the HPA divides by the number of pods once more");
        let advice = "Make the query a sum over all pods, or have the trigger's metricType be Value.";
        return Some(Judgement::Broken(Finding::new(
            Cause::SeveralSeries,
            seen,
            advice,
            vec![trigger.with(&[("query", &summed)])],
        )));
    }
    // Where any replica has a number, the other's gap is another link's.
    let bad = |result: &&Vec<Value>| result.first().is_none_or(is_nan);
    if results.is_empty() || !results.iter().all(bad) {
        return None;
    }
    let what = if results[0].is_empty() { "nothing" } else { "NaN" };
    let wait = 2.0 * pace::scrape(evidence).unwrap_or(30.0) + 10.0;
    if living(evidence).all(|pod| ready_for(evidence, pod).is_none_or(|age| age < wait)) {
        return Some(Judgement::NotJudged(format!("{}; no pod is ready for two scrapes yet", seen(what))));
    }
    let silent = trigger.field("ignoreNullValues") != "false";
    let reads = if silent { "KEDA reads that as 0" } else { "KEDA takes that for an error" };
    let advice = "Have the query answer with one number, also when nothing happens; with ignoreNullValues \"false\" an \
                  empty answer is an error, and no reason to scale in.";
    let command = subject.series.as_ref().map(|series| {
        let window = subject.window.unwrap_or(4.0 * pace::scrape(evidence).unwrap_or(30.0));
        let sum = format!("sum(rate({series}{{namespace=\"{}\"}}[{window:.0}s]))", evidence.namespace);
        trigger.with(&[("query", &sum), ("ignoreNullValues", "false")])
    });
    let seen = format!("{}: {reads}", seen(what));
    Some(Judgement::Broken(Finding::new(Cause::EmptyReadAsZero, seen, advice, command.into_iter().collect())))
}

fn is_nan(sample: &Value) -> bool {
    sample.pointer("/value/1").is_some_and(|value| value == "NaN")
}

/// Whether the HPA divides what it reads by the number of pods.
fn averaged(metric: &Metric) -> bool {
    text(&metric.spec, "/external/target/type") != "Value"
}

/// The sum in the place of an average; none where the query is none.
fn summed(query: &str) -> Option<String> {
    let rest = query.trim_start().strip_prefix("avg")?;
    rest.trim_start().starts_with(['(', 'b', 'w']).then(|| format!("sum{rest}"))
}
