//! Seconds grouped into columns, as many as a screen can show.

use crate::report::figures::Load;

/// A part of the load.
pub(crate) struct Column {
    pub at: f64,
    pub middle: f64,
    /// Per second.
    pub offered: f64,
    /// Per second.
    pub achieved: f64,
    /// The median of its seconds' p50.
    pub p50: Option<f64>,
    /// The worst of its seconds' p99.
    pub p99: Option<f64>,
    pub failed: f64,
    pub dropped: f64,
}

/// How many seconds go into a column.
pub(crate) fn step(span: f64) -> f64 {
    const STEPS: [f64; 10] = [1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0];
    STEPS.into_iter().find(|step| span / step <= 240.0).unwrap_or(600.0)
}

/// The columns. If seconds are missing, a column has the figures of the others.
pub(crate) fn columns(seconds: &[Load], step: f64) -> Vec<Column> {
    let index = |second: &Load| (second.at / step).floor();
    let groups = seconds.chunk_by(|a, b| index(a).total_cmp(&index(b)).is_eq());
    groups
        .map(|group| {
            let count = group.len() as f64;
            let mut halves: Vec<f64> = group.iter().filter_map(|second| second.p50).collect();
            halves.sort_by(f64::total_cmp);
            let sum = |figure: fn(&Load) -> u64| group.iter().map(figure).sum::<u64>() as f64;
            let at = index(&group[0]) * step;
            Column {
                at,
                middle: at + step / 2.0,
                offered: sum(|second| second.offered) / count,
                achieved: sum(|second| second.achieved) / count,
                p50: halves.get(halves.len() / 2).copied(),
                p99: group.iter().filter_map(|second| second.p99).max_by(f64::total_cmp),
                failed: sum(|second| second.failed),
                dropped: sum(|second| second.dropped),
            }
        })
        .collect()
}
