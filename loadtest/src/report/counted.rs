//! Whom the requests of each second went to, or came from, by name.

use std::collections::BTreeMap;

/// One of them over the whole run.
pub(crate) struct Counted<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its requests.
    pub count: u64,
    /// Its share of all of them.
    pub share: f64,
    /// The second of its first request, and that of its last.
    pub first: f64,
    pub last: f64,
}

/// Those who had requests, the one with the most first. Each second has its time and its counts.
pub(crate) fn counted<'a>(seconds: impl Iterator<Item = (f64, &'a BTreeMap<String, u64>)>) -> Vec<Counted<'a>> {
    let mut found: BTreeMap<&str, Counted> = BTreeMap::new();
    for (at, counts) in seconds {
        for (name, count) in counts.iter().filter(|(_, count)| **count > 0) {
            let one = found.entry(name).or_insert(Counted { name, count: 0, share: 0.0, first: at, last: at });
            one.count += count;
            one.last = at;
        }
    }
    let all: u64 = found.values().map(|one| one.count).sum();
    let mut found: Vec<Counted> = found.into_values().collect();
    for one in &mut found {
        one.share = one.count as f64 / all as f64;
    }
    found.sort_by_key(|one| std::cmp::Reverse(one.count));
    found
}
