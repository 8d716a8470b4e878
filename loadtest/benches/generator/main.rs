//! `cargo bench -p loadtest --bench generator`: what a request costs this generator beside `oha`, on the same target in
//! the same run, and how punctual it is. Some three minutes.

#[path = "../../../benches/http/cores.rs"]
mod cores;
mod run;
mod server;

use cores::Cores;
use run::{Load, Result};
use server::Server;

/// In each round each generator has each load, one after the other.
const ROUNDS: usize = 5;
const AT_ONCE: u32 = 64;
/// A rate at which a generator is mostly idle, and one that a core has to hold with a connection for each request.
const PACED: u32 = 1_000;
const MANY: u32 = 5_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some((run::CHILD, rest)) => return run::child(rest),
        Some((run::SLEEP, rest)) => return run::sleep(rest),
        _ => {}
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("measures nothing in a test: run `cargo bench -p loadtest --bench generator`");
        return;
    }

    let target = server::target_directory();
    let oha = server::oha(&target);
    let shopfront = server::build(&target);
    // From here on this thread, and with it each generator that it starts, has the load's core.
    let cores = Cores::split();
    let server = Server::start(&cores, &shopfront);
    eprintln!("{cores}: some three minutes …");
    let loads = [
        ("1,000 a second, kept connections", Some(PACED), true),
        ("1,000 a second, a connection each", Some(PACED), false),
        ("flat out, kept connections", None, true),
        ("flat out, a connection each", None, false),
    ]
    .map(|(name, rate, keep_alive)| (name, Load { rate, keep_alive, seconds: 3, at_once: AT_ONCE }));
    let many = Load { rate: Some(MANY), keep_alive: false, seconds: 3, at_once: MANY };

    let mut pairs: [Vec<(Result, Result)>; 4] = Default::default();
    let (mut held, mut asleep) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        for ((_, load), pairs) in loads.iter().zip(&mut pairs) {
            // Alternately the first, so that neither profits from its place.
            let first = (round % 2 == 0).then(|| run::ours(&server.url, *load));
            let theirs = run::oha(&oha, &server.url, *load);
            let ours = first.unwrap_or_else(|| run::ours(&server.url, *load));
            pairs.push((ours, theirs));
        }
        held.push(run::ours(&server.url, many));
        asleep.push(run::bare_sleep(loads[0].1));
    }

    println!("{cores}; medians of {ROUNDS} rounds.\n");
    println!("| CPU a request | loadtest | oha | loadtest ÷ oha | target |");
    println!("|---|--:|--:|--:|---|");
    for ((name, _), pairs) in loads.iter().zip(&pairs) {
        let ours = median(pairs.iter().map(|(ours, _)| ours.cpu_micros_a_request));
        let theirs = median(pairs.iter().map(|(_, theirs)| theirs.cpu_micros_a_request));
        let ratio = median(pairs.iter().map(|(ours, theirs)| ours.cpu_micros_a_request / theirs.cpu_micros_a_request));
        println!("| {name} | {ours:.1} µs | {theirs:.1} µs | {ratio:.2} | ≤ 1 |");
    }
    let [paced, ..] = &pairs;
    let lateness =
        |results: &mut dyn Iterator<Item = &Result>| median(results.map(|result| result.lateness_p99_micros));
    println!("\n| Punctuality | loadtest | target |");
    println!("|---|--:|---|");
    let micros = lateness(&mut paced.iter().map(|(ours, _)| ours));
    println!("| own lateness at 1,000 a second, 99th percentile | {micros:.0} µs | < 1,000 µs |");
    let micros = median(asleep.into_iter());
    println!("| a bare sleep's, in the same rounds on the same core | {micros:.0} µs | |");
    let answered = median(held.iter().map(Result::answers)) / f64::from(many.seconds);
    println!("| answered a second of 5,000 with a connection each, on one core | {answered:.0} | 5,000 |");
    let micros = lateness(&mut held.iter());
    println!("| own lateness at 5,000 a second, 99th percentile | {micros:.0} µs | |");
    let lost: u64 = held.iter().map(|result| result.failed + result.dropped).sum();
    println!("| failed or dropped at 5,000 a second, all rounds | {lost} | 0 |");
}

fn median(samples: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = samples.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
