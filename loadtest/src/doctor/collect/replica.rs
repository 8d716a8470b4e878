//! What one replica of Prometheus answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde_json::Value;

use crate::doctor::evidence::Replica;
use crate::kube::cluster::percent_encoded;
use crate::kube::pod_http::Way;
use crate::kube::prometheus::Unlike;
use crate::kube::read::{Read, Unread};
use crate::kube::reader::told;
use crate::kube::{Failure, prometheus};

/// The most series of a rule that are kept.
const SERIES: usize = 200;

/// What all replicas are asked.
pub struct Asked {
    /// The HPA's namespace.
    pub namespace: String,
    /// What stands before each path.
    pub prefix: String,
    /// Prometheus' jobs that may scrape something there.
    pub pools: Vec<String>,
    /// Matchers of `/api/v1/series`.
    pub series: BTreeSet<String>,
    /// How far back series are looked for.
    pub lookback: Duration,
}

/// Asks one replica all but the queries, some of which follow from the series that there are.
pub async fn replica(way: &mut Way, pod: &str, asked: &Asked) -> Replica {
    let Asked { namespace, prefix, pools, series, lookback } = asked;
    let mut replica = Replica { pod: pod.to_owned(), ..Replica::default() };
    replica.ready = ready(way, pod, prefix).await;
    let mut prefix = prefix.as_str();
    // The URL may have a path that Prometheus does not serve.
    let is_not_there = |read: &Read<bool>| read.unread().is_some_and(|unread| unread.why.starts_with("404"));
    if !prefix.is_empty() && is_not_there(&replica.ready) {
        let bare = ready(way, pod, "").await;
        if bare.seen().is_some() {
            (prefix, replica.ready, replica.unprefixed) = ("", bare, true);
        }
    }
    replica.targets = targets(way, pod, prefix, namespace, pools).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for matcher in series {
        let (start, end) = (now.saturating_sub(*lookback).as_secs(), now.as_secs());
        let what = format!("the series {matcher} in {pod}");
        let path = |matcher: &str| {
            format!("{prefix}/api/v1/series?match[]={}&start={start}&end={end}", percent_encoded(matcher))
        };
        let mut found = data(way, &path(matcher), &what, prometheus::series).await;
        // Rules take the series of a whole cluster; those of the namespace are fewer.
        if matches!(found, Err(Missed::Excess(_)))
            && let Some(narrowed) = narrowed(matcher, namespace)
        {
            found = data(way, &path(&narrowed), &what, prometheus::series).await;
        }
        let found = read(found).map(|all| {
            let (ours, others): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|labels| labels.values().any(|value| value == namespace));
            several(ours.into_iter().chain(others))
        });
        replica.series.insert(matcher.clone(), found);
    }
    replica
}

async fn ready(way: &mut Way, pod: &str, prefix: &str) -> Read<bool> {
    match way.get(&format!("{prefix}/-/ready"), &format!("/-/ready of {pod}")).await {
        Ok((StatusCode::OK, _)) => Read::Seen(true),
        Ok((StatusCode::SERVICE_UNAVAILABLE, _)) => Read::Seen(false),
        // Nothing that Prometheus says of itself: another path, or somebody before it.
        Ok((status, text)) => Read::failed(format!("/-/ready of {pod}"), &told(status, &text)),
        Err((_, unread)) => Read::Unread(unread),
    }
}

/// The active targets of a namespace. Where all that Prometheus has are too many, job by job.
async fn targets(way: &mut Way, pod: &str, prefix: &str, namespace: &str, pools: &[String]) -> Read<Vec<Value>> {
    let what = format!("the active targets of {pod}");
    let path = format!("{prefix}/api/v1/targets?state=active");
    let ours = |text: &str| prometheus::targets(text, namespace);
    let whole = data(way, &path, &what, ours).await;
    if !matches!(whole, Err(Missed::Excess(_))) || pools.is_empty() {
        return read(whole);
    }
    let mut all = Vec::new();
    for pool in pools {
        match data(way, &format!("{path}&scrapePool={}", percent_encoded(pool)), &what, ours).await {
            Ok(found) => all.extend(found),
            // A job that another Prometheus has.
            Err(Missed::Refused(_)) => {}
            // Before 2.43 it knows no such parameter.
            Err(_) => return read(whole),
        }
    }
    Read::Seen(all)
}

/// A matcher of series that takes those of a namespace alone.
fn narrowed(matcher: &str, namespace: &str) -> Option<String> {
    let label = format!("namespace={namespace:?}");
    match matcher.strip_suffix('}') {
        Some(before) => {
            let before = before.trim_end().trim_end_matches(',');
            let comma = if before.ends_with('{') { "" } else { "," };
            Some(format!("{before}{comma}{label}}}"))
        }
        None => (!matcher.contains('{')).then(|| format!("{matcher}{{{label}}}")),
    }
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
    let prefix = if replica.unprefixed { "" } else { prefix };
    for query in queries {
        let path = format!("{prefix}/api/v1/query?query={}", percent_encoded(query));
        let result = data(way, &path, &format!("the query {query} in {}", replica.pod), prometheus::vector).await;
        replica.queries.insert(query.clone(), read(result));
    }
}

/// A series, as `/api/v1/series` answers it.
type Labels = BTreeMap<String, String>;

/// Why there is nothing of an answer.
enum Missed {
    /// It holds more than is read.
    Excess(Unread),
    /// Prometheus itself refuses.
    Refused(Unread),
    /// It was not to be had.
    Unasked(Unread),
}

fn read<T>(answer: Result<T, Missed>) -> Read<T> {
    match answer {
        Ok(seen) => Read::Seen(seen),
        Err(Missed::Excess(unread) | Missed::Refused(unread) | Missed::Unasked(unread)) => Read::Unread(unread),
    }
}

/// What an answer of Prometheus' API holds, as it is read out of it.
async fn data<T>(way: &mut Way, path: &str, what: &str, read: impl Fn(&str) -> Result<T, Unlike>) -> Result<T, Missed> {
    let (status, text) = match way.get(path, what).await {
        Ok(answer) => answer,
        Err((Failure::Excess(_), unread)) => return Err(Missed::Excess(unread)),
        Err((_, unread)) => return Err(Missed::Unasked(unread)),
    };
    let unread = |why: String| Unread::new(what, &why);
    read(&text).map_err(|unlike| match unlike {
        Unlike::Excess(how) => Missed::Excess(unread(Failure::Excess(how).to_string())),
        Unlike::Other => Missed::Refused(unread(told(status, &text))),
    })
}

#[cfg(test)]
mod tests {
    use super::narrowed;

    #[test]
    fn a_matcher_is_narrowed_wherever_it_may_end() {
        for (matcher, expected) in [
            ("hits_total", Some("hits_total{namespace=\"shop\"}")),
            ("hits_total{}", Some("hits_total{namespace=\"shop\"}")),
            ("hits_total{pod!=\"\", }", Some("hits_total{pod!=\"\",namespace=\"shop\"}")),
            ("{__name__=~\"^h.*\"}", Some("{__name__=~\"^h.*\",namespace=\"shop\"}")),
            ("{a=\"b\"} offset 5m", None),
        ] {
            assert_eq!(narrowed(matcher, "shop").as_deref(), expected, "{matcher}");
        }
    }
}
