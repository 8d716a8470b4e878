//! Events in words.

use std::borrow::Cow;

use crate::journal::{Event, Feed, ObjectEvent, ObservedEvent};
use crate::output::text::seconds;

/// An event as people read it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct EventText<'a> {
    /// The object, as kind and name, or a part of the tool.
    pub object: Cow<'a, str>,
    /// The reason, in one word.
    pub reason: Cow<'a, str>,
    /// The details.
    pub message: Cow<'a, str>,
}

impl EventText<'_> {
    /// All of it in one sentence.
    pub fn sentence(&self) -> String {
        format!("{} {}: {}", self.object, self.reason, self.message)
    }
}

/// An event in words.
pub fn text(event: &Event) -> EventText<'_> {
    let (object, reason, message) = match &event.what {
        ObservedEvent::Object(ObjectEvent { object, reason, message, .. }) => {
            return EventText { object: object.into(), reason: reason.into(), message: message.into() };
        }
        ObservedEvent::WatchInterrupted { feed, why } => ("watch", "Interrupted", because(*feed, why)),
        ObservedEvent::WatchResumed { feed: Feed::ApiServer } => {
            ("watch", "Resumed", "the API server answers again".to_owned())
        }
        ObservedEvent::WatchResumed { feed } => ("watch", "Resumed", format!("{} can be read again", name(*feed))),
        ObservedEvent::Unread { feed, why } => ("watch", "Unread", because(*feed, why)),
        ObservedEvent::Assumed { assumption } => ("watch", "Assumed", assumption.clone()),
        ObservedEvent::Truncated { recorded } => {
            ("watch", "Truncated", format!("later events are left out: {recorded} have been recorded"))
        }
        ObservedEvent::HostUnresolved { host, why, keeps_addresses } => {
            let now =
                if *keeps_addresses { "no longer has an address; its last ones stay in use" } else { "has no address" };
            ("load", "NoSuchHost", format!("{host} {now}: {why}"))
        }
        ObservedEvent::HostResolved { host } => ("load", "Resolved", format!("{host} has an address again")),
        ObservedEvent::FirstFailure { cause, example, .. } => ("load", "FirstFailure", format!("{cause}: {example}")),
        ObservedEvent::FirstStatus { status, request, location: Some(location) } => {
            ("load", "FirstStatus", format!("status {status}: {request}, a redirect to {location}"))
        }
        ObservedEvent::FirstStatus { status, request, location: None } => {
            ("load", "FirstStatus", format!("status {status}: {request}"))
        }
        ObservedEvent::FirstMismatch { request, body } => {
            ("load", "FirstMismatch", format!("the body does not match --expect-body: {request}: {body}"))
        }
        ObservedEvent::LoadFailed { why } => ("load", "Failed", format!("the timer of the load failed: {why}")),
        ObservedEvent::StartedLate { generator, seconds: late } => {
            ("load", "StartedLate", format!("generator {generator} started {} after the first", seconds(*late)))
        }
        ObservedEvent::RehearsalFailed { why } => ("rehearsal", "Failed", why.clone()),
    };
    EventText { object: object.into(), reason: reason.into(), message: message.into() }
}

/// What could not be read, and why.
pub fn because(feed: Feed, why: &str) -> String {
    format!("{}: {why}", name(feed))
}

/// The name of a feed.
fn name(feed: Feed) -> &'static str {
    match feed {
        Feed::ApiServer => "the API server",
        Feed::Hpa => "the HPA",
        Feed::Pods => "the pods",
        Feed::Events => "the events",
        Feed::Counters => "the pods' counters",
        Feed::Prometheus => "Prometheus",
        Feed::MetricsApi => "the metrics API",
    }
}
