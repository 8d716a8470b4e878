//! The `ScaledObject`'s trigger, which is to KEDA what a rule is to the adapter.

mod blocked;

use serde_json::Value;

use super::reach;
use crate::autoscaling::promql::{Selector, ranges_of_rates};
use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::{living, ready_for};
use crate::doctor::facts::scaling_metric::{Metric, Subject};
use crate::doctor::facts::{intervals, values};
use crate::doctor::fixes::trigger::{Trigger, trigger};
use crate::doctor::objects::{is, text, titled};
use crate::doctor::status::{Finding, Input, Status};
use crate::kube::read::Read;

pub fn check(evidence: &Evidence, subject: &Subject, metric: &Metric) -> Status {
    let object = match &evidence.scaled_object {
        Read::Seen(object) => object,
        Read::Unread(unread) => return Status::Unread(unread.clone()),
        Read::Absent | Read::NotAsked => return Status::missing(Input::ScaledObject, "there is no ScaledObject"),
    };
    let Some(trigger) = trigger(object, metric) else {
        return Status::missing(Input::ScaledObject, format!("{}: no trigger makes {}", titled(object), metric.name));
    };
    let kind = text(trigger.spec, "/type");
    if kind != "prometheus" {
        let status = blocked::refused(evidence, &trigger).or_else(|| blocked::check(evidence, subject, &trigger));
        return status.unwrap_or_else(|| {
            Status::Ok(format!("trigger {}: {kind}, which does not query Prometheus", trigger.place))
        });
    }
    if !works(evidence, subject, object)
        && let Some(why) = reach::wrong(evidence)
    {
        return Status::Broken(unreachable(evidence, &trigger, &why));
    }
    if let Some(status) = blocked::refused(evidence, &trigger) {
        return status;
    }
    if let Some(finding) = short_window(evidence, &trigger) {
        return Status::Broken(finding);
    }
    if let Some(status) = result(evidence, subject, metric, &trigger) {
        return status;
    }
    blocked::check(evidence, subject, &trigger).unwrap_or_else(|| {
        let window = subject.window.zip(intervals::scrape(evidence));
        let window = window.map(|(window, scrape)| format!(", {:.0} scrapes in its window", window / scrape));
        Status::Ok(format!("{}{}", trigger.field("query"), window.unwrap_or_default()))
    })
}

fn unreachable(evidence: &Evidence, trigger: &Trigger<'_>, why: &str) -> Finding {
    let (object, place) = (titled(trigger.object), trigger.place);
    let seen =
        format!("{object}: triggers[{place}].metadata.serverAddress is {}; {why}", trigger.field("serverAddress"));
    let path = format!("/spec/triggers/{place}/metadata/serverAddress");
    let command =
        reach::right(evidence).map(|url| reach::exchanged(trigger.object, &path, trigger.field("serverAddress"), &url));
    let advice = "Set the address to Prometheus' Service and port. Its user and path stay as they are.";
    Finding::new(Cause::PrometheusUnreachable, seen, advice, command.into_iter().collect())
}

/// Whether KEDA has a value, and not the one that it falls back on.
fn works(evidence: &Evidence, subject: &Subject, object: &Value) -> bool {
    values::works(evidence, subject) == Some(true) && !is(object, "Fallback")
}

/// What each replica answers to the trigger's query, in so far as it answers.
fn results<'a>(evidence: &'a Evidence, trigger: &Trigger<'_>) -> Vec<&'a Vec<Value>> {
    let replicas = evidence.prometheus.replicas.iter();
    replicas.filter_map(|replica| replica.queries.get(trigger.field("query"))?.seen()).collect()
}

/// A window of less than two scrapes, and no value: KEDA's own 0 may be one of nothing.
fn short_window(evidence: &Evidence, trigger: &Trigger<'_>) -> Option<Finding> {
    let query = trigger.field("query");
    let (range, window, scrape) = intervals::short_range(evidence, query)?;
    if results(evidence, trigger).iter().any(|result| result.first().is_some_and(|sample| !is_nan(sample))) {
        return None;
    }
    let wide = query.replace(&range, &format!("[{}s]", 4.0 * scrape));
    let (object, place) = (titled(trigger.object), trigger.place);
    let seen = format!("{object}: triggers[{place}]: a window of {window} s, and a scrape every {scrape} s");
    let advice = format!("Widen the window to four scrapes ({} s), or scrape more often.", 4.0 * scrape);
    Some(Finding::new(Cause::WindowTooShort, seen, advice, vec![trigger.with(&wide, &[])]))
}

/// What Prometheus answers to the trigger's query: one number is as it should be.
fn result(evidence: &Evidence, subject: &Subject, metric: &Metric, trigger: &Trigger<'_>) -> Option<Status> {
    let query = trigger.field("query");
    let results = results(evidence, trigger);
    let (object, place) = (titled(trigger.object), trigger.place);
    let seen = |what: &str| format!("{object}: triggers[{place}].metadata.query {query} returns {what}");
    if let Some(several) = results.iter().find(|result| result.len() > 1) {
        let seen = seen(&format!("{} series, but KEDA takes one", several.len()));
        let advice = "Make the query one sum over all pods: the HPA divides it by their number.";
        let commands = vec![trigger.with(&format!("sum({query})"), &[])];
        return Some(Status::Broken(Finding::new(Cause::SeveralSeries, seen, advice, commands)));
    }
    if let Some(summed) = summed(query).filter(|_| averaged(metric)) {
        let seen = seen("an average, which the HPA divides by the number of pods again");
        let advice = "Make the query a sum over all pods, or set the trigger's metricType to Value.";
        // The average of a number that is the same whoever tells it is no sum's part.
        let commands = of_the_pods(evidence, subject).then(|| trigger.with(&summed, &[]));
        let commands = commands.into_iter().collect();
        return Some(Status::Broken(Finding::new(Cause::SeveralSeries, seen, advice, commands)));
    }
    // Where any replica has a number, the other's gap is another link's.
    let bad = |result: &&Vec<Value>| result.first().is_none_or(is_nan);
    if results.is_empty() || !results.iter().all(bad) {
        return None;
    }
    let what = if results[0].is_empty() { "nothing" } else { "NaN" };
    let wait = 2.0 * intervals::scrape(evidence).unwrap_or(timing::SCRAPE_INTERVAL) + timing::TRIGGER_SLACK;
    let oldest = living(evidence).filter_map(|pod| ready_for(evidence, pod)).fold(0.0, f64::max);
    if oldest < wait {
        let why = format!("{}; no pod has been ready for two scrapes yet", seen(what));
        return Some(Status::pending(wait - oldest, why));
    }
    let silent = trigger.field("ignoreNullValues") != "false";
    let reads = if silent { "KEDA reads that as 0" } else { "KEDA reports that as an error" };
    let advice = "Make the query return one number, even without traffic. With ignoreNullValues \"false\", an empty answer is \
                  an error instead of a 0.";
    let sum = sum_of_rates(subject, query).filter(|_| of_the_pods(evidence, subject));
    let command = sum.map(|sum| trigger.with(&sum, &[("ignoreNullValues", "false")]));
    let seen = format!("{}: {reads}", seen(what));
    Some(Status::Broken(Finding::new(Cause::EmptyReadAsZero, seen, advice, command.into_iter().collect())))
}

/// Whether the series that the query wants are there, each of one of the pods.
fn of_the_pods(evidence: &Evidence, subject: &Subject) -> bool {
    let Some(wanted) = subject.wanted.as_ref().map(Selector::text) else { return false };
    let replicas = evidence.prometheus.replicas.iter();
    let mut series = replicas.filter_map(|replica| replica.queries.get(&wanted)).flat_map(Read::items).peekable();
    let of_a_pod = |series: &Value| subject.pods.iter().any(|pod| series["metric"]["pod"] == **pod);
    series.peek().is_some() && series.all(of_a_pod)
}

/// The sum of the one rate that the query asks for, with all that it wants of the labels; none where it asks for more
/// than one, or for no rate.
fn sum_of_rates(subject: &Subject, query: &str) -> Option<String> {
    let [range] = ranges_of_rates(query)[..] else { return None };
    let rate = ["irate", "rate"].into_iter().find(|name| query.contains(&format!("{name}(")))?;
    Some(format!("sum({rate}({}[{range}]))", subject.wanted.as_ref()?.text()))
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
