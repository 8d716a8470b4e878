//! podinfo's API, row by row of docs/PODINFO.md.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ask;
use crate::support::{Server, Signal, read_to_end};

#[tokio::test]
async fn documents_have_the_keys_of_podinfo() {
    let server = Server::start(&[]).await;
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let (_, info) = ask(&server, "GET", "/api/info", "").await;
    let expected = [
        "color",
        "goarch",
        "goos",
        "hostname",
        "logo",
        "message",
        "num_cpu",
        "num_goroutine",
        "revision",
        "runtime",
        "version",
    ];
    assert_eq!(keys(&info), expected);
    assert!(info.as_object().unwrap().values().all(Value::is_string), "{info}");
    let (_, version) = ask(&server, "GET", "/version", "").await;
    assert_eq!((&version["version"], &version["commit"]), (&json!("0.1.0"), &json!("unknown")));
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(&server, "GET", path, "").await, (200, json!({"status": "OK"})), "{path}");
    }
}

#[tokio::test]
async fn env_lists_the_variables_as_the_root_shows_them() {
    let variables = [("HOME", "/home/shop"), ("API_KEY", "hunter2"), ("COLOR", "blue")];
    let server = Server::start_with(&["--environment-show", "COLOR"], &variables).await;
    let expected = json!(["API_KEY=[redacted]", "COLOR=blue", "HOME=/home/shop"]);
    assert_eq!(ask(&server, "GET", "/env", "").await, (200, expected.clone()));
    assert_eq!(ask(&server, "POST", "/env", "ignored").await, (200, expected));
}

#[tokio::test]
async fn headers_are_listed_with_the_values_that_are_no_secret() {
    let server = Server::start(&[]).await;
    let client = reqwest::Client::new();
    for request in [client.get(server.url("/headers")), client.post(server.url("/headers")).body("ignored")] {
        let request = request.header("x-b3-traceid", "7").header("x-b3-traceid", "8").bearer_auth("hidden");
        let request = request.header("if-none-match", "\"7\"").header("x-origin-verify", "hidden");
        let listed: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(listed["X-B3-Traceid"], json!(["7", "8"]));
        assert_eq!(listed["If-None-Match"], json!(["\"7\""]));
        assert_eq!(listed["Authorization"], json!(["[redacted]"]));
        assert_eq!(listed["X-Origin-Verify"], json!(["[redacted]"]));
        assert!(listed.get("Host").is_none(), "{listed}");
    }
}

#[tokio::test]
async fn echo_returns_the_body_with_202() {
    let server = Server::start(&["--max-body-bytes", "1000"]).await;
    let client = reqwest::Client::new();
    let http2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    for path in ["/echo", "/api/echo"] {
        for request in [client.post(server.url(path)), client.put(server.url(path)), http2.post(server.url(path))] {
            let response = request.body("<b>shop</b>").send().await.unwrap();
            assert_eq!(response.status(), StatusCode::ACCEPTED);
            assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
            assert_eq!(response.text().await.unwrap(), "<b>shop</b>");
        }
        let binary = client.post(server.url(path)).body(vec![0xff, 0]).send().await.unwrap();
        assert_eq!(binary.headers()["content-type"], "application/octet-stream");
        assert_eq!(binary.bytes().await.unwrap(), &[0xff, 0][..]);
        assert_eq!(client.get(server.url(path)).send().await.unwrap().text().await.unwrap(), "");
        let large = client.post(server.url(path)).body("x".repeat(1001)).send().await.unwrap();
        assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    let chunked = "POST /echo HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n\
                   2\r\nsh\r\n2\r\nop\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let answer = server.exchange(chunked).await;
    assert!(answer.starts_with("HTTP/1.1 202 ") && answer.ends_with("\r\n\r\nshop"), "{answer}");
}

#[tokio::test]
async fn status_is_the_one_that_was_asked_for() {
    let server = Server::start(&[]).await;
    for status in [200, 201, 204, 301, 304, 400, 404, 418, 429, 499, 500, 503, 599] {
        for method in ["GET", "POST", "PUT"] {
            let (answered, document) = ask(&server, method, &format!("/status/{status}"), "").await;
            assert_eq!(answered, status);
            let has_body = ![204, 304].contains(&status);
            assert_eq!(document["status"].as_u64(), has_body.then_some(u64::from(status)), "{method} {status}");
        }
    }
    for status in ["", "0", "101", "199", "600", "1000", "-200", "+200", "2e2", "ok", "%32%30%30"] {
        let (answered, document) = ask(&server, "GET", &format!("/status/{status}"), "").await;
        assert!(answered == 400 || status.is_empty() && answered == 404, "{status}: {answered} {document}");
    }
    let http2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    for client in [http2, reqwest::Client::new()] {
        let response = client.get(server.url("/status/304")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert!(response.headers().get("content-length").is_none(), "{:?}", response.headers());
    }
}

#[tokio::test]
async fn delay_takes_its_time_and_no_longer_than_the_request_timeout() {
    let server = Server::start(&["--request-timeout", "2s"]).await;
    for (path, time, delay) in
        [("/delay/1", 1000, json!(1)), ("/delay/250ms", 250, json!(0.25)), ("/chunked/1", 1000, json!(1))]
    {
        let started = Instant::now();
        assert_eq!(ask(&server, "GET", path, "").await, (200, json!({"delay": delay})));
        assert!(started.elapsed() >= Duration::from_millis(time), "{path} took {:?}", started.elapsed());
    }
    for path in
        ["/delay/3", "/chunked/3", "/delay/x", "/delay/-1", "/delay/+0", "/delay/99999999999999999999", "/delay/1e9"]
    {
        assert_eq!(ask(&server, "GET", path, "").await.0, 400, "{path}");
    }
}

#[tokio::test]
async fn chunked_sends_its_headers_first_and_a_drain_ends_it() {
    let mut server = Server::start(&["--drain-delay", "0s", "--shutdown-timeout", "5s"]).await;
    let mut streams = Vec::new();
    for path in ["/chunked/9", "/delay/9"] {
        let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        streams.push(stream);
    }
    let mut head = vec![0; 4096];
    let count = streams[0].read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..count]).into_owned();
    assert!(head.contains("transfer-encoding: chunked") && !head.contains("delay"), "{head}");
    // The other request has arrived, too.
    assert_eq!(ask(&server, "GET", "/healthz", "").await.0, 200);
    let started = Instant::now();
    server.signal(Signal::TERM);
    for stream in &mut streams {
        let rest = read_to_end(stream).await;
        assert!(rest.contains(r#""delay": 9"#), "{rest}");
    }
    assert!(server.ended().await.success());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

/// The test of podinfo's chart, which Flagger runs as well.
#[tokio::test]
async fn token_is_valid_where_its_key_is_known() {
    let server = Server::start(&[]).await;
    let (status, created) = ask(&server, "POST", "/token", "test").await;
    assert_eq!(status, 200);
    assert!(created["expires_at"].as_str().unwrap().ends_with('Z'), "{created}");
    let token = created["token"].as_str().unwrap();
    let validated = async |server: &Server, token: &str| {
        let request = reqwest::Client::new().get(server.url("/token/validate")).bearer_auth(token);
        let response = request.send().await.unwrap();
        let challenge = response.headers().get("www-authenticate").is_some();
        (response.status().as_u16(), challenge, response.json::<Value>().await.unwrap())
    };
    let (status, _, document) = validated(&server, token).await;
    assert_eq!(
        (status, &document["token_name"], &document["expires_at"]),
        (200, &json!("test"), &created["expires_at"])
    );
    let other = Server::start(&[]).await;
    for (server, token) in [(&other, token), (&server, "nonsense"), (&server, "")] {
        let (status, challenge, _) = validated(server, token).await;
        assert_eq!((status, challenge), (401, true));
    }
    assert_eq!(ask(&server, "GET", "/token/validate", "").await.0, 401);
    let (_, anonymous) = ask(&server, "POST", "/token", "").await;
    assert_eq!(validated(&server, anonymous["token"].as_str().unwrap()).await.2["token_name"], "anonymous");
    assert_eq!(ask(&server, "POST", "/token", &"x".repeat(257)).await.0, 400);

    let shared = [("PODINFO_JWT_SECRET", "hunter2")];
    let (one, another) = (Server::start_with(&[], &shared).await, Server::start_with(&[], &shared).await);
    let (_, created) = ask(&one, "POST", "/token", "").await;
    assert_eq!(validated(&another, created["token"].as_str().unwrap()).await.0, 200);
    assert!(!one.get("/").await.contains("hunter2") && !one.get("/env").await.contains("hunter2"));
}

#[tokio::test]
async fn readiness_is_enabled_and_disabled() {
    let server = Server::start(&["--lab"]).await;
    assert_eq!(ask(&server, "POST", "/readyz/disable", "").await, (202, json!({"status": "OK"})));
    let (status, document) = ask(&server, "GET", "/readyz", "").await;
    assert_eq!(status, 503);
    assert!(document["error"]["message"].as_str().unwrap().contains("/readyz/enable"), "{document}");
    let ops = reqwest::get(format!("http://{}/readyz", server.ops_address)).await.unwrap();
    assert_eq!(ops.status(), 503, "the kubelet asks there");
    assert_eq!(ask(&server, "GET", "/healthz", "").await.0, 200);
    assert_eq!(ask(&server, "POST", "/readyz/enable", "").await.0, 202);
    assert_eq!(ask(&server, "GET", "/readyz", "").await.0, 200);
}

#[tokio::test]
async fn fault_injection_fails_client_requests_and_spares_the_rest() {
    let server = Server::start(&["--lab"]).await;
    let state = async |expected: &str| {
        let (status, document) = ask(&server, "GET", "/fault_injection/status", "").await;
        assert_eq!((status, document), (200, json!({"fault_injection": expected})));
    };
    state("disabled").await;
    let enabled = ask(&server, "POST", "/fault_injection/enable", "").await;
    assert_eq!(enabled, (202, json!({"fault_injection": "enabled"})));
    state("enabled").await;
    for path in ["/", "/api/info", "/version", "/status/200"] {
        assert_eq!(ask(&server, "GET", path, "").await, (500, json!({"status": "fault injection enabled"})), "{path}");
    }
    for path in ["/healthz", "/readyz", "/metrics", "/activity"] {
        assert_eq!(ask(&server, "GET", path, "").await.0, 200, "{path}");
    }
    let failed = server.metric(r#"http_requests_total{method="GET",path="root",status="500"}"#).await;
    assert_eq!(failed, Some(1.0), "an analysis sees the failures at the endpoint");
    let disabled = ask(&server, "POST", "/fault_injection/disable", "").await;
    assert_eq!(disabled, (202, json!({"fault_injection": "disabled"})));
    assert_eq!(ask(&server, "GET", "/", "").await.0, 200);
}

#[tokio::test]
async fn panic_ends_the_process_with_podinfos_exit_code() {
    let mut server = Server::start(&["--lab"]).await;
    assert!(reqwest::get(server.url("/panic")).await.is_err());
    assert_eq!(server.ended().await.code(), Some(255));
}
