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
    /// It could not be read, whatever the rights are.
    pub fn failed(what: impl Into<String>, why: &impl ToString) -> Self {
        Self::Unread(Unread::new(what, why))
    }

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
    /// All items of several lists. Where there are none, why one of the lists could not be read.
    pub fn of_all(lists: Vec<Self>) -> Self {
        let (mut found, mut unread) = (Vec::new(), None);
        for list in lists {
            match list {
                Self::Seen(items) => found.extend(items),
                Self::Unread(why) => unread = unread.or(Some(why)),
                Self::Absent | Self::NotAsked => {}
            }
        }
        if found.is_empty() { unread.map_or(Self::Absent, Self::Unread) } else { Self::Seen(found) }
    }

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
    /// Why something could not be read, whatever the rights are.
    pub fn new(what: impl Into<String>, why: &impl ToString) -> Self {
        Self { what: what.into(), why: why.to_string(), right: None }
    }

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
