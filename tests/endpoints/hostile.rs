//! Clients that abuse endpoints which read, keep or delay something.

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::ask;
use crate::support::{Server, eventually, read_to_end};

/// Each takes room for its whole body, and sends none of it.
#[tokio::test]
async fn half_sent_bodies_take_a_bounded_part_of_memory_and_leave_the_rest_served() {
    let server = Server::start(&["--request-timeout", "8s"]).await;
    let mut streams = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 65536\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&[b'x'; 1000]).await.unwrap();
        streams.push(stream);
    }
    assert_eq!(ask(&server, "GET", "/", "").await.0, 200);
    let answers = join_all(streams.iter_mut().map(read_to_end)).await;
    let of = |status: &str| answers.iter().filter(|answer| answer.starts_with(status)).count();
    let (kept, refused) = (of("HTTP/1.1 408 "), of("HTTP/1.1 503 "));
    assert_eq!(kept + refused, 300);
    // 4 MiB have room for 64 bodies. On a busy machine, the first have timed out before the last are sent.
    assert!((64..=128).contains(&kept), "{kept} of 300 had room");
    assert!(
        answers
            .iter()
            .filter(|answer| answer.starts_with("HTTP/1.1 503 "))
            .all(|answer| answer.contains("retry-after"))
    );
    assert!(server.peak_bytes() < 40 << 20, "{} bytes", server.peak_bytes());
    assert_eq!(ask(&server, "POST", "/echo", "shop").await.0, 202, "their room is free again");
}

/// The clients send their bodies, and never read what comes back.
#[tokio::test]
async fn echoes_that_are_not_read_keep_their_room_until_they_are_given_up() {
    let server = Server::start(&["--idle-timeout", "2s", "--request-timeout", "2s"]).await;
    let body = "x".repeat(65_536);
    let mut streams = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!("POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(head.as_bytes()).await;
        // It may have been refused meanwhile.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), stream.write_all(body.as_bytes())).await;
        streams.push(stream);
    }
    assert!(server.peak_bytes() < 40 << 20, "{} bytes", server.peak_bytes());
    assert_eq!(ask(&server, "GET", "/version", "").await.0, 200);
    eventually("there is room for others", async || {
        (ask(&server, "POST", "/echo", &body).await.0 == 202).then_some(())
    })
    .await;
}

#[tokio::test]
async fn waiting_requests_have_a_limit_of_their_own() {
    let server = Server::start(&[]).await;
    let waiting: Vec<_> = (0..300)
        .map(|turn| {
            let url = server.url(if turn % 2 == 0 { "/delay/3" } else { "/chunked/3" });
            tokio::spawn(async move { reqwest::get(url).await.unwrap().status().as_u16() })
        })
        .collect();
    let statuses: Vec<_> = join_all(waiting).await.into_iter().map(Result::unwrap).collect();
    let count = |status| statuses.iter().filter(|answered| **answered == status).count();
    assert_eq!(count(200) + count(503), 300);
    assert!(count(503) >= 44 && count(200) >= 256, "{} and {}", count(200), count(503));
    assert_eq!(ask(&server, "GET", "/delay/1ms", "").await.0, 200, "their places are free again");
}

/// Texts that a redactor takes long for.
#[tokio::test]
async fn listing_headers_takes_little_cpu_time_whatever_they_hold() {
    let server = Server::start(&[]).await;
    let spent = async || server.metric("process_cpu_seconds_total").await.unwrap();
    let text = r#"{"token":"x""#;
    let client = reqwest::Client::new();
    let before = spent().await;
    for format in ["application/json", "application/yaml", "text/html"] {
        let request = || client.get(server.url("/headers")).header("accept", format);
        let long = ["x-a", "user-agent", "referer"].map(|name| request().header(name, text.repeat(1200)));
        let many = (0..80).fold(request(), |request, turn| request.header(format!("x-{turn}"), text.repeat(12)));
        for request in long.into_iter().chain([many]) {
            assert_eq!(request.send().await.unwrap().status(), 200);
        }
    }
    let used = spent().await - before;
    assert!(used < 1.0, "{used} s for 12 requests, in a build without optimisation");
}

#[tokio::test]
async fn long_parameters_and_headers_get_a_short_answer() {
    let server = Server::start(&["--lab"]).await;
    for path in ["/status/", "/delay/", "/chunked/", "/burn/", "/allocate/", "/allocate/1?for="] {
        let path = format!("{path}{}", "9".repeat(1900));
        for method in ["GET", "POST"] {
            let (status, document) = ask(&server, method, &path, "body").await;
            assert!([400, 404, 405].contains(&status), "{method} {path}: {status} {document}");
        }
    }
    let value = "a=b; ".repeat(2900);
    let started = std::time::Instant::now();
    let request = reqwest::Client::new().get(server.url("/headers")).header("x-long", value.trim());
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
}
