//! What one replica of Prometheus answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde_json::Value;

use super::reader::told;
use super::way::Way;
use crate::doctor::evidence::{Read, Replica, Unread};
use crate::observe::cluster::percent_encoded;

/// The most series of a rule that are kept.
const SERIES: usize = 200;

/// What all replicas are asked.
pub struct Asked {
    /// The HPA's namespace.
    pub namespace: String,
    /// What stands before each path.
    pub prefix: String,
    /// Matchers of `/api/v1/series`.
    pub series: BTreeSet<String>,
    /// How far back series are looked for.
    pub lookback: Duration,
}

/// Asks one replica all but the queries, some of which follow from the series that there are.
pub async fn replica(way: &mut Way, pod: &str, asked: &Asked) -> Replica {
    let Asked { namespace, prefix, series, lookback } = asked;
    let mut replica = Replica { pod: pod.to_owned(), ..Replica::default() };
    replica.ready = match way.get(&format!("{prefix}/-/ready"), &format!("/-/ready of {pod}")).await {
        Ok((StatusCode::OK, _)) => Read::Seen(true),
        Ok((StatusCode::SERVICE_UNAVAILABLE, _)) => Read::Seen(false),
        // Nothing that Prometheus says of itself: another path, or somebody before it.
        Ok((status, text)) => {
            Read::Unread(Unread { what: format!("/-/ready of {pod}"), why: told(status, &text), right: None })
        }
        Err(unread) => Read::Unread(unread),
    };
    let ours = |target: &Value| {
        target["labels"]["namespace"] == namespace.as_str()
            || target["discoveredLabels"]["__meta_kubernetes_namespace"] == namespace.as_str()
    };
    let path = format!("{prefix}/api/v1/targets?state=active");
    let targets = data(way, &path, &format!("the active targets of {pod}")).await;
    replica.targets =
        mapped(targets, |mut data| array(data["activeTargets"].take()).into_iter().filter(ours).collect());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for matcher in series {
        let (start, end) = (now.saturating_sub(*lookback).as_secs(), now.as_secs());
        let path = format!("{prefix}/api/v1/series?match[]={}&start={start}&end={end}", percent_encoded(matcher));
        let found = data(way, &path, &format!("the series {matcher} in {pod}")).await;
        let found = mapped(found, |data| {
            let all: Vec<Labels> = serde_json::from_value(data).unwrap_or_default();
            let (ours, others): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|labels| labels.values().any(|value| value == namespace));
            several(ours.into_iter().chain(others))
        });
        replica.series.insert(matcher.clone(), found);
    }
    replica
}

/// As many series as are kept: of each name one before another of any.
fn several(all: impl Iterator<Item = Labels>) -> Vec<Labels> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let numbered = all.map(|labels| {
        let count = seen.entry(labels.get("__name__").cloned().unwrap_or_default()).or_default();
        *count += 1;
        (*count, labels)
    });
    let mut numbered: Vec<_> = numbered.collect();
    numbered.sort_by_key(|(number, _)| *number);
    numbered.into_iter().take(SERIES).map(|(_, labels)| labels).collect()
}

/// Asks one replica the queries.
pub async fn queries(way: &mut Way, replica: &mut Replica, prefix: &str, queries: &BTreeSet<String>) {
    for query in queries {
        let path = format!("{prefix}/api/v1/query?query={}", percent_encoded(query));
        let result = data(way, &path, &format!("the query {query} in {}", replica.pod)).await;
        replica.queries.insert(query.clone(), mapped(result, vector));
    }
}

/// A series, as `/api/v1/series` answers it.
type Labels = BTreeMap<String, String>;

/// The `data` of an answer of Prometheus' API.
async fn data(way: &mut Way, path: &str, what: &str) -> Read<Value> {
    match way.get(path, what).await {
        Ok((status, text)) => match serde_json::from_str::<Value>(&text) {
            Ok(mut answer) if answer["status"] == "success" => Read::Seen(answer["data"].take()),
            _ => Read::Unread(Unread { what: what.to_owned(), why: told(status, &text), right: None }),
        },
        Err(unread) => Read::Unread(unread),
    }
}

fn mapped<T>(read: Read<Value>, with: impl FnOnce(Value) -> Vec<T>) -> Read<Vec<T>> {
    match read {
        Read::Seen(seen) => Read::Seen(with(seen)),
        Read::Unread(unread) => Read::Unread(unread),
        Read::Absent => Read::Absent,
        Read::NotAsked => Read::NotAsked,
    }
}

fn array(value: Value) -> Vec<Value> {
    if let Value::Array(items) = value { items } else { Vec::new() }
}

/// A result as a vector: a scalar is one element without labels.
fn vector(mut data: Value) -> Vec<Value> {
    let result = data["result"].take();
    if data["resultType"] == "scalar" {
        vec![serde_json::json!({"metric": {}, "value": result})]
    } else {
        array(result)
    }
}
