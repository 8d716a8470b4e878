//! The same faults at three speeds cost the same.
//!
//! Fifteen requests per second go to three replicas, five to each:
//!
//! - A replica freezes for 3 s, too short for its probe to fail three times. 15 requests wait, evenly from 0 to 3 s. They
//!   are 2 % of the 750, so the p99 is the wait that half of them exceed: 1.5 s.
//! - Another one freezes for 15 s. It is unready after three probes, which takes 5 s to 7 s: the next one comes within 2 s,
//!   two more follow, and the last waits for 1 s. The 25 to 35 requests until then fail after the timeout of 5 s.
//! - The third one is killed, and restarted. Until the balancer notices it within a second, some 5 requests fail.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Replica, Stopped, replicas, signal};
use crate::{Rehearsal, at, failures, sum};

/// The requests that fail by the arithmetic above, and what the rest of a second may add to each of the three faults: a
/// test knows only whole seconds, and a probe's phase differs from run to run.
const FAILED: std::ops::RangeInclusive<u64> = 20..=55;

/// The most by which two speeds may differ in failed requests.
const APART: u64 = 25;

/// The 99th percentile, in seconds: 1.5 s, give or take a second in which the replica freezes or goes on, and at speed 20
/// another 0.4 s that a wait is shown too short.
const P99: std::ops::Range<f64> = 0.6..2.7;

/// The median, in seconds: an answer that waits for nothing. On a busy machine it takes some of its milliseconds, each of which
/// is 20 at that speed.
const P50: f64 = 1.0;

/// What came of it.
struct Outcome {
    speed: u32,
    failed: u64,
    p50: f64,
    p99: f64,
}

async fn second(rehearsal: &mut Rehearsal, from: f64) {
    rehearsal.until("time passes", |entry| entry["entry"] == "second" && at(entry) + 1.0 >= from).await;
}

async fn broken_at(speed: u32) -> Outcome {
    let mut rehearsal = Rehearsal::start_at(speed, 3, "--stage 15rps:50s --timeout 5s");
    rehearsal.until("three replicas are ready", |entry| entry["ready"] == 3).await;
    let [short, long, killed]: [Replica; 3] = replicas(rehearsal.pid()).try_into().expect("three replicas");
    second(&mut rehearsal, 6.0).await;
    let stopped = Stopped::new(short.pid);
    second(&mut rehearsal, 9.0).await;
    drop(stopped);
    second(&mut rehearsal, 16.0).await;
    let stopped = Stopped::new(long.pid);
    second(&mut rehearsal, 31.0).await;
    drop(stopped);
    second(&mut rehearsal, 42.0).await;
    signal(killed.pid, Signal::KILL);
    rehearsal.until("the load ends", |entry| entry["entry"] == "end").await;

    let seconds = || rehearsal.entries.iter().filter(|entry| entry["entry"] == "second");
    let failed = seconds().map(failures).sum();
    assert!(seconds().all(|second| second["dropped"] == 0), "at speed {speed}");
    let mut latency: Vec<u64> = Vec::new();
    for bucket in seconds().flat_map(|second| second["latency"].as_array().into_iter().flatten()) {
        let [micros, count] = [0, 1].map(|place| bucket[place].as_u64().expect("a number"));
        latency.extend((0..count).map(|_| micros));
    }
    latency.sort_unstable();
    let answered: u64 = seconds().map(|second: &Value| sum(&second["statuses"])).sum();
    assert_eq!((latency.len() as u64, answered + failed), (answered, 750), "at speed {speed}");
    let quantile = |quantile: usize| Duration::from_micros(latency[latency.len() * quantile / 100]).as_secs_f64();
    Outcome { speed, failed, p50: quantile(50), p99: quantile(99) }
}

#[tokio::test]
async fn faults_cost_the_same_at_every_speed() {
    let (real, five, twenty) = tokio::join!(broken_at(1), broken_at(5), broken_at(20));
    let all = [real, five, twenty];
    for Outcome { speed, failed, p50, p99 } in &all {
        println!("speed {speed}: {failed} failed, p50 {p50:.4} s, p99 {p99:.2} s");
    }
    for Outcome { speed, failed, p50, p99 } in &all {
        assert!(FAILED.contains(failed), "at speed {speed}: {failed} failed");
        assert!(*p50 < P50, "at speed {speed}: p50 {p50} s");
        assert!(P99.contains(p99), "at speed {speed}: p99 {p99} s");
    }
    let failed = || all.iter().map(|outcome| outcome.failed);
    let apart = failed().max().unwrap_or(0) - failed().min().unwrap_or(0);
    assert!(apart <= APART, "{apart} apart");
}
