//! Hostile, broken and slow clients against the real binary.

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{StreamExt, iter};
use http_body::Frame;
use http_body_util::StreamBody;
use support::crowd::{CROWD, CROWDED, crowd, longest, while_others_are_served};
use support::garbage::{ODD, PREFACE, frame, malformed};
use support::random::Random;
use support::{Server, eventually, read_to_end};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MEBIBYTE: u64 = 1024 * 1024;

/// A request whose response contains `compiler`. It must never be smuggled in.
const FOLLOW_UP: &str = "GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Reads each connection to its end. The service must close them all.
async fn all_closed(crowd: Vec<TcpStream>) -> Vec<String> {
    join_all(crowd.into_iter().map(|mut stream| async move { read_to_end(&mut stream).await })).await
}

/// The service responds as without a crowd: with the document, and quickly.
async fn answers_as_before(server: &Server) {
    let asked = Instant::now();
    let answer = server.exchange("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\r\n\r\nruntime:\n"), "{answer}");
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
}

/// Waits until no client is connected. Returns the open descriptors and the resident memory.
async fn at_rest(server: &Server) -> (usize, u64) {
    eventually("every connection is gone", async || {
        (server.metric("http_open_connections").await? < 1.0).then_some(())
    })
    .await;
    // The connection of the scrape may still be closing, so this waits until the count is stable.
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
async fn half_open_requests_are_closed_within_ten_seconds() {
    let _alone = CROWDED.lock().await;
    let server = Server::start(&[]).await;
    let (before, _) = at_rest(&server).await;
    let mut memory = Vec::new();
    let beginnings: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
        b"G",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n",
        &PREFACE[..4],
    ];
    for _ in 0..2 {
        let crowd = crowd(&server, &beginnings, Some(b"a"));
        let (crowd, most_open) = while_others_are_served(&server, Duration::from_secs(1), crowd).await;
        assert!(longest(&crowd) < Duration::from_secs(10), "one was kept for {:?}", longest(&crowd));
        assert!(most_open > CROWD * 3 / 4, "only {most_open} were open at once");
        let (head, body) = crowd[1].answer.split_once("\r\n\r\n").expect("the answer has a head");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}\n{body}");
        // A client that still sends when the service closes may get a reset instead of the response.
        let told = crowd.iter().filter(|member| member.answer.starts_with("HTTP/1.1 408 ")).count();
        assert!(told >= CROWD * 9 / 10, "only {told} were told why");
        assert!(server.peak_bytes() < 64 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
        let peak = server.peak_bytes();
        let (descriptors, resident) = at_rest(&server).await;
        assert_eq!(descriptors, before, "descriptors leak");
        memory.push((peak, resident));
    }
    // Compared with the first round's peak, because the allocator returns memory in its own time.
    assert!(memory[1].1 < memory[0].0 + 8 * MEBIBYTE, "memory grows: (peak, at rest) was {memory:?}");
}

#[tokio::test]
async fn half_open_requests_with_long_heads_stay_within_memory() {
    let _alone = CROWDED.lock().await;
    let server = Server::start(&[]).await;
    let beginning = ["GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ", &"a".repeat(16_000)].concat();
    let crowd = crowd(&server, &[beginning.as_bytes()], None).await;
    assert!(crowd.iter().all(|member| member.answer.starts_with("HTTP/1.1 408 ")), "each gets the reason");
    assert!(server.peak_bytes() < 64 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
}

#[tokio::test]
async fn whole_long_heads_do_not_wait_for_half_sent_ones() {
    let _alone = CROWDED.lock().await;
    let server = Server::start(&[]).await;
    let half = ["GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ", &"a".repeat(3_000)].concat();
    let mut held = Vec::new();
    for _ in 0..600 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(half.as_bytes()).await.unwrap();
        held.push(stream);
    }
    let whole = [&half, "\r\nconnection: close\r\n\r\n"].concat();
    for _ in 0..20 {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(whole.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(2), "it took {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn silent_connections_use_little_memory_and_are_closed() {
    let _alone = CROWDED.lock().await;
    let server = Server::start(&[]).await;
    let (before, _) = at_rest(&server).await;
    let (crowd, most_open) =
        while_others_are_served(&server, Duration::from_secs(1), crowd(&server, &[b""], None)).await;
    assert!(longest(&crowd) < Duration::from_secs(10), "one was kept for {:?}", longest(&crowd));
    assert!(most_open > CROWD * 3 / 4, "only {most_open} were open at once");
    assert!(crowd.iter().all(|member| member.answer.is_empty()), "no request, no response");
    assert!(server.peak_bytes() < 64 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
    assert_eq!(at_rest(&server).await.0, before, "descriptors leak");
}

#[tokio::test]
async fn keep_alive_connections_are_served_and_closed_when_idle() {
    let _alone = CROWDED.lock().await;
    let server = Server::start(&["--idle-timeout", "6s"]).await;
    let (before, _) = at_rest(&server).await;
    let (crowd, most_open) =
        while_others_are_served(&server, Duration::from_secs(5), crowd(&server, &[FOLLOW_UP.as_bytes()], None)).await;
    assert!(longest(&crowd) < Duration::from_secs(15), "one was kept for {:?}", longest(&crowd));
    assert!(most_open > CROWD * 3 / 4, "only {most_open} were open at once");
    assert!(crowd.iter().all(|member| member.answer.starts_with("HTTP/1.1 200 OK\r\n")), "each gets a response");
    // Each had a parser and its buffers. A pod has 256 MiB.
    assert!(server.peak_bytes() < 128 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
    assert_eq!(at_rest(&server).await.0, before, "descriptors leak");
}

#[tokio::test]
async fn clients_above_the_connection_limit_get_503() {
    let server = Server::start(&["--max-connections", "2"]).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let second = TcpStream::connect(server.address).await.unwrap();
    let third = server.exchange("GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(third.starts_with("HTTP/1.1 503 ") && third.contains("\r\nretry-after: 1\r\n"), "{third}");
    assert!(third.contains("\r\n\r\nerror:\n  status: \"503\"\n"), "{third}");
    // On HTTP/2, GOAWAY says that no stream was processed, so the client may retry.
    let mut fourth = TcpStream::connect(server.address).await.unwrap();
    fourth.write_all(&[PREFACE, &frame(4, 0, 0, &[])].concat()).await.unwrap();
    let mut told = Vec::new();
    fourth.read_to_end(&mut told).await.unwrap();
    assert_eq!(told, [frame(4, 0, 0, &[]), frame(7, 0, 0, &[0; 8])].concat());
    let refused = r#"http_requests_total{method="OTHER",path="unmatched",status="503"}"#;
    assert_eq!(server.metric(refused).await, Some(2.0));
    // The ops address has its own connections.
    assert!(server.scrape().await.contains("http_open_connections 2\n"));
    drop((first, second));
    eventually("there is room again", async || server.try_get("/version").await).await;
}

/// Beyond a number of pending rejections, the service does not wait for clients.
#[tokio::test]
async fn every_client_of_a_crowd_above_the_limit_gets_503() {
    const BEYOND: usize = 600;
    let server = Server::start(&["--max-connections", "1"]).await;
    let _first = TcpStream::connect(server.address).await.unwrap();
    let told = join_all((0..BEYOND).map(|_| async {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        read_to_end(&mut stream).await
    }));
    let told = told.await;
    let count = told.iter().filter(|answer| answer.starts_with("HTTP/1.1 503 ")).count();
    // The kernel decides which connection is the first.
    assert!(count >= BEYOND - 1, "{count} of {BEYOND} were told");
}

/// Bodies are read and discarded: a crowd that sends most of theirs and waits does not fill the memory.
#[tokio::test]
async fn partial_bodies_are_discarded() {
    let _alone = CROWDED.lock().await;
    let server = Server::start(&["--request-timeout", "5s"]).await;
    let body = "x".repeat(50_000);
    let request = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 60000\r\n\r\n{body}");
    let crowd = crowd(&server, &[request.as_bytes()], None).await;
    assert!(crowd.iter().all(|member| member.answer.starts_with("HTTP/1.1 408 ")), "each gets the reason");
    // hyper reads ahead, about 40 KB each. The bodies would come in addition.
    assert!(server.peak_bytes() < 300 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
}

#[tokio::test]
async fn idle_connections_make_room_for_new_clients() {
    let server = Server::start(&["--max-connections", "16", "--header-timeout", "1s"]).await;
    let mut silent = Vec::new();
    for _ in 0..16 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        silent.push(stream);
    }
    // The idle timeout is more than a minute, but a client gets a slot within seconds.
    eventually("there is room", async || server.try_get("/version").await).await;
    answers_as_before(&server).await;
}

#[tokio::test]
async fn half_closed_client_gets_its_response() {
    let server = Server::start(&[]).await;
    // `exchange` closes its sending side after the request.
    assert!(server.exchange("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
    let post = server.exchange("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc").await;
    assert!(post.starts_with("HTTP/1.1 405 "), "{post}");
    let broken = server.exchange("GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 30\r\n\r\nabc").await;
    assert!(broken.is_empty() || broken.starts_with("HTTP/1.1 400 "), "{broken}");
    assert_eq!(server.exchange("GET / HTTP/1.1\r\nho").await, "", "a partial head gets no response");
}

#[tokio::test]
async fn each_limit_is_inclusive() {
    let server =
        Server::start(&["--max-uri-bytes", "100", "--max-body-bytes", "50", "--max-header-bytes", "2000"]).await;
    let status = async |request: String| {
        let answer = server.exchange(request).await;
        answer.split(' ').nth(1).unwrap_or("closed").to_owned()
    };
    let target = |bytes: usize| format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(bytes - 1));
    assert_eq!((status(target(100)).await, status(target(101)).await), ("404".into(), "414".into()));
    let too_long = server.exchange(target(101)).await;
    assert!(too_long.contains("\r\n\r\nerror:\n  status: \"414\"\n"), "{too_long}");

    let body = |bytes: usize| {
        format!("GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {bytes}\r\n\r\n{}", "x".repeat(bytes))
    };
    assert_eq!((status(body(50)).await, status(body(51)).await), ("200".into(), "413".into()));
    assert_eq!(status(body(1_000_000)).await, "413", "also if the client sends it all before it reads");

    let chunked = |bytes: usize| {
        let chunk = "x".repeat(bytes);
        format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{bytes:x}\r\n{chunk}\r\n0\r\n\r\n"
        )
    };
    assert_eq!((status(chunked(50)).await, status(chunked(51)).await), ("200".into(), "413".into()));
    assert_eq!(status(chunked(1_000_000)).await, "413");

    let head = |bytes: usize| {
        let rest = "GET / HTTP/1.1\r\nhost: localhost\r\nx: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(bytes - rest))
    };
    assert_eq!((status(head(2000)).await, status(head(2001)).await), ("200".into(), "431".into()));

    let headers = |count: usize| {
        let lines = "x: y\r\n".repeat(count - 1);
        format!("GET / HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n")
    };
    assert_eq!((status(headers(100)).await, status(headers(101)).await), ("200".into(), "431".into()));
}

#[tokio::test]
async fn limits_apply_to_http2() {
    let server =
        Server::start(&["--max-uri-bytes", "100", "--max-body-bytes", "50", "--max-header-bytes", "2000"]).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let target = |bytes: usize| client.get(server.url(&format!("/{}", "x".repeat(bytes - 1))));
    let body = |bytes: usize| client.get(server.url("/")).body("x".repeat(bytes));
    // Without a length, as chunks are on HTTP/1.
    let stream = |bytes: usize| {
        let parts = iter(0..bytes).map(|_| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(b"x"))));
        client.get(server.url("/")).body(reqwest::Body::wrap(StreamBody::new(parts)))
    };
    let header = |bytes: usize| client.get(server.url("/")).header("x", "x".repeat(bytes));
    for (request, status) in [
        (target(100), 404),
        (target(101), 414),
        (body(50), 200),
        (body(51), 413),
        (stream(50), 200),
        (stream(51), 413),
        (header(1000), 200),
        (header(2000), 431),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (http::Version::HTTP_2, status));
    }
    assert!(server.get("/version").await.contains("\"compiler\": "));
}

#[tokio::test]
async fn malformed_request_gets_400_and_closes_the_connection() {
    let server = Server::start(&["--header-timeout", "1s", "--request-timeout", "1s"]).await;
    let server = &server;
    join_all(malformed().into_iter().map(|request| async move {
        let shown = String::from_utf8_lossy(&request);
        let answers = server.exchange([&request, FOLLOW_UP.as_bytes()].concat()).await;
        assert!(answers.is_empty() || answers.starts_with("HTTP/1.1 4"), "{shown:?} was answered {answers:?}");
        assert!(!answers.contains("\"compiler\": "), "what follows {shown:?} was answered");
        // A client that waits for the service to close does not wait long.
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&request).await.unwrap();
        let sent = Instant::now();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{shown:?} alone was answered {answer:?}");
        assert!(sent.elapsed() < Duration::from_secs(10), "{shown:?} was kept for {:?}", sent.elapsed());
    }))
    .await;
    let https = server.exchange("\u{16}\u{3}\u{1}").await;
    assert!(https.contains("\r\n\r\nerror:\n  status: \"400\"\n") && https.contains("not https://"), "{https}");
    let hostless = server.exchange("GET / HTTP/1.1\r\n\r\n").await;
    assert!(hostless.starts_with("HTTP/1.1 400 ") && hostless.contains("Host header"), "{hostless}");
    answers_as_before(server).await;
    let text = server.scrape().await;
    assert!(!text.contains("status=\"5"), "{text}");
}

/// Such a request is served or rejected, but once.
#[tokio::test]
async fn unusual_but_unambiguous_request_gets_one_response() {
    let server = Server::start(&[]).await;
    for request in ODD {
        let answers = server.exchange(format!("{request}{FOLLOW_UP}")).await;
        assert!(answers.starts_with("HTTP/1.1 2") || answers.starts_with("HTTP/1.1 4"), "{request:?}: {answers}");
        let count = answers.matches("HTTP/1.1 2").count() + answers.matches("HTTP/1.1 4").count();
        let after = (count, answers.matches("\"compiler\": ").count());
        assert!(after == (2, 1) || after == (1, 0), "{request:?} was answered {answers}");
    }
}

#[tokio::test]
async fn pipelined_requests_get_responses_in_order() {
    let server = Server::start(&[]).await;
    let get = |path| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let requests = (get("/version") + &get("/healthz")).repeat(150);
    let answers = server.exchange(requests).await;
    let bodies: Vec<_> = answers.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    assert_eq!(bodies.len(), 300);
    for (turn, body) in bodies.iter().enumerate() {
        assert!(
            body.contains(if turn % 2 == 0 { "\"compiler\": " } else { "\"status\": \"OK\"" }),
            "answer {turn}: {body}"
        );
    }
}

#[tokio::test]
async fn client_that_does_not_read_is_closed() {
    let server = Server::start(&["--idle-timeout", "1s"]).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let requests = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1000);
    let sending = async {
        // Until the service closes its side of the connection.
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

#[tokio::test]
async fn http2_connection_without_a_complete_head_is_closed() {
    let server = Server::start(&["--header-timeout", "1s"]).await;
    let settings = frame(4, 0, 0, &[]);
    // SETTINGS_INITIAL_WINDOW_SIZE (4) is 0: no answer's body may be sent.
    let no_window = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let get = frame(1, 5, 1, b"\x82\x84\x86\x41\x09localhost");
    for bytes in [
        PREFACE[..8].to_vec(),
        PREFACE.to_vec(),
        [PREFACE, &settings].concat(),
        [PREFACE, b"this is not a frame, whatever it may look like"].concat(),
        // A request whose head never ends.
        [PREFACE, &settings, &frame(1, 0, 1, &[0x82])].concat(),
        // The same, while the response to another stream waits for its client.
        [PREFACE, &no_window, &get, &frame(1, 0, 3, &[0x82])].concat(),
        // A head that is longer than one may be.
        [PREFACE, &settings, &frame(1, 0, 1, &[0x82; 16_000]), &frame(9, 0, 1, &[0x82; 16_000])].concat(),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let asked = Instant::now();
        read_to_end(&mut stream).await;
        assert!(asked.elapsed() < Duration::from_secs(10), "{bytes:?} was open for {:?}", asked.elapsed());
    }
    answers_as_before(&server).await;
}

#[tokio::test]
async fn http2_clients_that_do_not_read_are_closed() {
    // They send more requests than there are streams, so some are refused, and the connection is idle.
    let server = Server::start(&["--request-timeout", "1s", "--idle-timeout", "2s"]).await;
    // SETTINGS_INITIAL_WINDOW_SIZE (4) is 0: no answer's body may be sent.
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let get_metrics = b"\x82\x04\x08/metrics\x86\x41\x09localhost";
    let requests: Vec<u8> = (0..100).flat_map(|turn| frame(1, 5, turn * 2 + 1, get_metrics)).collect();
    let clients = (0..300).map(|_| async {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[PREFACE, &settings, &requests].concat()).await.unwrap();
        stream
    });
    let clients = join_all(clients).await;
    all_closed(clients).await;
    answers_as_before(&server).await;
    assert!(server.peak_bytes() < 128 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
    at_rest(&server).await;
}

/// The client goes on sending requests and does not read the responses. Each response has its own timeout.
#[tokio::test]
async fn http2_streams_that_are_not_read_are_reset() {
    let server = Server::start(&["--request-timeout", "1s"]).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // SETTINGS_INITIAL_WINDOW_SIZE (4) is 0: no answer's body may be sent.
    let get = |id: u32| frame(1, 5, id, b"\x82\x84\x86\x41\x09localhost");
    // A HEAD has no body to wait for, so the connection is never idle.
    let head = |id: u32| frame(1, 5, id, b"\x02\x04HEAD\x84\x86\x41\x09localhost");
    stream.write_all(&[PREFACE, &frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]), &get(1)].concat()).await.unwrap();
    let (mut id, mut taken) = (1, Vec::new());
    // RST_STREAM of the first stream.
    let reset = [0, 0, 4, 3, 0, 0, 0, 0, 1];
    eventually("the first answer is given up", async || {
        id += 2;
        stream.write_all(&head(id)).await.unwrap();
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        taken.extend_from_slice(&bytes[..count]);
        taken.windows(reset.len()).any(|window| window == reset).then_some(())
    })
    .await;
    // The connection stays open.
    id += 2;
    stream.write_all(&head(id)).await.unwrap();
    assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
}

#[tokio::test]
async fn stuck_http2_connections_do_not_block_other_clients() {
    let server = Server::start(&[]).await;
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let requests: Vec<u8> =
        (0..31).flat_map(|turn| frame(1, 5, turn * 2 + 1, b"\x82\x84\x86\x41\x09localhost")).collect();
    let bytes = [PREFACE, &settings, &requests].concat();
    let mut stuck = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        stuck.push(stream);
    }
    for _ in 0..17 {
        let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        assert_eq!(client.get(server.url("/")).send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn too_low_open_file_limit_is_an_error() {
    let run = |limit: u32| {
        let mut command = tokio::process::Command::new("sh");
        command.arg("-c").arg(format!("ulimit -n {limit} && exec \"$0\" --address 127.0.0.1:0"));
        command
            .arg(env!("CARGO_BIN_EXE_shopfront"))
            .env_clear()
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true);
        command
    };
    let output = run(63).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the limit of open files is 63; raise it to 64 or more"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let mut child = run(64).spawn().unwrap();
    let mut lines = tokio::io::BufReader::new(child.stderr.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().expect("it starts").contains(" serving ") {}
}

#[tokio::test]
async fn http2_flood_does_not_affect_other_clients() {
    let server = Server::start(&[]).await;
    let settings = frame(4, 0, 0, &[]);
    let get = |stream: u32| frame(1, 5, stream, b"\x82\x84\x86\x41\x09localhost");
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
        // The service may close in the middle.
        let taken = tokio::time::timeout(support::PATIENCE, stream.write_all(&flood)).await;
        assert!(taken.is_ok(), "{name}: neither taken nor cut off");
        answers_as_before(&server).await;
        drop(stream);
    }
    at_rest(&server).await;
    assert!(server.peak_bytes() < 64 * MEBIBYTE, "{} bytes of memory", server.peak_bytes());
}

#[tokio::test]
async fn random_bytes_leave_no_connection_and_no_memory() {
    const SEED: u64 = 9898;
    let second = "1s";
    let server =
        Server::start(&["--header-timeout", second, "--request-timeout", second, "--idle-timeout", second]).await;
    let server = &server;
    let (mut descriptors, mut peaks) = (Vec::new(), Vec::new());
    for round in 0..3 {
        let mut random = Random(SEED + round);
        let cases: Vec<_> = (0..1000).map(|_| random.garbage()).collect();
        iter(cases.iter().enumerate())
            .for_each_concurrent(200, async |(number, case)| {
                let shown =
                    || format!("seed {SEED}, round {round}, number {number}: {:?}", case.escape_ascii().to_string());
                let talk = async {
                    // One half closes its sending side, the other half waits for the service to close.
                    if number % 2 == 0 {
                        return server.exchange(case).await;
                    }
                    let mut stream = TcpStream::connect(server.address).await.expect("the service accepts");
                    let _ = stream.write_all(case).await;
                    read_to_end(&mut stream).await
                };
                let answer = tokio::time::timeout(Duration::from_secs(20), talk).await;
                let answer = answer.unwrap_or_else(|_| panic!("never ended: {}", shown()));
                assert!(!answer.contains("HTTP/1.1 5"), "{} was answered {answer:?}", shown());
            })
            .await;
        answers_as_before(server).await;
        descriptors.push(at_rest(server).await.0);
        peaks.push(server.peak_bytes());
    }
    let text = server.scrape().await;
    assert!(!text.contains("status=\"5"), "garbage broke a handler: {text}");
    assert_eq!(descriptors[0], descriptors[2], "descriptors leak: {descriptors:?}");
    assert!(peaks[2] < peaks[0] + 4 * MEBIBYTE, "memory grows: {peaks:?}");
}
