//! `rate()` and `irate()` as the model has them, against a real Prometheus that holds the same samples.

mod prometheus;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fastrand::Rng;
use loadtest::autoscaling::rate::{Function, Sample};
use prometheus::Prometheus;

/// When the samples start: Unix time in seconds.
const START: i64 = 1_750_000_000;
const SERIES: usize = 2400;

#[tokio::test]
async fn rates_are_what_prometheus_says() {
    let seed = 20_260_124;
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let mut series = Vec::new();
    let mut text = String::from("# TYPE requests counter\n");
    for number in 0..SERIES {
        series.push(counter(&mut rng, number, &mut text));
    }
    text.push_str("# EOF\n");
    let prometheus = Prometheus::holding(&text).await;
    println!("Prometheus {}.{}", prometheus.version.0, prometheus.version.1);

    let (mut compared, mut absent, mut left_out, mut worst) = (0, 0, 0, 0.0_f64);
    for instant in [90_000, 247_500, 600_000, 600_250, 1_000_000, 1_300_000, 1_450_750] {
        for window in [30_000, 60_000, 120_000, 300_000] {
            let at = START * 1000 + instant;
            for function in [Function::Rate, Function::Irate] {
                let query = format!("{}(requests_total[{window}ms])", function.name());
                let real = prometheus.query(&query, at).await;
                for (number, samples) in series.iter().enumerate() {
                    if prometheus.differs_from_3(samples, at, window) {
                        left_out += 1;
                        continue;
                    }
                    let (ours, real) = (function.of(samples, at, window), real.get(&number).copied());
                    let what = || format!("series {number}, {query} at {instant} ms: {ours:?}, Prometheus {real:?}");
                    match (ours, real) {
                        (Some(ours), Some(real)) => {
                            let off = (ours - real).abs() / real.abs().max(1e-12);
                            assert!(off < 1e-9, "{}", what());
                            worst = worst.max(off);
                            compared += 1;
                        }
                        (None, None) => absent += 1,
                        _ => panic!("{}", what()),
                    }
                }
            }
        }
    }
    println!("{compared} values equal (largest relative distance {worst:e}), {absent} equally absent");
    println!("{left_out} left out, which this version of Prometheus counts otherwise than 3 does");
    assert!(compared > 20_000 && absent > 1000, "the samples hardly test anything: {compared} and {absent}");
    assert!(left_out * 5 < compared, "too many are left out");
}

/// A counter's life: an interval of its own, jitter, gaps, resets, a start and an end inside or outside the windows.
fn counter(rng: &mut Rng, number: usize, text: &mut String) -> Vec<Sample> {
    let interval = *rng.choice(&[5.0, 10.0, 15.0, 30.0]).unwrap();
    // Half of the series without jitter, at quarters of a second, so that samples lie on the windows' very borders.
    let jitter = if rng.bool() { 0.0 } else { rng.f64() * 0.3 };
    let mut due = if rng.bool() { 0.0 } else { (rng.f64() * 3600.0).floor() / 4.0 };
    let end = if rng.bool() { 1500.0 } else { due + rng.f64() * 900.0 };
    let step = *rng.choice(&[0.0, 0.3, 2.0, 50.0, 1e6]).unwrap();
    let (gaps, resets) = (rng.f64() * 0.2, rng.f64() * 0.05);
    let mut value = if rng.bool() { 0.0 } else { (rng.f64() * 1e4).floor() };
    let mut samples: Vec<Sample> = Vec::new();
    while due < end {
        #[expect(clippy::cast_precision_loss, reason = "a Unix time")]
        let written = format!("{:.3}", START as f64 + due + rng.f64() * jitter * interval);
        // The arithmetic of Prometheus' parser, which cuts off what is no whole millisecond.
        #[expect(clippy::cast_possible_truncation, reason = "a Unix time in milliseconds")]
        let at = (written.parse::<f64>().unwrap() * 1000.0) as i64;
        if samples.last().is_none_or(|last| last.at < at) {
            writeln!(text, "requests_total{{number=\"{number}\"}} {value} {written}").unwrap();
            samples.push(Sample { at, value });
        }
        while rng.f64() < gaps {
            due += interval;
        }
        due += interval;
        value = if rng.f64() < resets { 0.0 } else { value };
        value += if rng.bool() { (rng.f64() * step).floor() } else { rng.f64() * step };
    }
    samples
}

/// What a query answers: the value of each series.
type Answer = BTreeMap<usize, f64>;
