//! What was read, looked through.

use serde_json::Value;

use crate::doctor::evidence::Read;

/// The one that was looked for among those that were read; a list that was not read says so.
pub fn chosen(all: &Read<Vec<Value>>, wanted: impl Fn(&Value) -> bool) -> Read<Value> {
    match all {
        Read::Seen(all) => all.iter().find(|one| wanted(one)).cloned().map_or(Read::Absent, Read::Seen),
        Read::Unread(unread) => Read::Unread(unread.clone()),
        Read::Absent => Read::Absent,
        Read::NotAsked => Read::NotAsked,
    }
}
