use loadtest::generator::{Generator, Settings};
use loadtest::journal::Entry;
use loadtest::stats::Total;
use std::time::{Duration, Instant};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let mut s = Settings::new(a[1].parse().unwrap(), a[2].parse().unwrap());
    s.requests_per_connection = a[3].parse().unwrap();
    s.max_in_flight = a[4].parse().unwrap();
    let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut g = Generator::start(s, Instant::now() + Duration::from_millis(10)).unwrap();
    let mut t = Total::default();
    rt.block_on(async {
        while let Some(e) = g.next().await {
            match e {
                Entry::Second(s) => t.add(&s),
                e => println!("{e:?}"),
            }
        }
    });
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(" ").collect();
    let cpu = (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) * 1e4 / t.answered() as f64;
    println!("cpu {cpu:.1}");
    println!(
        "due {} sent {} dropped {} {:?} {:?} {:?} p50 {:?} p99 {:?} late p99 {:?} max {:?}",
        t.due,
        t.sent,
        t.dropped,
        t.statuses,
        t.failures,
        t.pods,
        t.latency.percentile(50.),
        t.latency.percentile(99.),
        t.lateness.percentile(99.),
        t.lateness.longest()
    );
}
