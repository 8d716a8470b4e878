//! Other people's servers: nginx with TLS and HTTP/2, Go's `net/http`, podinfo, and `openssl s_server`. What they logged is what is reported.

#[path = "../support/authority.rs"]
mod authority;
mod go;
mod nginx;
mod program;

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use authority::{Authority, Pair};
use loadtest::generator::{Failure, Generator, Header, Request, Settings, Success, Template, Trust};
use loadtest::journal::{Bytes, Entry, ObservedEvent};
use loadtest::stats::Total;
use nginx::Nginx;

/// How long a test may take in all.
const PATIENCE: Duration = Duration::from_mins(1);

fn settings(url: &str, profile: &str) -> Settings {
    Settings::new(url.parse().unwrap(), profile.parse().unwrap())
}

/// What a load came to.
struct Outcome {
    total: Total,
    events: Vec<ObservedEvent>,
}

async fn run(settings: Settings) -> Outcome {
    let mut generator = Generator::start(settings, Instant::now()).unwrap();
    let (mut total, mut events) = (Total::default(), Vec::new());
    let all = async {
        while let Some(entry) = generator.next().await {
            match entry {
                Entry::Second(second) => total.add(&second),
                Entry::Event(event) => events.push(event.what),
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("the load ends in time");
    Outcome { total, events }
}

/// How many requests that were due at this interval can have been under way at once: latency counts from when they were due.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test's latency is short")]
fn most_at_once(total: &Total, interval: f64) -> usize {
    2 + (total.latency.seconds(1.0).unwrap() / interval) as usize
}

fn trust(authority: &Authority) -> Trust {
    Trust::of_pem(&std::fs::read(authority.certificate()).unwrap()).unwrap()
}

#[tokio::test]
async fn nginx_logs_each_request_that_is_reported_with_and_without_tls_and_http2() {
    let authority = Authority::new();
    let nginx = Nginx::start(&authority).await;
    let mut before = 0;
    for (url, http2, requests_per_connection, protocol) in [
        (format!("http://{}/a", nginx.http), false, 1, "HTTP/1.1"),
        (format!("https://{}/a", nginx.https), false, 1, "HTTP/1.1"),
        (format!("https://{}/a", nginx.https), false, 1_000, "HTTP/1.1"),
        (format!("https://{}/a", nginx.https), true, 1, "HTTP/2.0"),
        (format!("https://{}/a", nginx.https), true, 1_000, "HTTP/2.0"),
    ] {
        let trust = trust(&authority);
        let load = Settings { http2, requests_per_connection, trust, ..settings(&url, "100rps:500ms") };
        let Outcome { total, events } = run(load).await;
        assert_eq!((total.sent, total.statuses.clone()), (50, [(200, 50)].into()), "{url}: {events:?}");
        let logged = nginx.logged(before + 50).await;
        let logged = &logged[before..];
        before += 50;
        assert!(logged.iter().all(|line| line.contains(protocol)), "{logged:#?}");
        let field = |line: &String, field: usize| line.split(' ').nth(field).unwrap().parse::<u64>().unwrap();
        let connections: std::collections::BTreeSet<&str> =
            logged.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(total.connections, connections.len() as u64, "{url}");
        if requests_per_connection == 1 {
            assert_eq!(connections.len(), 50, "{url}");
        } else {
            // One is opened only if all others are busy: there are no more than requests that were under way at once.
            let at_once = most_at_once(&total, 0.01);
            assert!(
                connections.len() <= at_once,
                "{url}: {} connections, {at_once} requests at once",
                connections.len()
            );
        }
        let address = if url.starts_with("https") { nginx.https } else { nginx.http };
        assert_eq!(total.addresses, [(address.to_string(), 50)].into());
        let handshakes = if url.starts_with("https") { total.connections } else { 0 };
        assert_eq!(total.handshakes.count(), handshakes, "{url}");
        if http2 {
            assert!(total.bytes_out > 0 && total.bytes_in > 50 * 6, "{url}");
            assert_eq!(total.status_bytes[&200], Bytes { sent: 0, received: 50 * 6 }, "{url}: bodies alone");
        } else {
            let bytes = |place| logged.iter().map(|line| field(line, place)).sum::<u64>();
            assert_eq!((total.bytes_out, total.bytes_in), (bytes(4), bytes(5)), "{url}");
            assert_eq!(total.status_bytes[&200], Bytes { sent: bytes(4), received: bytes(5) }, "{url}");
        }
    }
}

#[tokio::test]
async fn a_name_is_verified_and_sent_where_connect_to_says() {
    let authority = Authority::new();
    let nginx = Nginx::start(&authority).await;
    let load = Settings {
        connect_to: Some(nginx.https.to_string().parse().unwrap()),
        trust: trust(&authority),
        ..settings("https://shop.example/größe?a=b c", "50rps:200ms")
    };
    let outcome = run(load).await;
    assert_eq!(outcome.total.statuses, [(200, 10)].into(), "{:?}", outcome.events);
    for line in nginx.logged(10).await {
        assert!(line.starts_with("GET shop.example/gr%C3%B6%C3%9Fe?a=b%20c HTTP/1.1 200 "), "{line}");
        assert!(line.contains("] shop.example "), "SNI: {line}");
    }
}

#[tokio::test]
async fn methods_headers_bodies_and_credentials_arrive() {
    let authority = Authority::new();
    let nginx = Nginx::start(&authority).await;
    let mut before = 0;
    for http2 in [false, true] {
        let scheme_url = format!("https://us%3Aer:secret@{}/n/{{{{counter}}}}", nginx.https);
        let header = |text: &str| text.parse::<Header>().unwrap();
        let post = Request {
            method: "POST".parse().unwrap(),
            headers: vec![header("X-Id: {{counter}}"), header("Host: other.example")],
            body: Some(Template::new(b"{\"n\": {{random}}}")),
            weight: 3,
            ..Request::get(scheme_url.parse().unwrap())
        };
        let head = Request {
            method: "HEAD".parse().unwrap(),
            ..Request::get(format!("https://{}/head", nginx.https).parse().unwrap())
        };
        let load = Settings {
            requests: vec![post, head],
            requests_per_connection: 1_000,
            http2,
            trust: trust(&authority),
            ..settings("http://unused/", "80rps:500ms")
        };
        let outcome = run(load).await;
        assert_eq!(outcome.total.statuses, [(200, 40)].into(), "{:?} {:?}", outcome.total.failures, outcome.events);
        let logged = nginx.logged(before + 40).await;
        let logged = &logged[before..];
        before += 40;
        let posts: Vec<_> = logged.iter().filter(|line| line.starts_with("POST other.example/n/")).collect();
        assert_eq!(
            (posts.len(), logged.iter().filter(|line| line.starts_with("HEAD ")).count()),
            (30, 10),
            "{logged:#?}"
        );
        let mut numbers: Vec<u64> = posts
            .iter()
            .map(|line| {
                let number = line.split("/n/").nth(1).unwrap().split(' ').next().unwrap();
                assert!(line.contains(&format!("[{number}] [Basic dXM6ZXI6c2VjcmV0]")), "{line}");
                number.parse().unwrap()
            })
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 30, "each has a number of its own");
    }
}

#[tokio::test]
async fn redirects_statuses_bodies_and_pods_are_judged_as_asked() {
    let authority = Authority::new();
    let nginx = Nginx::start(&authority).await;
    let url = |path: &str| format!("http://{}{path}", nginx.http);
    let moved = run(settings(&url("/moved"), "50rps:200ms")).await;
    assert_eq!((moved.total.succeeded, moved.total.statuses[&308]), (0, 10));
    let [ObservedEvent::FirstStatus { status: 308, request, location: Some(location) }] = moved.events.as_slice()
    else {
        panic!("{:?}", moved.events)
    };
    assert_eq!(
        (request.as_str(), location.as_str()),
        (format!("GET {}", url("/moved")).as_str(), "https://shop.example/new")
    );

    let expected = |statuses: &str| Success { statuses: Some(statuses.parse().unwrap()), body: None };
    let load = Settings { success: expected("2xx,308"), ..settings(&url("/moved"), "50rps:200ms") };
    let named = run(load).await;
    assert_eq!((named.total.succeeded, named.events.len()), (10, 0));
    let load = Settings { success: expected("204"), ..settings(&url("/"), "50rps:200ms") };
    assert_eq!(run(load).await.total.succeeded, 0, "200 is not among those that were named");

    for (pattern, succeeded) in [("^hel+o\\s", 10), ("^goodbye", 0)] {
        let success = Success { statuses: None, body: Some(pattern.parse().unwrap()) };
        let pod_header = Some("x-pod".parse().unwrap());
        let outcome = run(Settings { success, pod_header, ..settings(&url("/"), "50rps:200ms") }).await;
        assert_eq!((outcome.total.succeeded, outcome.total.statuses[&200]), (succeeded, 10), "{pattern}");
        assert_eq!(outcome.total.pods, [("nginx-1".to_owned(), 10)].into());
        let mismatch = outcome
            .events
            .iter()
            .any(|event| matches!(event, ObservedEvent::FirstMismatch { body, .. } if body == "hello\n"));
        assert_eq!(mismatch, succeeded == 0, "{:?}", outcome.events);
    }
}

#[tokio::test]
async fn secrets_that_a_target_repeats_are_not_reported() {
    let authority = Authority::new();
    let nginx = Nginx::start(&authority).await;
    for http2 in [false, true] {
        let request = Request {
            headers: vec!["Authorization: Bearer S3CRETTOK".parse().unwrap()],
            ..Request::get(format!("https://{}/echo", nginx.https).parse().unwrap())
        };
        let success = Success { statuses: None, body: Some("^never".parse().unwrap()) };
        let (requests, trust) = (vec![request], trust(&authority));
        let load = Settings { requests, success, trust, http2, ..settings("http://unused/", "50rps:200ms") };
        let Outcome { total, events } = run(load).await;
        assert_eq!(total.statuses, [(200, 10)].into(), "{events:?}");
        let [ObservedEvent::FirstMismatch { body, .. }] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(body, "you sent ...\n");
    }
}

/// `openssl s_server`, which answers with a page. Ends with its test.
struct SServer {
    child: Child,
    address: SocketAddr,
}

impl Drop for SServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl SServer {
    fn start(Pair { key, certificate }: &Pair, more: &[&str]) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-www"]).args(more);
        command.arg("-key").arg(key).arg("-cert").arg(certificate);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("this test needs `openssl`: on Debian, apt-get install openssl");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // It says where it listens: ACCEPT 127.0.0.1:40123.
        let address = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("ACCEPT ")?.parse().ok());
        Self { address: address.expect("it says where it listens"), child }
    }
}

/// The only failure of a load of ten requests, and its example.
async fn only_failure(settings: Settings) -> (Failure, String) {
    let Outcome { total, events } = run(settings).await;
    assert_eq!((total.unanswered(), total.failures.len()), (10, 1), "{:?}", total.failures);
    let found = events.into_iter().find_map(|event| match event {
        ObservedEvent::FirstFailure { failure, cause, example } => {
            assert_eq!(total.failures[&cause], 10);
            Some((failure, example))
        }
        _ => None,
    });
    found.expect("the first has an example")
}

#[tokio::test]
async fn certificates_fail_by_their_fault() {
    let (authority, other) = (Authority::new(), Authority::new());
    let fine = SServer::start(&authority.issue("fine", "IP:127.0.0.1", 2), &[]);
    let old = SServer::start(&authority.issue("old", "IP:127.0.0.1", -1), &[]);
    let elsewhere = SServer::start(&authority.issue("elsewhere", "DNS:elsewhere.example", 2), &[]);
    let load = |server: &SServer, trust| Settings {
        trust,
        timeout: Duration::from_secs(30),
        ..settings(&format!("https://{}/", server.address), "50rps:200ms")
    };
    for (server, trust, failure, part) in [
        (&old, trust(&authority), Failure::CertificateExpired, "Expired"),
        (&fine, trust(&other), Failure::UnknownAuthority, "BadSignature"),
        (&elsewhere, trust(&authority), Failure::CertificateName, "elsewhere.example"),
    ] {
        let (found, example) = only_failure(load(server, trust)).await;
        assert_eq!(found, failure, "{example}");
        assert!(example.starts_with(&format!("GET https://{}/: ", server.address)), "{example}");
        assert!(example.contains(part), "{example}");
    }
    let pair = authority.self_signed("own");
    let own = SServer::start(&pair, &[]);
    let own_trust = Trust::of_pem(&std::fs::read(&pair.certificate).unwrap()).unwrap();
    assert_eq!(only_failure(load(&own, own_trust)).await.0, Failure::CertificateUnusable);
    for (server, trust) in [(&fine, trust(&authority)), (&old, Trust::Anybody), (&elsewhere, Trust::Anybody)] {
        let outcome = run(load(server, trust)).await;
        assert_eq!(outcome.total.statuses, [(200, 10)].into(), "{:?}", outcome.events);
    }
    // It has no HTTP/2, and so agrees to none.
    let http2 = Settings { http2: true, ..load(&fine, trust(&authority)) };
    assert_eq!(only_failure(http2).await.0, Failure::NoHttp2);
}

#[tokio::test]
async fn a_port_without_tls_and_one_that_says_nothing_are_told_apart() {
    let authority = Authority::new();
    let nginx = Nginx::start(&authority).await;
    let plain = settings(&format!("https://{}/", nginx.http), "50rps:200ms");
    assert_eq!(only_failure(plain).await.0, Failure::TlsFailed);
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    let mut found = None;
    // On a busy machine, connecting alone may take longer than a short timeout.
    for timeout in [500, 5_000, 30_000].map(Duration::from_millis) {
        let Outcome { total, events } = run(Settings { timeout, ..settings(&url, "50rps:200ms") }).await;
        let failures = events.into_iter().filter_map(|event| match event {
            ObservedEvent::FirstFailure { failure, example, .. } => Some((failure, example)),
            _ => None,
        });
        found = Some((total.unanswered(), failures.collect::<Vec<_>>()));
        if found.as_ref().is_some_and(|(_, failures)| failures.iter().all(|(one, _)| *one == Failure::NoHandshake)) {
            break;
        }
    }
    assert_eq!(found, Some((10, vec![(Failure::NoHandshake, format!("GET {url}"))])));
}
