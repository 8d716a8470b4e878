//! Whatever is written where others write, nothing panics and nothing grows without bounds: a seeded loop over mutations of
//! good samples.
//!
//! `LOADTEST_FUZZ_CASES` says how many for each target (1,000,000 for a long run, best with `--release`), and
//! `LOADTEST_FUZZ_SEED` where they start. A failure names the seed of its case, with which one case repeats it.

mod bundles;
mod exposition;
#[path = "../support/healthy/mod.rs"]
mod healthy;
mod journals;
mod manifests;
mod mutation;
mod promql;
mod rules;
#[allow(dead_code, reason = "the report's own tests use the rest of it")]
#[path = "../support/journals.rs"]
mod samples;

use std::panic::{AssertUnwindSafe, catch_unwind};

use mutation::Mutation;

/// A number that the environment sets.
fn set(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Runs a target on as many cases as are asked for; few where nothing is asked, so that all take some seconds.
fn cases(few: u64, target: impl Fn(&mut Mutation)) {
    let first = set("LOADTEST_FUZZ_SEED", 1);
    let number = set("LOADTEST_FUZZ_CASES", few);
    for seed in first..first + number {
        let case = catch_unwind(AssertUnwindSafe(|| target(&mut Mutation::new(seed))));
        assert!(case.is_ok(), "LOADTEST_FUZZ_SEED={seed} LOADTEST_FUZZ_CASES=1 repeats it");
    }
    println!("{number} cases from seed {first}");
}
