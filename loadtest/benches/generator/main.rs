//! `cargo bench -p loadtest --bench generator`: what a request costs this generator beside oha, wrk and k6, on the same targets
//! in the same run; how punctual it is; and how it scales. Some ten minutes with all of them.

#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/support/authority.rs"]
mod authority;
#[path = "../../../benches/http/cores.rs"]
mod cores;
mod rivals;
mod run;
mod server;
mod tls;

use cores::Cores;
use rivals::Rival;
use run::{Load, Result};
use server::Server;
use tls::Tls;

/// In each round each generator has each load, one after the other.
const ROUNDS: usize = 5;
const AT_ONCE: u32 = 64;
/// A rate at which a generator is mostly idle, and one that a core has to hold with a connection for each request.
const PACED: u32 = 1_000;
const MANY: u32 = 5_000;

/// A row of the table: its load, and what each generator made of it in each round.
struct Row {
    name: String,
    url: String,
    load: Load,
    ours: Vec<Result>,
    theirs: Vec<Vec<Option<Result>>>,
}

/// The loads of a target.
fn rows(target: &str, url: &str, rivals: usize) -> Vec<Row> {
    let load = |rate, keep_alive, closed| Load { rate, keep_alive, seconds: 3, at_once: AT_ONCE, closed, threads: 1 };
    let loads = [
        ("1,000 a second, kept connections", load(Some(PACED), true, false)),
        ("1,000 a second, a connection each", load(Some(PACED), false, false)),
        ("flat out, kept connections", load(None, true, false)),
        ("flat out, a connection each", load(None, false, false)),
        ("closed loop, kept connections", load(None, true, true)),
    ];
    let row = |(name, load)| Row {
        name: format!("{target}{name}"),
        url: url.to_owned(),
        load,
        ours: Vec::new(),
        theirs: (0..rivals).map(|_| Vec::new()).collect(),
    };
    loads.into_iter().map(row).collect()
}

impl Row {
    fn measure(&mut self, rivals: &[Rival], is_first: bool) {
        // Alternately the first, so that neither profits from its place.
        let first = is_first.then(|| run::ours(&self.url, self.load));
        for (rival, results) in rivals.iter().zip(&mut self.theirs) {
            results.push(rival.run(&self.url, self.load));
        }
        self.ours.push(first.unwrap_or_else(|| run::ours(&self.url, self.load)));
    }

    fn print(&self) {
        let ours = median(self.ours.iter().map(|ours| ours.cpu_micros_a_request));
        let cells = self.theirs.iter().map(|results| {
            let known: Vec<f64> = results.iter().flatten().map(|result| result.cpu_micros_a_request).collect();
            if known.is_empty() { " |".to_owned() } else { format!(" {:.1} µs |", median(known.into_iter())) }
        });
        let cells: String = cells.collect();
        let pairs = self.ours.iter().zip(&self.theirs[0]);
        let ratios =
            pairs.filter_map(|(ours, oha)| Some(ours.cpu_micros_a_request / oha.as_ref()?.cpu_micros_a_request));
        println!("| {} | {ours:.1} µs |{cells} {:.2} | ≤ 1 |", self.name, median(ratios));
    }
}

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
    let rivals = Rival::found(&target);
    let shopfront = server::build(&target);
    let all = run::cores();
    // From here on this thread, and with it each generator that it starts, has the load's core.
    let cores = Cores::split();
    let server = Server::start(&cores, &shopfront);
    let secure = Tls::start(&cores);
    let mut rows = self::rows("", &server.url, rivals.len());
    if let Some(secure) = &secure {
        rows.extend(self::rows("TLS, ", &secure.url, rivals.len()));
    }
    eprintln!("{cores}: {} loads, {} rounds …", rows.len(), ROUNDS);
    let paced = rows[0].load;
    let many = Load { rate: Some(MANY), keep_alive: false, at_once: MANY, ..paced };
    let flat = rows[2].load;
    let (mut held, mut asleep, mut threads) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        for row in &mut rows {
            row.measure(&rivals, round % 2 == 0);
        }
        held.push(run::ours(&server.url, many));
        asleep.push(run::bare_sleep(paced));
        threads.push([flat, paced].map(|load| run::ours_on(&all, &server.url, Load { threads: 2, ..load })));
    }

    let names: Vec<_> = rivals.iter().map(rivals::Rival::name).collect();
    println!("{cores}; medians of {ROUNDS} rounds.\n");
    println!("| CPU a request | loadtest | {} | loadtest ÷ oha | target |", names.join(" | "));
    println!("|---|--:|{}--:|---|", "--:|".repeat(rivals.len()));
    rows.iter().for_each(Row::print);
    punctuality(&rows, &held, &asleep);
    println!("\n| Two threads | throughput for the same CPU time, to twice that of one | target |");
    println!("|---|--:|---|");
    for (index, (name, row)) in [("flat out", &rows[2]), ("1,000 a second", &rows[0])].into_iter().enumerate() {
        let pairs = row.ours.iter().zip(&threads);
        // With the same CPU time for each request, two cores send twice as much.
        let scale = pairs.map(|(one, two)| 2.0 * one.cpu_micros_a_request / two[index].cpu_micros_a_request);
        println!("| {name}, kept connections | {:.2} × one thread's | ≥ 1.8 |", median(scale));
    }
}

fn punctuality(rows: &[Row], held: &[Result], asleep: &[f64]) {
    let lateness = |results: &[Result]| median(results.iter().map(|result| result.lateness_p99_micros));
    let lost = |results: &[Result]| results.iter().map(|result| result.failed + result.dropped).sum::<u64>();
    println!("\n| Punctuality | loadtest | target |");
    println!("|---|--:|---|");
    println!("| own lateness at 1,000 a second, 99th percentile | {:.0} µs | < 1,000 µs |", lateness(&rows[0].ours));
    let micros = median(asleep.iter().copied());
    println!("| a bare sleep's, in the same rounds on the same core | {micros:.0} µs | |");
    let answered = median(held.iter().map(Result::answers)) / 3.0;
    println!("| answered a second of 5,000 with a connection each, on one core | {answered:.0} | 5,000 |");
    println!("| own lateness at 5,000 a second, 99th percentile | {:.0} µs | |", lateness(held));
    println!("| failed or dropped at 5,000 a second, all rounds | {} | 0 |", lost(held));
    if let Some(each) = rows.iter().find(|row| row.name.starts_with("TLS, 1,000 a second, a connection")) {
        println!(
            "| own lateness at 1,000 new TLS connections a second | {:.0} µs | < 1,000 µs |",
            lateness(&each.ours)
        );
        println!("| failed or dropped there, all rounds | {} | 0 |", lost(&each.ours));
    }
}

fn median(samples: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = samples.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
