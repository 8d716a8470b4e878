//! What was read of a cluster, or why it was not.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was read, or why it was not.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Read<T> {
    /// Nobody asked: what would have led there is not known.
    #[default]
    NotAsked,
    /// It was answered that there is none.
    Absent,
    /// It could not be read.
    Unread(Unread),
    /// This is there.
    Seen(T),
}

impl<T> Read<T> {
    /// What is there.
    pub const fn seen(&self) -> Option<&T> {
        if let Self::Seen(seen) = self { Some(seen) } else { None }
    }

    /// Why it could not be read.
    pub const fn unread(&self) -> Option<&Unread> {
        if let Self::Unread(unread) = self { Some(unread) } else { None }
    }
}

impl<T> Read<T> {
    /// The same of what is made of it.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::Seen(seen) => Read::Seen(make(seen)),
            Self::Unread(unread) => Read::Unread(unread),
            Self::Absent => Read::Absent,
            Self::NotAsked => Read::NotAsked,
        }
    }
}

impl<T: Clone> Read<Vec<T>> {
    /// The first item that fits; a list that could not be read says so.
    pub fn find(&self, fits: impl Fn(&T) -> bool) -> Read<T> {
        match self {
            Self::Seen(all) => all.iter().find(|one| fits(one)).cloned().map_or(Read::Absent, Read::Seen),
            Self::Unread(unread) => Read::Unread(unread.clone()),
            Self::Absent => Read::Absent,
            Self::NotAsked => Read::NotAsked,
        }
    }
}

impl<T> Read<Vec<T>> {
    /// What is there; nothing where it could not be read.
    pub fn items(&self) -> &[T] {
        self.seen().map_or(&[], Vec::as_slice)
    }
}

/// Why something could not be read.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    /// What was to be read, in a few words.
    pub what: String,
    /// What was answered instead.
    pub why: String,
    /// The right that is missing, as RBAC names it (`get pods/proxy in namespace x`), where that is why.
    pub right: Option<String>,
}

impl Unread {
    /// Why, in a few words: the right that is missing, or else what was answered.
    pub fn reason(&self) -> String {
        self.right.as_ref().map_or_else(|| self.why.clone(), |right| format!("the right to {right} is missing"))
    }
}

/// What the metrics API answered.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The HTTP status; 0 where there was no answer.
    pub status: u16,
    /// The document.
    pub body: Value,
}
