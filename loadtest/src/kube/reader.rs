//! Asks the API server, and keeps what it answered or why it did not.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, Request, StatusCode};
use kube::client::{Body, Client};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::{Failure, one_line};
use crate::kube::bounded::read;
use crate::kube::cluster::percent_encoded;
use crate::kube::list::{MOST, PAGE, fewer};
use crate::kube::read::{Answer, Read, Unread};
use crate::kube::rights::right;
use crate::kube::value::tree;

/// How long one answer may take.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// How long a list may take, all its pages together.
const OF_LIST: Duration = Duration::from_secs(30);

/// What all that is read may take in memory: 5,000 ordinary pods with a sidecar each are two thirds of it.
const MEMORY: usize = 256 << 20;

/// What one document takes of that, other than a page of a list: etcd keeps no object of more than one and a half million
/// bytes, and the metrics API's values of 5,000 pods are as much.
const OF_ONE: usize = 16 << 20;

/// How an answer is told that nothing can ask for: a query may name thousands of pods.
pub const UNASKABLE: &str = "is to a question that no URL can hold";

/// What lists of pods and events leave out: both are many, and of each of these fields nothing is judged. Of other kinds it
/// is.
const OF_MANY: [&str; 15] = [
    "managedFields",
    "env",
    "envFrom",
    "volumes",
    "volumeMounts",
    "volumeDevices",
    "tolerations",
    "affinity",
    "topologySpreadConstraints",
    "securityContext",
    "lifecycle",
    "hostIPs",
    "hostIP",
    "imageID",
    "containerID",
];

/// Aggregated discovery: all resources in one document; servers before 1.30 know an older form of it.
const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                         application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// Asks the API server.
#[derive(Clone)]
pub struct Reader {
    /// Requests to it.
    pub client: Client,
    /// Bytes that what was read takes in memory.
    taken: Arc<AtomicUsize>,
    /// Requests that were sent.
    asked: Arc<AtomicUsize>,
}

impl Reader {
    /// One that has read nothing yet.
    pub fn new(client: Client) -> Self {
        Self { client, taken: Arc::default(), asked: Arc::default() }
    }

    /// How many requests this reader and its clones have sent.
    pub fn requests(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// One object.
    pub async fn one(&self, path: &str, what: &str) -> Read<Value> {
        match self.whole(path).await {
            Ok((StatusCode::OK, text)) => self.parsed(&text, what),
            // So it says of a group that it does not know.
            Ok((StatusCode::NOT_FOUND, text)) if text.trim() == "404 page not found" => Read::Absent,
            other => refused(other, "get", path, what),
        }
    }

    /// All objects of a list, each with what it is: the items of a list do not say it. It is asked for in pages.
    pub async fn all(&self, path: &str, what: &str) -> Read<Vec<Value>> {
        timely(what, self.pages(path, what, true, |item| item)).await
    }

    /// What `keep` makes of each object of a list. The objects themselves do not stay in memory.
    pub async fn each<T>(&self, path: &str, what: &str, keep: impl Fn(Value) -> T) -> Read<Vec<T>> {
        timely(what, self.pages(path, what, false, keep)).await
    }

    async fn pages<T>(&self, path: &str, what: &str, stay: bool, keep: impl Fn(Value) -> T) -> Read<Vec<T>> {
        let without: &[&str] = if is_of_many(path) { &OF_MANY } else { &[] };
        let mark = if path.contains('?') { '&' } else { '?' };
        let (mut items, mut limit, mut after) = (Vec::new(), PAGE, String::new());
        loop {
            let text = match self.whole(&format!("{path}{mark}limit={limit}{after}")).await {
                Err(failure)
                    if failure.is_excess()
                        && let Some(less) = fewer(limit) =>
                {
                    limit = less;
                    continue;
                }
                Ok((StatusCode::OK, text)) => text,
                // So it says of a group that it does not know.
                Ok((StatusCode::NOT_FOUND, text)) if text.trim() == "404 page not found" => return Read::Absent,
                other => return refused(other, "get", path, what),
            };
            let (mut page, weight) = match self.tree(&text, MEMORY, without) {
                Ok(weighed) => weighed,
                Err(failure) => return Read::failed(what, &failure),
            };
            let next = next(&page, &after);
            let found = of_page(&mut page);
            let is_last = found.is_empty() || next.is_none();
            items.extend(found.into_iter().map(&keep));
            if !stay {
                self.taken.fetch_sub(weight, Ordering::Relaxed);
            }
            if is_last {
                return Read::Seen(items);
            }
            if items.len() > MOST {
                return Read::failed(what, &Failure::Excess(format!("has more than {MOST} items")));
            }
            after = next.unwrap_or_default();
        }
    }

    /// A text, such as a log, or what a pod answers through the proxy.
    pub async fn text(&self, path: &str, what: &str) -> Read<String> {
        match self.whole(path).await {
            Ok((StatusCode::OK, text)) => Read::Seen(text),
            other => refused(other, "get", path, what),
        }
    }

    /// What is answered, whatever it is: for a metrics API, whose refusals are what there is to see.
    pub async fn answer(&self, path: &str) -> Answer {
        match self.whole(path).await {
            Ok((status, text)) => match self.tree(&text, OF_ONE, &[]) {
                Ok((body, _)) => Answer { status: status.as_u16(), body },
                Err(Failure::Other(_)) => Answer { status: status.as_u16(), body: Value::String(first_line(&text)) },
                Err(failure) => Answer { status: 0, body: Value::String(failure.to_string()) },
            },
            Err(failure) => Answer { status: 0, body: Value::String(failure.to_string()) },
        }
    }

    /// What the API server makes of an object that it only judges, and does not keep.
    pub async fn review(&self, path: &str, review: &Value, what: &str) -> Read<Value> {
        match self.ask(Method::POST, path, review.to_string().into_bytes()).await {
            Ok((StatusCode::OK | StatusCode::CREATED, text)) => self.parsed(&text, what),
            other => refused(other, "create", path, what),
        }
    }

    /// Status and text, as they come.
    pub async fn whole(&self, path: &str) -> Result<(StatusCode, String), Failure> {
        self.ask(Method::GET, path, Vec::new()).await
    }

    async fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Result<(StatusCode, String), Failure> {
        let accept = if path == "/api" || path == "/apis" { DISCOVERY } else { "application/json, */*" };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::ACCEPT, accept)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(|_| Failure::Excess(UNASKABLE.to_owned()))?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        let asked = async {
            let answer = self.client.send(request).await.map_err(|error| Failure::of(&error))?;
            Ok((answer.status(), text(read(answer.into_body()).await?.into())))
        };
        timeout_at(Instant::now() + PATIENCE, asked).await.map_err(|_| Failure::Late(PATIENCE))?
    }

    fn parsed(&self, text: &str, what: &str) -> Read<Value> {
        self.tree(text, OF_ONE, &[]).map_or_else(|failure| Read::failed(what, &failure), |(tree, _)| Read::Seen(tree))
    }

    /// A document as a tree, in what memory it may take of that which is left; and the bytes that it takes.
    fn tree(&self, text: &str, most: usize, without: &[&str]) -> Result<(Value, usize), Failure> {
        let left = MEMORY.saturating_sub(self.taken.load(Ordering::Relaxed)).min(most);
        let rest = Cell::new(left);
        let parsed = tree(serde_json::Deserializer::from_str(text), &rest, without);
        let weight = left - rest.get();
        if parsed.is_ok() {
            self.taken.fetch_add(weight, Ordering::Relaxed);
        }
        parsed.map(|tree| (tree, weight)).map_err(|error| match rest.get() {
            0 if left == most => Failure::Excess(format!("takes more than {} MiB of memory", most >> 20)),
            0 => Failure::Excess(format!("and what was read before it take more than {} MiB of memory", MEMORY >> 20)),
            _ => Failure::Other(one_line(&error)),
        })
    }
}

/// What comes in the time that a list may take.
async fn timely<T>(what: &str, list: impl Future<Output = Read<Vec<T>>>) -> Read<Vec<T>> {
    let read = timeout_at(Instant::now() + OF_LIST, list).await;
    read.unwrap_or_else(|_| Read::failed(what, &Failure::Late(OF_LIST)))
}

/// A body as text; what is no UTF-8 in it is replaced.
pub fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn is_of_many(path: &str) -> bool {
    path.split('?').next().is_some_and(|path| path.ends_with("/pods") || path.ends_with("/events"))
}

/// What asks for the page after this one; none after the last, and where a page would come again.
fn next(page: &Value, before: &str) -> Option<String> {
    let token = page["metadata"]["continue"].as_str().filter(|token| !token.is_empty())?;
    let next = format!("&continue={}", percent_encoded(token));
    (next != before).then_some(next)
}

fn of_page(page: &mut Value) -> Vec<Value> {
    let (version, kind) = (page["apiVersion"].take(), page["kind"].take());
    let kind = kind.as_str().and_then(|kind| kind.strip_suffix("List")).map(Value::from);
    let Value::Array(mut items) = page["items"].take() else { return Vec::new() };
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        item.entry("apiVersion").or_insert_with(|| version.clone());
        item.entry("kind").or_insert_with(|| kind.clone().unwrap_or_default());
    }
    items
}

fn refused<T>(answer: Result<(StatusCode, String), Failure>, verb: &str, path: &str, what: &str) -> Read<T> {
    let (why, right) = match answer {
        Ok((StatusCode::NOT_FOUND, text)) if is_of_the_api(&text) => return Read::Absent,
        Ok((status, text)) => {
            let forbidden = matches!(status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED);
            (told(status, &text), (forbidden && is_of_the_api(&text)).then(|| right(verb, path)))
        }
        Err(failure) => (failure.to_string(), None),
    };
    Read::Unread(Unread { what: what.to_owned(), why, right })
}

/// What an answer that is none may say of itself: a `Status` of the API server, or an error of Prometheus.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    kind: Option<String>,
    message: Option<String>,
    error: Option<String>,
}

/// Whether an answer is the API server's own, and not one that it passes on from a pod.
pub fn is_of_the_api(text: &str) -> bool {
    let refusal = serde_json::from_str::<Refusal>(text);
    refusal.is_ok_and(|refusal| refusal.kind.as_deref() == Some("Status"))
}

/// What an answer that is none says of itself.
pub fn told(status: StatusCode, text: &str) -> String {
    let refusal = serde_json::from_str::<Refusal>(text).unwrap_or_default();
    let line = first_line(refusal.message.or(refusal.error).as_deref().unwrap_or(text));
    if line.is_empty() { status.to_string() } else { format!("{status}: {line}") }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}
