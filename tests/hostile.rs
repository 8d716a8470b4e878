//! What a hostile, broken or merely slow client may send, thrown at the real binary.

mod support;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{StreamExt, iter};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Server, eventually, read_to_end};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

/// How many clients come at once.
const CROWD: usize = 5000;

/// One crowd at a time: both of its ends are descriptors of this machine.
static CROWDED: Mutex<()> = Mutex::const_new(());

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const MEBIBYTE: u64 = 1024 * 1024;

/// Connects a crowd, each of whom says the same.
async fn crowd(server: &Server, words: &[u8]) -> Vec<TcpStream> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("the soft limit may be raised");
    let enough = limit.maximum.is_none_or(|hard| hard > CROWD as u64 + 500);
    assert!(enough, "this test opens {CROWD} sockets; raise `ulimit -Hn`, which is {:?}", limit.maximum);
    iter(0..CROWD)
        .map(|_| async {
            let mut stream = TcpStream::connect(server.address).await.expect("the service accepts");
            stream.write_all(words).await.expect("the service listens");
            stream
        })
        .buffer_unordered(100)
        .collect()
        .await
}

/// Reads each connection to its end; the service is to close them all.
async fn all_closed(crowd: Vec<TcpStream>) -> Vec<String> {
    join_all(crowd.into_iter().map(|mut stream| async move { read_to_end(&mut stream).await })).await
}

/// The service answers as it does in peace: the document, and soon.
async fn answers_as_before(server: &Server) {
    let asked = Instant::now();
    let answer = server.exchange("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\r\n\r\nruntime:\n"), "{answer}");
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
}

/// Nobody is connected any more; returns what the service holds then.
async fn at_rest(server: &Server) -> (usize, u64) {
    eventually("every connection is gone", async || {
        (server.metric("http_open_connections").await? < 2.0).then_some(())
    })
    .await;
    // The scrape that said so may still be closing: the count is read where it settles.
    let (mut descriptors, mut stable) = (server.descriptors(), 0);
    eventually("the descriptors are counted", async || {
        let now = server.descriptors();
        stable = if now == descriptors { stable + 1 } else { 0 };
        descriptors = now;
        (stable > 2).then_some(())
    })
    .await;
    (descriptors, server.resident_bytes())
}

#[tokio::test]
async fn half_open_requests_are_gone_within_ten_seconds() {
    let _alone = CROWDED.lock().await;
    let server = Server::start(&[]).await;
    let (before, _) = at_rest(&server).await;
    let mut rested = Vec::new();
    for _ in 0..2 {
        let came = Instant::now();
        let mut crowd = crowd(&server, b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
        // Some drip on, byte by byte, until the service has had enough of them.
        let drippers = crowd.split_off(CROWD - 50);
        let drips = tokio::spawn(join_all(drippers.into_iter().map(|mut stream| async move {
            let mut drops = tokio::time::interval(Duration::from_millis(200));
            while stream.write_all(b"a").await.is_ok() && came.elapsed() < Duration::from_secs(30) {
                drops.tick().await;
            }
            came.elapsed()
        })));
        answers_as_before(&server).await;
        let answers = all_closed(crowd).await;
        assert!(came.elapsed() < Duration::from_secs(10), "the last was closed after {:?}", came.elapsed());
        let told = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 408 ")).count();
        assert_eq!(told, answers.len(), "each is told why");
        let (head, body) = answers[0].split_once("\r\n\r\n").expect("the answer has a head");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}\n{body}");
        for dripped in drips.await.unwrap() {
            assert!(dripped < Duration::from_secs(10), "one dripped on for {dripped:?}");
        }
        assert!(server.peak_bytes() < 64 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
        rested.push(at_rest(&server).await);
    }
    assert!(rested.iter().all(|(descriptors, _)| *descriptors == before), "{before} before, then {rested:?}");
    // A leak of a kilobyte or two a connection would show; what the allocator keeps differs by less.
    assert!(rested[1].1 < rested[0].1 + 8 * MEBIBYTE, "memory grows: {rested:?}");
}

#[tokio::test]
async fn half_open_requests_with_long_heads_cost_no_more() {
    let _alone = CROWDED.lock().await;
    let server = Server::start(&[]).await;
    let crowd = crowd(&server, format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}", "x".repeat(15_000)).as_bytes()).await;
    answers_as_before(&server).await;
    all_closed(crowd).await;
    assert!(server.peak_bytes() < 64 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
}

#[tokio::test]
async fn a_crowd_that_says_nothing_costs_little_and_is_sent_away() {
    let _alone = CROWDED.lock().await;
    let server = Server::start(&["--header-timeout", "2s"]).await;
    let crowd = crowd(&server, b"").await;
    answers_as_before(&server).await;
    for answer in all_closed(crowd).await {
        assert_eq!(answer, "", "nothing was asked");
    }
    assert!(server.peak_bytes() < 64 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
}

#[tokio::test]
async fn a_crowd_of_kept_alive_connections_is_served_and_closed_when_idle() {
    let _alone = CROWDED.lock().await;
    let server = Server::start(&["--idle-timeout", "3s"]).await;
    let crowd = crowd(&server, b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n").await;
    answers_as_before(&server).await;
    for answer in all_closed(crowd).await {
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    // Each has had a parser and its buffers; a pod may have 256 MiB.
    assert!(server.peak_bytes() < 128 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
}

#[tokio::test]
async fn beyond_the_connection_limit_clients_wait_for_their_turn() {
    let server = Server::start(&["--max-connections", "2"]).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let second = TcpStream::connect(server.address).await.unwrap();
    let mut third = TcpStream::connect(server.address).await.unwrap();
    third.write_all(b"GET /version HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut byte = [0];
    let waiting = tokio::time::timeout(Duration::from_millis(200), third.read(&mut byte)).await;
    assert!(waiting.is_err(), "the third is served although two are open");
    drop((first, second));
    assert!(read_to_end(&mut third).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn idle_connections_cannot_take_every_slot() {
    let server = Server::start(&["--max-connections", "16", "--header-timeout", "1s"]).await;
    let mut silent = Vec::new();
    for _ in 0..16 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        silent.push(stream);
    }
    // The idle timeout is more than a minute, and yet a probe finds a slot within seconds.
    answers_as_before(&server).await;
}

#[tokio::test]
async fn a_client_that_has_said_all_still_gets_its_answer() {
    let server = Server::start(&[]).await;
    // `exchange` closes its sending side after its words.
    assert!(server.exchange("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
    let post = server.exchange("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc").await;
    assert!(post.starts_with("HTTP/1.1 405 "), "{post}");
    let broken = server.exchange("GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 30\r\n\r\nabc").await;
    assert!(broken.is_empty() || broken.starts_with("HTTP/1.1 400 "), "{broken}");
    assert_eq!(server.exchange("GET / HTTP/1.1\r\nho").await, "", "half a head is no request");
}

#[tokio::test]
async fn the_limits_are_exact() {
    let server =
        Server::start(&["--max-uri-bytes", "100", "--max-body-bytes", "50", "--max-header-bytes", "2000"]).await;
    let status = async |request: String| {
        let answer = server.exchange(request).await;
        answer.split(' ').nth(1).unwrap_or("closed").to_owned()
    };
    let target = |bytes: usize| format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(bytes - 1));
    assert_eq!((status(target(100)).await, status(target(101)).await), ("404".into(), "414".into()));

    let body =
        |bytes: usize| format!("GET / HTTP/1.1\r\nhost: x\r\ncontent-length: {bytes}\r\n\r\n{}", "x".repeat(bytes));
    assert_eq!((status(body(50)).await, status(body(51)).await), ("200".into(), "413".into()));

    let chunked = |bytes: usize| {
        let chunk = "x".repeat(bytes);
        format!("GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{bytes:x}\r\n{chunk}\r\n0\r\n\r\n")
    };
    assert_eq!((status(chunked(50)).await, status(chunked(51)).await), ("200".into(), "413".into()));

    let head = |bytes: usize| {
        let rest = "GET / HTTP/1.1\r\nhost: x\r\nx: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(bytes - rest))
    };
    assert_eq!((status(head(2000)).await, status(head(2001)).await), ("200".into(), "431".into()));

    let headers = |count: usize| {
        let lines = "x: y\r\n".repeat(count - 1);
        format!("GET / HTTP/1.1\r\nhost: x\r\n{lines}\r\n")
    };
    assert_eq!((status(headers(100)).await, status(headers(101)).await), ("200".into(), "431".into()));
}

#[tokio::test]
async fn what_is_not_http_is_refused_and_what_follows_it_is_not_answered() {
    let server = Server::start(&[]).await;
    let follow_up = "GET /version HTTP/1.1\r\nhost: x\r\n\r\n";
    for request in [
        "G\u{1}T / HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: x\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nx: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nx : y\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1, 2\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
    ] {
        let answers = server.exchange(format!("{request}{follow_up}")).await;
        assert!(answers.is_empty() || answers.starts_with("HTTP/1.1 4"), "{request:?} was answered {answers:?}");
        assert!(!answers.contains("compiler: "), "what follows {request:?} was answered");
    }
    let https = server.exchange("\u{16}\u{3}\u{1}").await;
    assert!(https.contains("\r\n\r\nerror:\n  status: \"400\"\n") && https.contains("not https://"), "{https}");
    let hostless = server.exchange("GET / HTTP/1.1\r\n\r\n").await;
    assert!(hostless.starts_with("HTTP/1.1 400 ") && hostless.contains("Host header"), "{hostless}");
    // Both lengths at once is how requests are smuggled: the chunks count, and the connection ends (RFC 9112, 6.3).
    let both = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let answers = server.exchange(format!("{both}{follow_up}")).await;
    assert!(answers.starts_with("HTTP/1.1 4"), "{answers}");
    assert!(!answers.contains("compiler: "), "{answers}");
    answers_as_before(&server).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(&[]).await;
    let get = |path| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let requests = (get("/version") + &get("/healthz")).repeat(150);
    let answers = server.exchange(requests).await;
    let bodies: Vec<_> = answers.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    assert_eq!(bodies.len(), 300);
    for (turn, body) in bodies.iter().enumerate() {
        assert!(body.contains(if turn % 2 == 0 { "compiler: " } else { "status: alive" }), "answer {turn}: {body}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_costs_little() {
    let server = Server::start(&["--idle-timeout", "1s"]).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let requests = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    let sending = async {
        // Until the service has had enough: its side of the connection goes away.
        for _ in 0..10_000 {
            if stream.write_all(requests.as_bytes()).await.is_err() {
                return;
            }
        }
        panic!("ten million requests were taken although no answer was read");
    };
    tokio::time::timeout(support::PATIENCE, sending).await.expect("the service closes");
    assert!(server.peak_bytes() < 64 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
    answers_as_before(&server).await;
}

/// An HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn http2_that_leads_nowhere_is_closed() {
    let server = Server::start(&["--header-timeout", "1s"]).await;
    let settings = frame(4, 0, 0, &[]);
    for words in [
        PREFACE[..8].to_vec(),
        PREFACE.to_vec(),
        [PREFACE, &settings].concat(),
        [PREFACE, b"this is not a frame, whatever it may look like"].concat(),
        // A request whose head never ends.
        [PREFACE, &settings, &frame(1, 0, 1, &[0x82])].concat(),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&words).await.unwrap();
        let asked = Instant::now();
        read_to_end(&mut stream).await;
        assert!(asked.elapsed() < Duration::from_secs(10), "{words:?} was kept for {:?}", asked.elapsed());
    }
    answers_as_before(&server).await;
}

#[tokio::test]
async fn http2_clients_that_take_no_answer_cost_little_and_are_closed() {
    // They ask for more than may wait at a time, so that some are told so, and are idle.
    let server = Server::start(&["--request-timeout", "1s", "--idle-timeout", "2s"]).await;
    // SETTINGS_INITIAL_WINDOW_SIZE (4) is 0: no answer's body may be sent.
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let get_metrics = b"\x82\x04\x08/metrics\x86\x41\x01x";
    let requests: Vec<u8> = (0..100).flat_map(|turn| frame(1, 5, turn * 2 + 1, get_metrics)).collect();
    let clients = (0..300).map(|_| async {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[PREFACE, &settings, &requests].concat()).await.unwrap();
        stream
    });
    let clients = join_all(clients).await;
    answers_as_before(&server).await;
    all_closed(clients).await;
    assert!(server.peak_bytes() < 128 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
    at_rest(&server).await;
}

#[tokio::test]
async fn an_http2_flood_disturbs_nobody() {
    let server = Server::start(&[]).await;
    let settings = frame(4, 0, 0, &[]);
    let get = |stream: u32| frame(1, 5, stream, &[0x82, 0x84, 0x86, 0x41, 0x01, b'x']);
    let reset = |stream: u32| frame(3, 0, stream, &8u32.to_be_bytes());
    let floods: [(&str, Vec<u8>); 3] = [
        ("pings", frame(6, 0, 0, &[0; 8]).repeat(20_000)),
        ("settings", settings.repeat(20_000)),
        ("rapid resets", (0..20_000).flat_map(|turn| [get(turn * 2 + 1), reset(turn * 2 + 1)].concat()).collect()),
    ];
    for (name, flood) in floods {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(PREFACE).await.unwrap();
        stream.write_all(&settings).await.unwrap();
        // The service may hang up in the middle, which is as good as taking it all.
        let taken = tokio::time::timeout(support::PATIENCE, stream.write_all(&flood)).await;
        assert!(taken.is_ok(), "{name}: neither taken nor cut off");
        answers_as_before(&server).await;
        drop(stream);
    }
    at_rest(&server).await;
    assert!(server.peak_bytes() < 64 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
}

/// `SplitMix64`, by Steele, Lea and Flood: the same cases on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_be_bytes()[0]).collect()
    }

    /// Noise, or a valid exchange with something wrong in it.
    fn garbage(&mut self) -> Vec<u8> {
        const SEEDS: [&[u8]; 5] = [
            b"GET / HTTP/1.1\r\nhost: x\r\naccept: application/json\r\n\r\n",
            b"POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            b"GET /metrics HTTP/1.0\r\ncontent-length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x06\x01\x05\0\0\0\x01\x82\x84\x86\x41\x01x",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0\0\0\x08\x06\0\0\0\0\0abcdefgh",
        ];
        if self.below(3) == 0 {
            let count = self.below(600);
            return self.bytes(count);
        }
        let mut bytes = SEEDS[self.below(SEEDS.len())].to_vec();
        for _ in 0..=self.below(4) {
            let place = self.below(bytes.len());
            match self.below(4) {
                0 => bytes[place] ^= 1 << self.below(8),
                1 => bytes.truncate(place + 1),
                2 => bytes = [&bytes[..place], &bytes].concat(),
                _ => {
                    let count = self.below(40);
                    let noise = self.bytes(count);
                    bytes.splice(place..place, noise);
                }
            }
        }
        bytes
    }
}

#[tokio::test]
async fn thousands_of_pieces_of_garbage_leave_the_service_as_it_was() {
    const SEED: u64 = 9898;
    let server = Server::start(&["--header-timeout", "2s", "--request-timeout", "2s"]).await;
    let mut rested = Vec::new();
    for round in 0..3 {
        let mut random = Random(SEED + round);
        let cases: Vec<_> = (0..1000).map(|_| random.garbage()).collect();
        iter(&cases)
            .for_each_concurrent(50, async |case| {
                let ended = tokio::time::timeout(Duration::from_secs(30), server.exchange(case)).await;
                assert!(ended.is_ok(), "seed {SEED}, round {round}: never ended: {:?}", String::from_utf8_lossy(case));
            })
            .await;
        answers_as_before(&server).await;
        rested.push(at_rest(&server).await);
    }
    let text = server.get("/metrics").await;
    assert!(!text.contains("status=\"5"), "garbage broke a handler: {text}");
    assert_eq!(rested[0].0, rested[2].0, "descriptors leak: {rested:?}");
    assert!(rested[2].1 < rested[0].1 + 4 * MEBIBYTE, "memory grows: {rested:?}");
}
