//! Asks the API server, and keeps what it answered or why it did not.

use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use kube::client::{Body, Client};
use serde_json::Value;

use super::rights::right;
use crate::doctor::evidence::{Answer, Read, Unread};
use crate::observe::cluster::one_line;

/// How long one answer may take.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// The most bytes of one answer: a large cluster's list of objects is shorter.
pub const MOST: usize = 32 << 20;

/// Aggregated discovery: all resources in one document; servers before 1.30 know an older form of it.
const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                         application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// Asks the API server.
#[derive(Clone)]
pub struct Reader {
    /// Requests to it.
    pub client: Client,
}

impl Reader {
    /// One object.
    pub async fn one(&self, path: &str, what: &str) -> Read<Value> {
        match self.whole(path).await {
            Ok((StatusCode::OK, text)) => parsed(&text, what),
            // So it says of a group that it does not know.
            Ok((StatusCode::NOT_FOUND, text)) if text.trim() == "404 page not found" => Read::Absent,
            other => refused(other, "get", path, what),
        }
    }

    /// All objects of a list, each with what it is: the items of a list do not say it.
    pub async fn all(&self, path: &str, what: &str) -> Read<Vec<Value>> {
        match self.one(path, what).await {
            Read::Seen(mut list) => {
                let (version, kind) = (list["apiVersion"].take(), list["kind"].take());
                let kind = kind.as_str().and_then(|kind| kind.strip_suffix("List")).map(Value::from);
                let mut items = match list["items"].take() {
                    Value::Array(items) => items,
                    _ => Vec::new(),
                };
                for item in items.iter_mut().filter_map(Value::as_object_mut) {
                    item.entry("apiVersion").or_insert_with(|| version.clone());
                    item.entry("kind").or_insert_with(|| kind.clone().unwrap_or_default());
                }
                Read::Seen(items)
            }
            Read::NotAsked => Read::NotAsked,
            Read::Absent => Read::Absent,
            Read::Unread(unread) => Read::Unread(unread),
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
            Ok((status, text)) => {
                let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
                Answer { status: status.as_u16(), body }
            }
            Err(why) => Answer { status: 0, body: Value::String(why) },
        }
    }

    /// What the API server makes of an object that it only judges, and does not keep.
    pub async fn review(&self, path: &str, review: &Value, what: &str) -> Read<Value> {
        match self.ask(Method::POST, path, review.to_string().into_bytes()).await {
            Ok((StatusCode::OK | StatusCode::CREATED, text)) => parsed(&text, what),
            other => refused(other, "create", path, what),
        }
    }

    /// Status and text, as they come.
    pub async fn whole(&self, path: &str) -> Result<(StatusCode, String), String> {
        self.ask(Method::GET, path, Vec::new()).await
    }

    async fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Result<(StatusCode, String), String> {
        let accept = if path == "/api" || path == "/apis" { DISCOVERY } else { "application/json, */*" };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::ACCEPT, accept)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(|error| one_line(&error))?;
        let asked = async {
            let answer = self.client.send(request).await.map_err(|error| one_line(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MOST).collect().await;
            let bytes = body.map_err(|error| one_line(&*error))?.to_bytes();
            Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
        };
        tokio::time::timeout(PATIENCE, asked).await.map_err(|_| late())?
    }
}

/// What is said of an answer that took too long.
pub fn late() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

fn parsed(text: &str, what: &str) -> Read<Value> {
    let unread = |error: serde_json::Error| Unread { what: what.to_owned(), why: error.to_string(), right: None };
    serde_json::from_str(text).map_or_else(|error| Read::Unread(unread(error)), Read::Seen)
}

fn refused<T>(answer: Result<(StatusCode, String), String>, verb: &str, path: &str, what: &str) -> Read<T> {
    let (why, right) = match answer {
        Ok((StatusCode::NOT_FOUND, text)) if is_of_the_api(&text) => return Read::Absent,
        Ok((status, text)) => {
            let forbidden = matches!(status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED);
            (told(status, &text), (forbidden && is_of_the_api(&text)).then(|| right(verb, path)))
        }
        Err(why) => (why, None),
    };
    Read::Unread(Unread { what: what.to_owned(), why, right })
}

/// Whether an answer is the API server's own, and not one that it passes on from a pod.
pub fn is_of_the_api(text: &str) -> bool {
    let status = serde_json::from_str::<Value>(text);
    status.is_ok_and(|status| status["kind"] == "Status")
}

/// What an answer that is none says of itself.
pub fn told(status: StatusCode, text: &str) -> String {
    let document = serde_json::from_str::<Value>(text).unwrap_or_default();
    let message = document["message"].as_str().or(document["error"].as_str()).unwrap_or(text);
    let line = message.lines().next().unwrap_or_default();
    let line: String = line.chars().take(300).collect();
    if line.is_empty() { status.to_string() } else { format!("{status}: {line}") }
}
