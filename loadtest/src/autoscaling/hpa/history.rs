//! Windows over what was recommended and changed, each of which costs the same however much is in it.

use std::collections::VecDeque;

/// The recommendations that may still be the lowest, or the highest, of a window: each is outdone by none that is newer.
#[derive(Clone, Debug, Default)]
pub(super) struct Extreme(VecDeque<(f64, i32)>);

impl Extreme {
    /// Takes in the newest recommendation, and forgets those that it outdoes.
    pub fn push(&mut self, at: f64, replicas: i32, outdoes: fn(i32, i32) -> bool) {
        while self.0.back().is_some_and(|(_, old)| outdoes(replicas, *old)) {
            self.0.pop_back();
        }
        self.0.push_back((at, replicas));
    }

    /// The extreme of those that are recent enough. The others are forgotten: a window only moves on.
    pub fn since(&mut self, is_recent: impl Fn(f64) -> bool) -> Option<i32> {
        while self.0.front().is_some_and(|(at, _)| !is_recent(*at)) {
            self.0.pop_front();
        }
        self.0.front().map(|(_, replicas)| *replicas)
    }
}

/// How many replicas were added, or taken away.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// When, and how many there had been by then.
    sums: VecDeque<(f64, i64)>,
    /// How many there had been by the last change that was forgotten.
    forgotten: i64,
}

impl Changes {
    /// Takes in the newest change, and forgets those that are older than any policy's period.
    pub fn push(&mut self, at: f64, replicas: i32, oldest: f64) {
        while let Some((_, sum)) = self.sums.pop_front_if(|(at, _)| *at < oldest) {
            self.forgotten = sum;
        }
        self.sums.push_back((at, self.sum() + i64::from(replicas)));
    }

    /// The replicas that were changed after a moment.
    pub fn since(&self, cutoff: f64) -> i32 {
        let old = self.sums.partition_point(|(at, _)| *at <= cutoff);
        let before = old.checked_sub(1).map_or(self.forgotten, |last| self.sums[last].1);
        i32::try_from(self.sum() - before).unwrap_or(i32::MAX)
    }

    fn sum(&self) -> i64 {
        self.sums.back().map_or(self.forgotten, |(_, sum)| *sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extreme_is_that_of_the_window() {
        let mut highest = Extreme::default();
        for (at, replicas) in [(0.0, 5), (1.0, 3), (2.0, 4), (3.0, 1)] {
            highest.push(at, replicas, |new, old| new >= old);
        }
        let since = [-1.0, 0.0, 1.0, 2.0, 3.0].map(|cutoff| highest.since(|at| at > cutoff));
        assert_eq!(since, [Some(5), Some(4), Some(4), Some(1), None]);
    }

    #[test]
    fn changes_are_those_after_a_moment() {
        let mut changes = Changes::default();
        for (at, replicas) in [(0.0, 2), (10.0, 3), (20.0, 4)] {
            changes.push(at, replicas, f64::NEG_INFINITY);
        }
        assert_eq!([-1.0, 0.0, 10.0, 15.0, 20.0].map(|cutoff| changes.since(cutoff)), [9, 7, 4, 4, 0]);
        changes.push(30.0, 1, 15.0);
        assert_eq!([-1.0, 10.0, 20.0].map(|cutoff| changes.since(cutoff)), [5, 5, 1]);
    }
}
