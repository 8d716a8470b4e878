//! `cargo bench --bench http`: the cost of a request, a scrape, the memory and the start of shopfront, compared with a bare axum
//! and a bare hyper server that return the same bytes in the same run. docs/PERFORMANCE.md explains the figures.

mod cores;
mod load;
mod servers;
mod table;

use std::time::Duration;

use cores::Cores;
use load::{Load, Until};
use servers::{Kind, Launcher, Running};
use table::Figure;

/// Each round measures every server, one after the other, in processes of their own.
const ROUNDS: usize = 7;
const STARTS: usize = 31;
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(3);
const CONNECTIONS: usize = 64;
const PACE: Duration = Duration::from_micros(200);
const MANY_REQUESTS: u32 = 1_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(servers::BARE_AXUM) => return servers::bare_axum(),
        Some(servers::BARE_HYPER) => return servers::bare_hyper(),
        _ => {}
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("measures nothing in a test: run `cargo bench --bench http`");
        return;
    }

    let cores = Cores::split();
    let launcher = Launcher::new(cores.clone());
    eprintln!("{cores}: some five minutes …");
    let mut start = Figure::new("From exec to the first answer", "ms").target("≤ 2 × bare axum");
    let mut idle = Figure::new("Resident memory, idle after the start", "MB").target("≤ 6 MB");
    for _ in 0..STARTS {
        for kind in Kind::ALL {
            let (running, to_answer) = launcher.launch(kind);
            start.add(kind, to_answer.as_secs_f64() * 1e3);
            idle.add(kind, running.resident_megabytes());
        }
    }

    let mut flat_out = Figure::new("CPU a request, keep-alive, flat out", "µs").target("≤ 1.10 × bare axum");
    let mut paced = Figure::new("CPU a request, keep-alive, 5,000 a second", "µs");
    let mut unkept = Figure::new("CPU a request, a connection each, flat out", "µs");
    let mut scrape = Figure::new("CPU a scrape of `/metrics`", "µs").target("≤ 100 µs");
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        for kind in Kind::ALL {
            let (server, _) = launcher.launch(kind);
            let many = Load::new(server.address, "/", CONNECTIONS);
            flat_out.add(kind, cpu_micros(&server, many));
            paced.add(kind, cpu_micros(&server, Load::new(server.address, "/", CONNECTIONS).paced(PACE)));
            unkept.add(kind, cpu_micros(&server, Load::new(server.address, "/", CONNECTIONS).unkept()));
            if kind == Kind::Shopfront {
                scrape.add(kind, cpu_micros(&server, Load::new(server.address, "/metrics", 1)));
            }
        }
    }

    let mut busy = Figure::new("Resident memory after 1,000,000 requests, 64 connections open", "MB").target("≤ 10 MB");
    for kind in Kind::ALL {
        eprintln!("a million requests to {}", kind.name());
        let (server, _) = launcher.launch(kind);
        let mut load = Load::new(server.address, "/", CONNECTIONS).open();
        load.run(Until::Answered(MANY_REQUESTS));
        busy.add(kind, server.resident_megabytes());
    }

    println!("{cores}; {} bytes an answer of `/`; medians.\n", launcher.answer_bytes());
    table::print(&[flat_out, paced, unkept, scrape, idle, busy, start]);
}

/// The CPU time that a server spends on one request of this load, user and system, after a warm-up.
fn cpu_micros(server: &Running, load: Load) -> f64 {
    let mut load = load.open();
    load.run(Until::Elapsed(WARM_UP));
    let before = server.cpu_micros();
    let answered = load.run(Until::Elapsed(MEASURED));
    (server.cpu_micros() - before) / f64::from(answered)
}
