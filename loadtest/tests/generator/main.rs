//! The generator on real sockets.

mod closed;
mod requests;
mod stalls;
mod target;

use std::time::{Duration, Instant};

use loadtest::generator::{Generator, Settings};
use loadtest::journal::{End, Entry, Event, ObservedEvent, Second};
use loadtest::schedule::Share;
use loadtest::stats::{Total, join_seconds};
use target::{Reply, Target, document};

/// How long a test may take in all.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a load came to.
struct Outcome {
    seconds: Vec<Second>,
    events: Vec<Event>,
    total: Total,
    end: End,
}

impl Outcome {
    fn failures(&self) -> Vec<(&str, u64)> {
        self.total.failures.iter().map(|(cause, count)| (cause.as_str(), *count)).collect()
    }

    /// Each request is where it belongs, whatever became of it.
    fn assert_adds_up(&self) {
        let Total { due, sent, dropped, .. } = self.total;
        assert_eq!(due, sent + dropped);
        assert_eq!(sent, self.total.answered() + self.total.unanswered());
        assert_eq!(self.total.lateness.count(), sent);
        assert_eq!(self.total.latency.count(), self.total.answered());
        assert_eq!(self.seconds.last().unwrap().in_flight, 0);
        assert!(self.seconds.is_sorted_by(|a, b| a.at < b.at));
    }
}

fn settings(url: &str, profile: &str) -> Settings {
    Settings::new(url.parse().unwrap(), profile.parse().unwrap())
}

async fn run(settings: Settings) -> Outcome {
    outcome(Generator::start(settings, Instant::now()).unwrap()).await
}

async fn outcome(mut generator: Generator) -> Outcome {
    let (mut seconds, mut events, mut total) = (Vec::new(), Vec::new(), Total::default());
    let end = async {
        loop {
            match generator.next().await.expect("an end comes last") {
                Entry::Second(second) => {
                    total.add(&second);
                    seconds.push(second);
                }
                Entry::Event(event) => events.push(event),
                Entry::End(end) => break end,
                other => panic!("{other:?} is nothing that a generator says"),
            }
        }
    };
    let end = tokio::time::timeout(PATIENCE, end).await.expect("the load ends in time");
    assert!(generator.next().await.is_none(), "nothing comes after the end");
    Outcome { seconds, events, total, end }
}

#[tokio::test]
async fn latency_counts_from_when_a_request_was_due() {
    let target = Target::friendly().await;
    let late = Instant::now().checked_sub(Duration::from_millis(500)).unwrap();
    let outcome = outcome(Generator::start(settings(&target.url(), "100rps:1s"), late).unwrap()).await;
    outcome.assert_adds_up();
    // As if the generator had been asleep for half a second.
    let longest = outcome.total.latency.seconds(1.0).unwrap();
    assert!(longest >= 0.5 && longest >= outcome.total.lateness.seconds(1.0).unwrap());
    assert_eq!(outcome.seconds[0].due, 100);
    assert_eq!(outcome.total.answered(), 100);
}

#[tokio::test]
async fn requests_beyond_the_connection_limit_are_dropped_and_counted() {
    let target = Target::start(|_| Reply::Stall).await;
    let timeout = Duration::from_millis(1_500);
    let outcome = run(Settings { max_in_flight: 5, timeout, ..settings(&target.url(), "100rps:1s") }).await;
    outcome.assert_adds_up();
    let Total { due, sent, dropped, .. } = outcome.total;
    assert_eq!((due, sent, dropped), (100, 5, 95));
    assert_eq!(outcome.seconds[0].in_flight, 5);
}

#[tokio::test]
async fn freed_connections_take_requests_again() {
    let target = Target::friendly().await;
    // A busy machine needs longer for as many answers.
    let mut last = None;
    for millis in [500, 4_000, 30_000] {
        let profile = format!("100000rps:{millis}ms");
        let outcome = run(Settings { max_in_flight: 2, ..settings(&target.url(), &profile) }).await;
        outcome.assert_adds_up();
        assert_eq!(outcome.total.due, 100 * millis);
        if last.insert(outcome).total.answered() > 100 {
            break;
        }
    }
    let outcome = last.expect("it ran");
    assert!(outcome.total.dropped > 0 && outcome.total.answered() > 100, "{} answers", outcome.total.answered());
}

#[tokio::test]
async fn each_request_has_its_own_connection_by_default() {
    let target = Target::friendly().await;
    let outcome = run(settings(&format!("{}a?b=c", target.url()), "100rps:500ms")).await;
    outcome.assert_adds_up();
    let heads = target.heads();
    assert_eq!((heads.len(), heads.iter().filter(|heads| heads.len() == 1).count()), (50, 50));
    let head = heads[0][0].as_str();
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nhost: {}\r\n", target.address)), "{head}");
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
}

#[tokio::test]
async fn a_connection_is_closed_after_its_requests() {
    let target = Target::friendly().await;
    let outcome = run(Settings { requests_per_connection: 10, ..settings(&target.url(), "100rps:1s") }).await;
    outcome.assert_adds_up();
    assert_eq!(outcome.total.statuses[&200], 100);
    let heads = target.heads();
    // More than ten where requests were under way at once: latency counts from when they were due, 10 ms apart.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test's latency is short")]
    let at_once = 2 + (outcome.total.latency.seconds(1.0).unwrap() / 0.01) as usize;
    assert!((10..=10 + at_once).contains(&heads.len()), "{} connections, {at_once} at once", heads.len());
    assert!(heads.iter().all(|heads| heads.len() <= 10));
    for head in heads.iter().flat_map(|heads| heads.iter().take(9)) {
        assert!(!head.contains("connection: close"), "{head}");
    }
}

#[tokio::test]
async fn a_pooled_connection_closed_by_the_server_is_replaced_without_a_failure() {
    let announced = document(200, "web-1").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    for answer in [announced, document(200, "web-1")] {
        let target = Target::start(move |_| Reply::Last(answer.clone())).await;
        let outcome = run(Settings { requests_per_connection: 1_000, ..settings(&target.url(), "20rps:1s") }).await;
        outcome.assert_adds_up();
        assert_eq!((outcome.total.statuses[&200], outcome.failures().len()), (20, 0));
        assert_eq!(target.heads().len(), 20);
    }
}

#[tokio::test]
async fn a_lost_request_is_a_failure_and_is_not_retried() {
    // The second on each connection gets nothing but the connection's end.
    let target = Target::start(|before| match before % 2 {
        0 => Reply::Answer(document(200, "web-1")),
        _ => Reply::Last(String::new()),
    })
    .await;
    let outcome = run(Settings { requests_per_connection: 1_000, ..settings(&target.url(), "20rps:1s") }).await;
    outcome.assert_adds_up();
    assert_eq!(outcome.failures(), [("closed before the answer's end", 10)]);
    assert_eq!(target.heads().iter().map(Vec::len).sum::<usize>(), 20);
}

#[tokio::test]
async fn each_failure_is_counted_by_its_cause() {
    let whole = document(200, "web-1");
    for (reply, cause) in [
        (Reply::Reset, "connection reset"),
        (Reply::Last(String::new()), "closed before the answer's end"),
        (Reply::Last(whole[..whole.len() - 3].to_owned()), "closed before the answer's end"),
        (Reply::Last("220 mail.example ESMTP\r\n".to_owned()), "malformed answer"),
    ] {
        let target = Target::start(move |_| reply.clone()).await;
        let outcome = run(settings(&target.url(), "50rps:200ms")).await;
        outcome.assert_adds_up();
        assert_eq!(outcome.failures(), [(cause, 10)]);
    }
}

#[tokio::test]
async fn a_refused_connection_fails_the_request_as_connection_refused() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let outcome = run(settings(&url, "50rps:200ms")).await;
    outcome.assert_adds_up();
    assert_eq!(outcome.failures(), [("connection refused", 10)]);
}

#[tokio::test]
async fn a_name_without_an_address_is_reported_once_and_fails_each_request() {
    let outcome =
        run(Settings { timeout: Duration::from_secs(30), ..settings("http://no-such-host.invalid/", "50rps:200ms") })
            .await;
    outcome.assert_adds_up();
    assert_eq!(outcome.failures(), [("no such host", 10)]);
    let (examples, events): (Vec<_>, Vec<_>) =
        outcome.events.iter().partition(|event| matches!(event.what, ObservedEvent::FirstFailure { .. }));
    let ([_], [event]) = (examples.as_slice(), events.as_slice()) else { panic!("{:?}", outcome.events) };
    assert!(
        matches!(&event.what, ObservedEvent::HostUnresolved { host, keeps_addresses: false, .. }
            if host == "no-such-host.invalid"),
        "{event:?}"
    );
}

#[tokio::test]
async fn a_name_is_reached_at_its_address_that_listens() {
    let target = Target::friendly().await;
    // On most machines this has an IPv6 address too, where the target does not listen.
    let url = format!("http://localhost:{}/", target.address.port());
    let outcome = run(settings(&url, "50rps:200ms")).await;
    outcome.assert_adds_up();
    assert_eq!(outcome.total.statuses[&200], 10);
}

#[tokio::test]
async fn statuses_and_pods_are_counted() {
    let target = Target::start(|before| {
        Reply::Answer(match before % 4 {
            0 => document(500, "web-1"),
            1 => "HTTP/1.1 204 x\r\n\r\n".to_owned(),
            _ => document(200, "web-2"),
        })
    })
    .await;
    let outcome = run(settings(&target.url(), "80rps:500ms")).await;
    outcome.assert_adds_up();
    assert_eq!(outcome.total.statuses, [(200, 20), (204, 10), (500, 10)].into());
    assert_eq!(outcome.total.pods, [("web-1".to_owned(), 10), ("web-2".to_owned(), 20)].into());
    assert!(outcome.failures().is_empty());
}

#[tokio::test]
async fn stopping_ends_promptly_and_counts_what_was_in_flight() {
    let target = Target::friendly().await;
    let mut generator = Generator::start(settings(&target.url(), "100rps:1h"), Instant::now()).unwrap();
    let Some(Entry::Second(first)) = generator.next().await else { panic!("a second comes first") };
    let stopped = Instant::now();
    generator.stop();
    let outcome = outcome(generator).await;
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
    assert!(outcome.end.interrupted);
    assert_eq!(first.due, 100);
    assert_eq!(first.sent + outcome.total.sent, target.heads().len() as u64);
    assert_eq!(outcome.seconds.last().unwrap().in_flight, 0);
}

#[tokio::test]
async fn compressed_time_sends_the_whole_profile_in_its_own_seconds() {
    let target = Target::friendly().await;
    let begun = Instant::now();
    // Half a minute of a busy machine's own time.
    let timeout = Duration::from_mins(10);
    let outcome = run(Settings { speed: 20.0, timeout, ..settings(&target.url(), "10rps:15s 0:5s") }).await;
    outcome.assert_adds_up();
    assert!((1.0..20.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    assert!(outcome.seconds[..15].iter().all(|second| second.due == 10));
    assert!(outcome.seconds[15..].iter().all(|second| second.due == 0));
    assert!(outcome.seconds.iter().map(|second| second.at).take(20).eq((0..20).map(f64::from)));
    assert!(outcome.end.at >= 20.0 && outcome.total.statuses[&200] == 150);
}

#[tokio::test]
async fn shares_add_up_to_the_whole() {
    let target = Target::friendly().await;
    let start = Instant::now();
    let part = |part| {
        let share = Share::new(part, 2).unwrap();
        outcome(Generator::start(Settings { share, ..settings(&target.url(), "75rps:1s") }, start).unwrap())
    };
    let (first, second) = tokio::join!(part(0), part(1));
    assert_eq!((first.total.due, second.total.due), (38, 37));
    let whole = join_seconds([&first.seconds[0], &second.seconds[0]]);
    assert_eq!((whole.at, whole.due, whole.sent), (0.0, 75, 75));
}

#[tokio::test]
async fn the_real_service_answers_both_http_versions() {
    let url = format!("http://{}/", target::shopfront());
    for (http2, requests_per_connection) in [(false, 1), (false, 1_000), (true, 1), (true, 7), (true, 1_000)] {
        let outcome = run(Settings { http2, requests_per_connection, ..settings(&url, "100rps:500ms") }).await;
        outcome.assert_adds_up();
        assert_eq!(outcome.total.statuses, [(200, 50)].into(), "{:?}", outcome.total.failures);
        assert_eq!(outcome.total.pods.values().sum::<u64>(), 50, "{:?}", outcome.total.pods);
    }
}

#[tokio::test]
async fn threads_together_send_the_schedule_once() {
    let target = Target::friendly().await;
    for (threads, max_in_flight) in [(3, 1_000), (8, 5)] {
        let before = target.heads().len();
        let settings = settings(&format!("{}{{{{counter}}}}", target.url()), "100rps:1s 50rps:1s");
        let outcome = run(Settings { threads, max_in_flight, ..settings }).await;
        outcome.assert_adds_up();
        let due: Vec<u64> = outcome.seconds[..2].iter().map(|second| second.due).collect();
        assert_eq!((due, outcome.total.due), (vec![100, 50], 150), "{threads} threads");
        if max_in_flight == 1_000 {
            let heads = target.heads()[before..].concat();
            let mut numbers: Vec<u32> =
                heads.iter().map(|head| head[5..head.find(" HTTP").unwrap()].parse().unwrap()).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..150).collect::<Vec<_>>(), "each number once");
        }
    }
    let silent = Target::start(|_| Reply::Stall).await;
    let timeout = Duration::from_millis(1_500);
    let settings = settings(&silent.url(), "100rps:1s");
    let outcome = run(Settings { threads: 2, max_in_flight: 5, timeout, ..settings }).await;
    assert_eq!((outcome.total.sent, outcome.total.dropped), (5, 95), "the maximum is that of all threads");
}

#[tokio::test]
async fn numbers_are_unique_among_generators() {
    let target = Target::friendly().await;
    let start = Instant::now();
    let part = |part| {
        let share = Share::new(part, 2).unwrap();
        let settings = settings(&format!("{}{{{{counter}}}}", target.url()), "50rps:1s");
        outcome(Generator::start(Settings { share, ..settings }, start).unwrap())
    };
    tokio::join!(part(0), part(1));
    let heads = target.heads().concat();
    let mut numbers: Vec<u32> =
        heads.iter().map(|head| head[5..head.find(" HTTP").unwrap()].parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_ipv6_target_is_reached_by_its_url_and_by_connect_to() {
    let target = Target::friendly_at("[::1]:0").await;
    for (url, connect_to) in [(target.url(), None), ("http://shop.example/".to_owned(), Some(target.address))] {
        let connect_to = connect_to.map(|address| address.to_string().parse().unwrap());
        let outcome = run(Settings { connect_to, ..settings(&url, "50rps:200ms") }).await;
        assert_eq!(outcome.total.statuses, [(200, 10)].into(), "{url}: {:?}", outcome.failures());
    }
    assert!(target.heads()[19][0].contains("\r\nhost: shop.example\r\n"));
}

#[tokio::test]
async fn http2_to_a_server_without_it_fails_by_cause() {
    let target = Target::start(|_| Reply::Answer("HTTP/1.1 400 x\r\n\r\n".to_owned())).await;
    let outcome = run(Settings { http2: true, ..settings(&target.url(), "50rps:200ms") }).await;
    outcome.assert_adds_up();
    assert_eq!(outcome.failures(), [("HTTP/2 broken off", 10)]);
}

#[test]
fn an_impossible_load_is_refused() {
    let good = || settings("http://127.0.0.1:9/", "1rps:1s");
    let error = |settings| Generator::start(settings, Instant::now()).unwrap_err().to_string();
    assert!(error(settings("http://127.0.0.1:9/", "0:1s")).contains("a rate above 0"));
    assert!(
        error(Settings { requests_per_connection: 0, ..good() })
            .contains("--requests-per-connection must be at least 1")
    );
    assert!(error(Settings { max_in_flight: 0, ..good() }).contains("--max-in-flight must be at least 1"));
    assert!(error(Settings { timeout: Duration::ZERO, ..good() }).contains("--timeout must be greater than 0"));
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(error(Settings { speed, ..good() }).contains("speed"));
    }
}
