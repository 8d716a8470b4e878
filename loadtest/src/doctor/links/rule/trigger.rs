//! The `ScaledObject`'s trigger, which is to KEDA what a rule is to the adapter.

mod blocked;

pub use blocked::{operator_log, rejected};

use serde_json::{Value, json};

use super::{reach, short_window, with_window};
use crate::autoscaling::promql::{Selector, ranges_of_rates};
use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::{living, ready_for};
use crate::doctor::facts::scaling_metric::{Metric, ScalingMetric};
use crate::doctor::facts::{intervals, scaled_object, values};
use crate::doctor::fixes::kubectl::replace;
use crate::doctor::fixes::scaler::{Trigger, triggers};
use crate::doctor::objects::{text, titled};
use crate::doctor::status::{Checked, Finding, Input, Status};
use crate::kube::read::Read;

pub fn check(evidence: &Evidence, scaling: &ScalingMetric, metric: &Metric) -> Checked {
    let missing = |why: String| Status::missing(Input::ScaledObject, why);
    let object = Status::require(&evidence.scaled_object, || missing("there is no ScaledObject".to_owned()))?;
    let all = triggers(object, metric);
    if all.is_empty() {
        return Err(missing(format!("{}: no trigger makes {}", titled(object), metric.name)));
    }
    let told = all.iter().map(|trigger| one(evidence, scaling, metric, trigger)).collect::<Result<Vec<_>, _>>()?;
    blocked::check(evidence, scaling, &all)?;
    Ok(told.join("; "))
}

/// One of the triggers that make the metric: of a composite metric, there are several.
fn one(evidence: &Evidence, scaling: &ScalingMetric, metric: &Metric, trigger: &Trigger<'_>) -> Checked {
    let (object, kind) = (trigger.object, text(trigger.spec, "/type"));
    if kind != "prometheus" {
        return Ok(format!("trigger {}: {kind}, which does not query Prometheus", trigger.place));
    }
    if !is_asked(evidence, trigger) {
        let address = trigger.field("serverAddress");
        return Ok(format!("trigger {}: {address} is another Prometheus than the one that was queried", trigger.place));
    }
    if !works(evidence, scaling) {
        Status::stop(wrong_prefix(evidence, trigger))?;
        Status::stop(reach::wrong(evidence).map(|why| unreachable(evidence, trigger, &why)))?;
    }
    let query = trigger.field("query");
    Status::stop(refused(evidence, trigger))?;
    // KEDA's own 0 may come from an empty result.
    if !results(evidence, trigger).iter().any(|result| result.first().is_some_and(|sample| !is_nan(sample))) {
        let place = format!("{}: triggers[{}]", titled(object), trigger.place);
        let widened = |range: &str, wide: &str| [trigger.with(&query.replace(range, wide), &[])];
        Status::stop(short_window(evidence, query, &place, widened))?;
    }
    result(evidence, scaling, metric, trigger)?;
    Ok(with_window(evidence, scaling, query))
}

fn unreachable(evidence: &Evidence, trigger: &Trigger<'_>, why: &str) -> Finding {
    let (object, place) = (titled(trigger.object), trigger.place);
    let seen =
        format!("{object}: triggers[{place}].metadata.serverAddress is {}; {why}", trigger.field("serverAddress"));
    let path = format!("/spec/triggers/{place}/metadata/serverAddress");
    let from = json!(trigger.field("serverAddress"));
    let command = reach::right(evidence).map(|url| replace(trigger.object, &path, &from, &json!(url)));
    let advice = "Set the address to Prometheus' Service and port. Its user and path stay as they are.";
    Finding::new(Cause::PrometheusUnreachable, seen, advice, command)
}

fn wrong_prefix(evidence: &Evidence, trigger: &Trigger<'_>) -> Option<Finding> {
    let reach::Prefix { url, why, right } =
        reach::wrong_prefix(evidence).filter(|prefix| is_address(trigger, prefix.url))?;
    let path = format!("/spec/triggers/{}/metadata/serverAddress", trigger.place);
    let seen =
        format!("{}: triggers[{}].metadata.serverAddress is {url}; {why}", titled(trigger.object), trigger.place);
    let advice = format!("Set the address to {right}.");
    // The evidence does not contain a password.
    let command = (!url.contains('@')).then(|| replace(trigger.object, &path, &json!(url), &json!(right)));
    Some(Finding::new(Cause::PrefixWrong, seen, advice, command))
}

/// Whether the Prometheus that was queried is the trigger's: triggers may have several, and the first one's is queried.
fn is_asked(evidence: &Evidence, trigger: &Trigger<'_>) -> bool {
    let place = |url: &str| {
        let uri: http::Uri = url.parse().ok()?;
        Some((uri.host()?.to_owned(), uri.port_u16()))
    };
    let asked = evidence.prometheus.url.seen().and_then(|url| place(url));
    asked.zip(place(trigger.field("serverAddress"))).is_none_or(|(asked, own)| asked == own)
}

/// Whether a URL is that of the trigger.
fn is_address(trigger: &Trigger<'_>, url: &str) -> bool {
    trigger.field("serverAddress") == url
}

/// Prometheus refuses the trigger's query.
fn refused(evidence: &Evidence, trigger: &Trigger<'_>) -> Option<Finding> {
    let query = trigger.field("query");
    let why = super::refusal(evidence, query)?;
    let (object, place) = (titled(trigger.object), trigger.place);
    let seen = format!("{object}: triggers[{place}].metadata.query {query}: Prometheus answers {why}");
    let advice = "Correct the query as Prometheus' answer says. Prometheus' own page runs it without KEDA.";
    Some(Finding::new(Cause::QueryRefused, seen, advice, None))
}

/// Whether KEDA has a value other than its fallback.
fn works(evidence: &Evidence, scaling: &ScalingMetric) -> bool {
    values::works(evidence, scaling) == Some(true) && !scaled_object::falls_back(evidence)
}

/// The answers of the replicas to the trigger's query.
fn results<'a>(evidence: &'a Evidence, trigger: &Trigger<'_>) -> Vec<&'a Vec<Value>> {
    let replicas = evidence.prometheus.replicas.iter();
    replicas.filter_map(|replica| replica.queries.get(trigger.field("query"))?.seen()).collect()
}

/// Whether Prometheus answers the trigger's query with one number, and with the right one.
fn result(evidence: &Evidence, scaling: &ScalingMetric, metric: &Metric, trigger: &Trigger<'_>) -> Result<(), Status> {
    let query = trigger.field("query");
    let results = results(evidence, trigger);
    let (object, place) = (titled(trigger.object), trigger.place);
    let seen = |what: &str| format!("{object}: triggers[{place}].metadata.query {query} returns {what}");
    if let Some(several) = results.iter().find(|result| result.len() > 1) {
        let seen = seen(&format!("{} series, but KEDA takes one", several.len()));
        let advice = "Make the query one sum over all pods: the HPA divides it by their number.";
        let command = trigger.with(&format!("sum({query})"), &[]);
        return Err(Finding::new(Cause::SeveralSeries, seen, advice, [command]).into());
    }
    // What a formula makes of an average is its author's business.
    let is_alone = !scaled_object::is_composite(&metric.name);
    if let Some(summed) = summed(query).filter(|_| averaged(metric) && is_alone) {
        let seen = seen("an average, which the HPA divides by the number of pods again");
        let advice = "Make the query a sum over all pods, or set the trigger's metricType to Value.";
        // A value that is not a pod's own may be the same in all series: a sum would count it several times.
        let command = of_the_pods(evidence, scaling).then(|| trigger.with(&summed, &[]));
        return Err(Finding::new(Cause::SeveralSeries, seen, advice, command).into());
    }
    // If one replica has a number, another link checks why the other has none.
    let bad = |result: &&Vec<Value>| result.first().is_none_or(is_nan);
    if results.is_empty() || !results.iter().all(bad) {
        return Ok(());
    }
    let what = if results[0].is_empty() { "nothing" } else { "NaN" };
    let wait = 2.0 * intervals::scrape(evidence).unwrap_or(timing::SCRAPE_INTERVAL) + timing::TRIGGER_SLACK;
    let oldest = living(evidence).filter_map(|pod| ready_for(evidence, pod)).fold(0.0, f64::max);
    if oldest < wait {
        let why = format!("{}; no pod has been ready for two scrapes yet", seen(what));
        return Err(Status::pending(wait - oldest, why));
    }
    let silent = trigger.field("ignoreNullValues") != "false";
    let reads = if silent { "KEDA reads that as 0" } else { "KEDA reports that as an error" };
    let advice = "Make the query return one number, even without traffic. With ignoreNullValues \"false\", an empty answer is \
                  an error instead of a 0.";
    let sum = sum_of_rates(scaling, query).filter(|_| of_the_pods(evidence, scaling));
    let command = sum.map(|sum| trigger.with(&sum, &[("ignoreNullValues", "false")]));
    let seen = format!("{}: {reads}", seen(what));
    Err(Finding::new(Cause::EmptyReadAsZero, seen, advice, command).into())
}

/// Whether the query's series exist, and each is one of the pods'.
fn of_the_pods(evidence: &Evidence, scaling: &ScalingMetric) -> bool {
    let Some(selector) = scaling.selector.as_ref().map(Selector::text) else { return false };
    let replicas = evidence.prometheus.replicas.iter();
    let mut series = replicas.filter_map(|replica| replica.queries.get(&selector)).flat_map(Read::items).peekable();
    let of_a_pod = |series: &Value| scaling.pods.iter().any(|pod| series["metric"]["pod"] == **pod);
    series.peek().is_some() && series.all(of_a_pod)
}

/// The sum of the query's only rate, with all its matchers; none if it has several rates, or none.
fn sum_of_rates(scaling: &ScalingMetric, query: &str) -> Option<String> {
    let [range] = ranges_of_rates(query)[..] else { return None };
    let rate = ["irate", "rate"].into_iter().find(|name| query.contains(&format!("{name}(")))?;
    Some(format!("sum({rate}({}[{range}]))", scaling.selector.as_ref()?.text()))
}

fn is_nan(sample: &Value) -> bool {
    sample.pointer("/value/1").is_some_and(|value| value == "NaN")
}

/// Whether the HPA divides what it reads by the number of pods.
fn averaged(metric: &Metric) -> bool {
    text(&metric.spec, "/external/target/type") != "Value"
}

/// The query with a sum instead of its average; none if it has no average.
fn summed(query: &str) -> Option<String> {
    let rest = query.trim_start().strip_prefix("avg")?;
    rest.trim_start().starts_with(['(', 'b', 'w']).then(|| format!("sum{rest}"))
}
