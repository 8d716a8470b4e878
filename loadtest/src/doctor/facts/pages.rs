//! The pods' own pages of metrics.

use std::collections::BTreeSet;

use crate::doctor::evidence::{Evidence, Page};

/// A page as it was read last.
pub fn last(page: &Page) -> Option<&String> {
    page.second.seen().or(page.first.seen())
}

/// The counters that the pods' pages declare.
pub fn counters(evidence: &Evidence) -> BTreeSet<&str> {
    let lines = evidence.pages.iter().filter_map(last).flat_map(|page| page.lines());
    lines.filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect()
}
