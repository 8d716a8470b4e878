//! When each request is due: a pure function of the profile, the spacing and a seed.
//!
//! Time is counted in the profile's own seconds since its start. Every moment is computed from the rate's integral, not
//! from the moment before it, so that nothing drifts however long a profile is.

use fastrand::Rng;

use crate::profile::{Profile, Spacing};

/// The part of a schedule that one of several generators sends. Together, the parts are the whole schedule, provided
/// that all have the same profile, spacing and seed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Share {
    index: u32,
    of: u32,
}

impl Default for Share {
    /// The whole schedule.
    fn default() -> Self {
        Self { index: 0, of: 1 }
    }
}

impl Share {
    /// The share of generator `index`, counted from 0, of `of`; none if there are not that many.
    pub fn new(index: u32, of: u32) -> Option<Self> {
        (index < of).then_some(Self { index, of })
    }

    /// The part of this share that one of several threads sends.
    #[must_use]
    pub const fn part(self, thread: u32, threads: u32) -> Self {
        Self { index: self.index + thread * self.of, of: self.of * threads }
    }

    /// Which generator it is, counted from 0.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// How many generators there are.
    pub const fn of(self) -> u32 {
        self.of
    }
}

/// The moments at which requests are due, in their order: seconds since the profile's start.
///
/// With even spacing, request i (from 0) is due when the rate's integral reaches i: the first at once, and none at the
/// end of a stage unless the next stage has one. As a Poisson process, the integral grows by an exponentially
/// distributed step with a mean of 1 from one request to the next.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The stages with a rate above 0.
    pieces: Vec<Piece>,
    current: usize,
    steps: Steps,
}

/// A stage as a piece of the rate's integral.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// When it starts.
    start: f64,
    seconds: f64,
    /// The rate at its start, and by how much it grows in a second.
    rate: f64,
    growth: f64,
    /// The integral at its start and its end.
    before: f64,
    after: f64,
}

/// The value of the integral at the next request.
#[derive(Clone, Debug)]
enum Steps {
    Even { next: u64, by: u64 },
    Poisson { at: f64, random: Rng, skip: u32, of: u32 },
}

impl Schedule {
    /// The schedule of a profile, or a share of it. Only a Poisson process uses the seed.
    pub fn new(profile: &Profile, spacing: Spacing, seed: u64, share: Share) -> Self {
        let mut pieces = Vec::new();
        let (mut start, mut before) = (0.0, 0.0);
        for stage in &profile.stages {
            let after = snap(before + f64::midpoint(stage.from, stage.to) * stage.seconds);
            if after > before {
                let growth = (stage.to - stage.from) / stage.seconds;
                pieces.push(Piece { start, seconds: stage.seconds, rate: stage.from, growth, before, after });
                before = after;
            }
            start += stage.seconds;
        }
        let steps = match spacing {
            Spacing::Even => Steps::Even { next: u64::from(share.index), by: u64::from(share.of) },
            Spacing::Poisson => {
                Steps::Poisson { at: 0.0, random: Rng::with_seed(seed), skip: share.index, of: share.of }
            }
        };
        Self { pieces, current: 0, steps }
    }
}

impl Iterator for Schedule {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let integral = self.steps.next();
        while self.pieces.get(self.current)?.after <= integral {
            self.current += 1;
        }
        Some(self.pieces[self.current].moment(integral))
    }
}

impl Steps {
    #[allow(clippy::cast_precision_loss, reason = "2^53 requests take some hundred years at the highest rate")]
    fn next(&mut self) -> f64 {
        match self {
            Self::Even { next, by } => {
                let integral = *next as f64;
                *next += *by;
                integral
            }
            Self::Poisson { at, random, skip, of } => {
                for _ in 0..=std::mem::replace(skip, *of - 1) {
                    // 1 - [0, 1) is never 0, whose logarithm would be infinite.
                    *at -= (1.0 - random.f64()).ln();
                }
                *at
            }
        }
    }
}

impl Piece {
    /// When the integral reaches this value: the root of `rate·t + growth·t²/2 = value - before`, in the form that
    /// neither divides by a growth of 0 nor loses digits where the growth is small.
    fn moment(&self, integral: f64) -> f64 {
        let value = integral - self.before;
        if value <= 0.0 {
            return self.start;
        }
        let discriminant = self.rate.mul_add(self.rate, 2.0 * self.growth * value).max(0.0);
        let into = 2.0 * value / (self.rate + discriminant.sqrt());
        self.start + into.min(self.seconds)
    }
}

/// Corrects a rounding error next to a whole number, so that 0.1 requests per second for 30 seconds are 3 requests.
fn snap(integral: f64) -> f64 {
    let whole = integral.round();
    if (integral - whole).abs() < 1e-9 * whole.max(1.0) { whole } else { integral }
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "small numbers, and moments that have to be exact"
)]
mod tests {
    use super::*;

    fn schedule(stages: &str, spacing: Spacing, share: Share) -> Schedule {
        Schedule::new(&stages.parse().unwrap(), spacing, 7, share)
    }

    fn even(stages: &str) -> Vec<f64> {
        schedule(stages, Spacing::Even, Share::default()).collect()
    }

    fn poisson(stages: &str) -> Vec<f64> {
        schedule(stages, Spacing::Poisson, Share::default()).collect()
    }

    #[test]
    fn at_a_constant_rate_request_i_is_due_at_i_divided_by_the_rate() {
        assert_eq!(even("4rps:1s"), [0.0, 0.25, 0.5, 0.75]);
        assert_eq!(even("0.5rps:4s"), [0.0, 2.0]);
    }

    #[test]
    fn requests_match_the_integral_in_order_and_within_their_stage() {
        for stages in ["15rps:3m", "0.1rps:30s", "0..10rps:7s", "10rps..0:7s", "3rps:10s 0:20s 1rps..9rps:11s 7rps:1s"]
        {
            let profile: Profile = stages.parse().unwrap();
            let all = even(stages);
            let integral = snap(profile.due_by(profile.seconds()));
            assert_eq!(all.len() as f64, integral.ceil(), "{stages}");
            assert!(all.is_sorted_by(|a, b| a < b), "{stages}");
            assert!(all.iter().all(|at| (0.0..profile.seconds()).contains(at)), "{stages}");
            for (i, at) in all.iter().enumerate() {
                assert!((profile.due_by(*at) - i as f64).abs() < 1e-6, "{stages}: request {i} is due at {at}");
            }
        }
    }

    #[test]
    fn silence_has_no_request_and_the_next_stage_starts_on_time() {
        assert_eq!(even("0:10s 2rps:1s"), [10.0, 10.5]);
        assert_eq!(even("2rps:1s 0:10s 1rps:2s"), [0.0, 0.5, 11.0, 12.0]);
        assert_eq!(even("0:10s").len() + poisson("0:10s").len(), 0);
        assert!(poisson("5rps:10s 0:10s 5rps:10s").iter().all(|at| !(10.0..20.0).contains(at)));
    }

    #[test]
    fn a_ramp_from_nothing_grows_with_the_root() {
        let all = even("0..10rps:10s");
        assert_eq!(all.len(), 50);
        assert!((all[1] - 2f64.sqrt()).abs() < 1e-12 && (all[49] - 98f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn ten_million_requests_do_not_drift() {
        let last = schedule("1000rps:10000s", Spacing::Even, Share::default()).last().unwrap();
        assert!((last - 9_999.999).abs() < 1e-9, "{last}");
    }

    #[test]
    fn a_poisson_process_has_the_mean_and_the_variance_of_one() {
        let all = poisson("50rps:10000s");
        assert!((all.len() as f64 - 500_000.0).abs() < 3.0 * 500_000f64.sqrt(), "{}", all.len());
        let mut counts = vec![0.0; 10_000];
        for at in &all {
            counts[*at as usize] += 1.0;
        }
        let mean = counts.iter().sum::<f64>() / 10_000.0;
        let variance = counts.iter().map(|count: &f64| (count - mean).powi(2)).sum::<f64>() / 10_000.0;
        assert!((variance / mean - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
    }

    #[test]
    fn the_seed_determines_a_poisson_process() {
        let profile: Profile = "5rps:10s".parse().unwrap();
        let all = |seed| Schedule::new(&profile, Spacing::Poisson, seed, Share::default()).collect::<Vec<_>>();
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
    }

    #[test]
    fn the_shares_together_are_the_whole() {
        for spacing in [Spacing::Even, Spacing::Poisson] {
            let whole: Vec<f64> = schedule("1rps..20rps:10s", spacing, Share::default()).collect();
            let parts = (0..3).map(|index| schedule("1rps..20rps:10s", spacing, Share::new(index, 3).unwrap()));
            let mut joined: Vec<f64> = parts.flatten().collect();
            let part = |thread| Share::new(1, 3).unwrap().part(thread, 2);
            let threads = (0..2).flat_map(|thread| schedule("1rps..20rps:10s", spacing, part(thread)));
            let mut threads: Vec<f64> = threads.collect();
            threads.sort_by(f64::total_cmp);
            assert!(threads.into_iter().eq(schedule("1rps..20rps:10s", spacing, Share::new(1, 3).unwrap())));
            joined.sort_by(f64::total_cmp);
            assert_eq!(joined, whole);
        }
    }

    #[test]
    fn a_share_is_one_of_as_many_as_there_are() {
        assert!(Share::new(0, 1).is_some() && Share::new(2, 3).is_some());
        assert!(Share::new(3, 3).is_none() && Share::new(0, 0).is_none());
    }
}
