//! The responses of the endpoints, over real sockets.

mod support;

use std::io::Write;
use std::sync::Arc;

use http::StatusCode;
use http::header::{ACCEPT, ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::Value;
use support::{Server, Signal, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn get_as(server: &Server, path: &str, accept: &str) -> reqwest::Response {
    let request = reqwest::Client::new().get(server.url(path)).header(ACCEPT, accept);
    request.send().await.expect("the service answers")
}

#[tokio::test]
async fn root_is_yaml_for_curl() {
    let server = Server::start(&["--environment-show", "REPLICA_SET"]).await;
    let response = reqwest::get(server.url("/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/yaml");
    let text = response.text().await.unwrap();
    let keys: Vec<_> = text.lines().map(|line| line.split(':').next().unwrap()).collect();
    let expected = [
        "runtime",
        "  arch",
        "  hostname",
        "  max_procs",
        "  num_cpu",
        "  num_tasks",
        "  os",
        "  version",
        "environment",
        "  HOME",
        "  REPLICA_SET",
    ];
    assert_eq!(keys, expected);
    assert!(text.contains("  HOME: /home/shop\n  REPLICA_SET: \"7\"\n"), "{text}");
    let hostname = hostname::get().unwrap();
    assert!(text.contains(&format!("  hostname: {}\n", hostname.to_string_lossy())), "{text}");
}

#[tokio::test]
async fn root_is_json_or_html_by_accept() {
    let server = Server::start(&["--environment-show", "REPLICA_SET"]).await;
    let json: Value = get_as(&server, "/", "application/json").await.json().await.unwrap();
    assert_eq!(json["environment"]["REPLICA_SET"], "7");
    assert!(json["runtime"]["num_tasks"].as_str().unwrap().parse::<u32>().unwrap() > 0);

    let page = get_as(&server, "/", "text/html,*/*;q=0.8").await;
    assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let text = page.text().await.unwrap();
    assert!(text.contains("REPLICA_SET") && text.contains("/home/shop"), "{text}");
}

#[tokio::test]
async fn environment_values_follow_the_mode() {
    let variables =
        [("API_KEY", "hunter2"), ("DATABASE_URL", "postgres://app:hunter2@db/shop"), ("PLAIN", "<b>&shown")];
    for accept in ["*/*", "application/json", "text/html"] {
        let redacted = Server::start_with(&["--environment-show", "PLAIN"], &variables).await;
        let text = get_as(&redacted, "/", accept).await.text().await.unwrap();
        assert!(!text.contains("hunter2") && text.contains("shown") && text.contains("API_KEY"), "{text}");
        assert!(!text.contains("<b>&") || accept != "text/html", "a value is not markup: {text}");
    }
    let all = Server::start_with(&["--environment", "all"], &variables).await;
    assert!(all.get("/").await.contains("  API_KEY: hunter2\n"));
    let none = Server::start_with(&[], &[("SHOPFRONT_ENVIRONMENT", "none"), ("API_KEY", "hunter2")]).await;
    assert!(none.get("/").await.ends_with("environment: {}\n"));
}

#[tokio::test]
async fn external_ip_is_shown_as_set() {
    let server = Server::start(&["--external-ip", "18.224.3.230"]).await;
    assert!(server.get("/").await.contains("  external_ip: 18.224.3.230\n"));
}

/// A metadata service, version 2: a PUT returns a token, and a GET with the token returns the address.
async fn metadata_service() -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]).to_ascii_lowercase();
            let answer = if head.starts_with("put /latest/api/token ") && head.contains("token-ttl-seconds: ") {
                "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsesame"
            } else if head.starts_with("get /latest/meta-data/public-ipv4 ") && head.contains("token: sesame") {
                "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n18.224.3.230"
            } else {
                "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (endpoint, serving)
}

#[tokio::test]
async fn external_ip_is_read_from_the_metadata_service() {
    let (endpoint, serving) = metadata_service().await;
    let mut server = Server::start(&["--external-ip", "imds", "--imds-endpoint", &endpoint]).await;
    server.logged("received the external IP").await;
    assert!(server.get("/").await.contains("  external_ip: 18.224.3.230\n"));
    serving.abort();
}

#[tokio::test]
async fn silent_metadata_service_does_not_delay_requests() {
    // The kernel accepts connections for it, and it never responds.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let mut server = Server::start(&["--external-ip", "imds", "--imds-endpoint", &endpoint]).await;
    assert!(!server.get("/").await.contains("external_ip"));
    server.logged("no external IP").await;
    assert!(!server.get("/").await.contains("external_ip"));
}

#[tokio::test]
async fn metadata_service_gets_no_request_by_default() {
    let watched = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", watched.local_addr().unwrap());
    let mut server = Server::start(&["--imds-endpoint", &endpoint, "--drain-delay", "0s"]).await;
    server.get("/").await;
    server.signal(Signal::TERM);
    assert!(server.ended().await.success());
    let pending = std::pin::pin!(watched.accept());
    assert!(futures_util::FutureExt::now_or_never(pending).is_none(), "the service connected to the metadata service");
}

#[tokio::test]
async fn errors_are_documents_in_the_accepted_format() {
    let server = Server::start(&["--max-uri-bytes", "64", "--max-body-bytes", "8"]).await;
    let client = reqwest::Client::new();
    let long = format!("/{}", "x".repeat(64));
    for (request, status) in [
        (client.get(server.url("/nowhere")), StatusCode::NOT_FOUND),
        (client.post(server.url("/")), StatusCode::METHOD_NOT_ALLOWED),
        (client.get(server.url(&long)), StatusCode::URI_TOO_LONG),
        (client.get(server.url("/")).body("nine byte"), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let as_json = request.try_clone().unwrap().header(ACCEPT, "application/json").send().await.unwrap();
        assert_eq!(as_json.status(), status);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!(as_json.headers()[ALLOW], "GET, HEAD");
        }
        let json: Value = as_json.json().await.unwrap();
        assert_eq!(json["error"]["status"], status.as_str());
        assert!(json["error"]["message"].as_str().unwrap().len() > 10);

        let as_page = request.try_clone().unwrap().header(ACCEPT, "text/html").send().await.unwrap();
        assert_eq!(as_page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(as_page.text().await.unwrap().contains(&format!("<h1>{}", status.as_str())));

        let as_yaml = request.send().await.unwrap();
        assert_eq!(as_yaml.headers()[CONTENT_TYPE], "application/yaml");
        let yaml = as_yaml.text().await.unwrap();
        assert!(yaml.starts_with(&format!("error:\n  status: \"{}\"\n  reason: ", status.as_str())), "{yaml}");
    }
}

#[tokio::test]
async fn small_body_is_discarded() {
    let server = Server::start(&["--max-body-bytes", "8"]).await;
    let request = "GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 8\r\n\r\n12345678";
    let answer = server.exchange(request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
    let chunked = "GET / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n";
    assert!(server.exchange(chunked).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn missing_body_gets_408() {
    let server = Server::start(&["--request-timeout", "200ms"]).await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 8\r\n\r\n1").await.unwrap();
    let answer = support::read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("--request-timeout"), "{answer}");
}

#[tokio::test]
async fn head_gets_the_headers_of_get() {
    let server = Server::start(&[]).await;
    let response = reqwest::Client::new().head(server.url("/")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers()["content-length"].to_str().unwrap().parse::<u64>().unwrap() > 100);
    assert!(response.text().await.unwrap().is_empty());
}

/// On HTTP/2, a body after the headers would be a protocol error for the client (RFC 9110, section 9.3.2).
#[tokio::test]
async fn head_of_an_error_has_the_length_of_get_and_no_body() {
    let server = Server::start(&["--lab", "--max-uri-bytes", "64"]).await;
    let post = reqwest::Client::new().post(server.url("/readyz/disable")).send().await.unwrap();
    assert_eq!(post.status(), StatusCode::ACCEPTED);
    let long = format!("/{}", "x".repeat(64));
    for client in [reqwest::Client::builder(), reqwest::Client::builder().http2_prior_knowledge()] {
        let client = client.build().unwrap();
        let targets = [
            ("/nowhere", 404),
            ("/readyz", 503),
            ("/token", 405),
            ("/status/503", 503),
            ("/delay/x", 400),
            (&long, 414),
        ];
        for (target, status) in targets {
            let head = client.head(server.url(target)).send().await.unwrap();
            assert_eq!(head.status(), status, "{target}");
            let length = head.headers()["content-length"].clone();
            assert_eq!(head.bytes().await.expect("the response ends").len(), 0, "{target}");
            let get = client.get(server.url(target)).send().await.unwrap();
            assert_eq!((get.status().as_u16(), &get.headers()["content-length"]), (status, &length), "{target}");
            assert_eq!(get.bytes().await.unwrap().len().to_string(), length.to_str().unwrap(), "{target}");
        }
    }
}

#[tokio::test]
async fn repeated_or_invalid_host_gets_400() {
    let server = Server::start(&["--address", "0.0.0.0:0"]).await;
    let port = server.address.port();
    for hosts in ["host: a\r\nhost: b", "host: a\r\nhost: a", "host: a b", "host: a, b", "host: a/b", "host: a@b"] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(format!("GET / HTTP/1.1\r\n{hosts}\r\n\r\n").as_bytes()).await.unwrap();
        let answer = support::read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts:?}: {answer}");
    }
}

#[tokio::test]
async fn accept_ranges_decide_by_their_precision_and_the_endpoints_default() {
    let server = Server::start(&[]).await;
    for (path, accept, expected) in [
        ("/", "*/*", "application/yaml"),
        ("/", "application/*", "application/yaml"),
        ("/", "application/*, application/yaml;Q=0.1", "application/json"),
        ("/version", "*/*", "application/json"),
        ("/version", "application/*", "application/json"),
        ("/version", "application/yaml", "application/yaml"),
        ("/version", "text/*", "application/yaml"),
        ("/version", "*/*, application/json;Q=0", "application/yaml"),
        ("/status/404", "text/html;q=0.5, */*;q=0.1", "text/html; charset=utf-8"),
        ("/delay/never", "*/*", "application/json"),
        ("/nowhere", "*/*", "application/yaml"),
    ] {
        let answer = get_as(&server, path, accept).await;
        assert_eq!(answer.headers()[CONTENT_TYPE], expected, "{path} as {accept}");
    }
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served() {
    let server = Server::start(&[]).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let answers = (0..50).map(|_| client.get(server.url("/version")).header(ACCEPT, "application/yaml").send());
    for answer in futures_util::future::join_all(answers).await {
        let answer = answer.unwrap();
        assert_eq!((answer.version(), answer.status()), (http::Version::HTTP_2, StatusCode::OK));
        assert!(answer.text().await.unwrap().contains("version: \"0.1.0\""));
    }
    assert_eq!(server.metric(r#"http_requests_total{method="GET",path="version",status="200"}"#).await, Some(50.0));
}

#[tokio::test]
async fn activity_lists_the_requests_of_each_second() {
    let server = Server::start(&[]).await;
    for _ in 0..3 {
        server.get("/").await;
    }
    let activity = eventually("three requests on record", async || {
        let activity: Value = serde_json::from_str(&server.get("/activity").await).unwrap();
        let seconds = activity["requests_per_second"].as_array()?.clone();
        (seconds.iter().filter_map(Value::as_u64).sum::<u64>() == 3).then_some(activity)
    })
    .await;
    assert_eq!(activity["requests_total"], 3);
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let server = Server::start(&["--max-uri-bytes", "64"]).await;
    let long = format!("/{}", "x".repeat(64));
    let targets =
        ["/", "/activity", "/metrics", "/healthz", "/readyz", "/version", "/nowhere", &long, "*", "/#", "no path"];
    for accept in ["*/*", "application/json", "text/html"] {
        for target in targets {
            // The last three are rejected before the routes, by the parsed request or before there is one.
            let head =
                format!("GET {target} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
            let answer = server.exchange(head).await;
            let (headers, body) = answer.split_once("\r\n\r\n").expect("the answer has a head");
            let value = |name: &str| {
                let lines = headers.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                let [value] = lines.collect::<Vec<_>>()[..] else { panic!("{target}: one {name} in {headers}") };
                value
            };
            assert_eq!(value("x-content-type-options"), "nosniff");
            assert_eq!(value("cache-control"), "no-store");
            assert_eq!(value("referrer-policy"), "no-referrer");
            assert_eq!(value("cross-origin-resource-policy"), "same-origin");
            let policy = value("content-security-policy");
            for directive in ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
                assert!(policy.split("; ").any(|part| part == directive), "{target}: {policy}");
            }
            let has_script = body.contains("<script") || body.contains("<style");
            assert_eq!(policy.contains("sha256-"), has_script, "{target}: {policy}");
            assert_eq!(value("content-length"), body.len().to_string(), "{target}");
        }
    }
}

#[tokio::test]
async fn invalid_weight_is_ignored() {
    let server = Server::start(&[]).await;
    for weight in ["inf", "2", "1.001", "NaN", "-1", ".9", "0.0001", "1e1"] {
        let accept = format!("text/html;q={weight}, application/json;q=0.1");
        let answer = get_as(&server, "/", &accept).await;
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json", "{accept}");
    }
    let answer = get_as(&server, "/", "application/yaml;q=0, text/html;q=0.3, */*;q=0.2").await;
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
}

/// A web page whose own name resolves to the loopback address must not read anything there.
#[tokio::test]
async fn loopback_address_serves_only_local_hosts() {
    let server = Server::start(&[]).await;
    let port = server.address.port();
    let asked = async |target: &str, host: &str| {
        server.exchange(format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await
    };
    for host in ["localhost", "LOCALHOST", "shop.localhost:1", "127.0.0.1", "127.1.2.3:80", "[::1]", ""] {
        assert!(asked("/", host).await.starts_with("HTTP/1.1 200 "), "{host}");
    }
    assert!(
        asked("http://127.0.0.1/", "evil.example").await.starts_with("HTTP/1.1 200 "),
        "the target's host overrides `Host`"
    );
    assert!(
        server.exchange("GET / HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 200 "),
        "browsers do not send HTTP/1.0"
    );
    for host in
        ["evil.example", &format!("evil.example:{port}"), "localhost.evil.example", "10.0.0.1", "0.0.0.0", "[::]"]
    {
        for (target, host) in [("/", host), (&*format!("http://{host}/"), "localhost")] {
            let refused = asked(target, host).await;
            assert!(refused.starts_with("HTTP/1.1 421 ") && refused.contains("Host: localhost"), "{host}: {refused}");
            assert!(!refused.contains("runtime:"), "{refused}");
        }
    }
    let client = reqwest::Client::builder().http2_prior_knowledge().resolve("evil.example", server.address);
    let evil = client.build().unwrap().get(format!("http://evil.example:{port}/"));
    assert_eq!(evil.send().await.unwrap().status(), StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn wildcard_address_serves_every_host() {
    let mut server = Server::start(&["--address", "0.0.0.0:0"]).await;
    server.address.set_ip([127, 0, 0, 1].into());
    let answer = server.exchange("GET / HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

/// The binary has no route that panics, so this adds one to its routes and layers.
#[tokio::test]
async fn panic_gets_500_and_is_counted() {
    use shopfront::app::{App, layered, routes};
    use shopfront::http_rules::Hosts;
    use shopfront::server::{self, Budget, Pressure, ServerConfig};
    use shopfront::{activity::Activity, config::Config, document::Document, lifecycle, metrics::Metrics};

    let config = <Config as clap::Parser>::parse_from(["shopfront"]);
    let lifecycle = lifecycle::Lifecycle::new();
    let metrics = Arc::new(Metrics::new());
    let document = Document::gather(config.environment, &[], 1);
    let app = App::new(document, Arc::clone(&metrics), Arc::new(Activity::default()), lifecycle.clone());
    let panicking = axum::routing::get(async || if true { panic!("on purpose") } else { "" });
    let routes = routes(Arc::new(app), true).route("/bug", panicking);
    let listeners = server::bind(&[([127, 0, 0, 1], 0).into()], "--address").unwrap();
    let address = listeners[0].local_addr().unwrap();
    let (limits, pressure) = (config.limits, Pressure::default());
    let service = layered(routes, Arc::clone(&metrics), limits, pressure.clone(), Hosts::Local);
    let budget = Budget::for_this_process(&limits, 0).unwrap();
    let serving = tokio::spawn(server::serve(
        ServerConfig { listeners, service, tls: None, limits, budget, pressure },
        config.shutdown.shutdown_timeout,
        lifecycle.clone(),
        Arc::clone(&metrics),
    ));
    let answer = reqwest::get(format!("http://{address}/bug")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.text().await.unwrap().starts_with("error:\n  status: \"500\"\n"));
    let text = String::from_utf8(metrics.render().to_vec()).unwrap();
    assert!(text.contains("http_requests_total{method=\"GET\",path=\"unmatched\",status=\"500\"} 1\n"), "{text}");
    assert_eq!(reqwest::get(format!("http://{address}/readyz")).await.unwrap().status(), StatusCode::OK);

    lifecycle.advance(lifecycle::Phase::Stopping);
    serving.await.unwrap().unwrap();
}

/// Runs the binary until it exits. Returns its exit code and its standard error.
fn refused(flags: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_shopfront"))
        .args(flags)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("cargo has built the binary");
    let _ = std::io::stderr().write_all(&output.stdout);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn invalid_setting_is_named_by_flag_and_variable() {
    for (flag, variable, value) in [
        ("--address", "SHOPFRONT_ADDRESS", "nowhere"),
        ("--drain-delay", "SHOPFRONT_DRAIN_DELAY", "soon"),
        ("--idle-timeout", "SHOPFRONT_IDLE_TIMEOUT", "0s"),
        ("--log-level", "SHOPFRONT_LOG_LEVEL", "loud"),
        ("--environment", "SHOPFRONT_ENVIRONMENT", "some"),
        ("--environment-show", "SHOPFRONT_ENVIRONMENT_SHOW", "COLOR,A B"),
        ("--environment-show", "SHOPFRONT_ENVIRONMENT_SHOW", "COLOR,*"),
        ("--environment-show", "SHOPFRONT_ENVIRONMENT_SHOW", "COLOR,,FEATURE_*"),
        ("--external-ip", "SHOPFRONT_EXTERNAL_IP", "here"),
        ("--max-connections", "SHOPFRONT_MAX_CONNECTIONS", "0"),
        ("--drain-delay", "SHOPFRONT_DRAIN_DELAY", "10000y"),
        ("--max-body-bytes", "SHOPFRONT_MAX_BODY_BYTES", "1k"),
        ("--probe-user-agents", "SHOPFRONT_PROBE_USER_AGENTS", "GoogleHC/,,curl/"),
        ("--work", "SHOPFRONT_WORK", "2s"),
        ("--ready-after", "SHOPFRONT_READY_AFTER", "soon"),
        ("--max-allocate-mib", "SHOPFRONT_MAX_ALLOCATE_MIB", "0"),
        ("--url-prefix", "SHOPFRONT_URL_PREFIX", "shop"),
        ("--url-prefix", "SHOPFRONT_URL_PREFIX", "/"),
        ("--tls-address", "SHOPFRONT_TLS_ADDRESS", "9899"),
    ] {
        for (code, message) in [refused(&[flag, value], &[]), refused(&[], &[(variable, value)])] {
            assert_eq!(code, Some(2), "{message}");
            assert!(message.contains(flag) && message.contains(variable), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }
}

/// Flags that may stand alone take their value after `=` only.
#[test]
fn invalid_switch_is_named_by_flag_and_variable() {
    for (flag, variable) in [
        ("--lab", "SHOPFRONT_LAB"),
        ("--random-delay", "SHOPFRONT_RANDOM_DELAY"),
        ("--random-error", "SHOPFRONT_RANDOM_ERROR"),
    ] {
        for (code, message) in [refused(&[&format!("{flag}=maybe")], &[]), refused(&[], &[(variable, "maybe")])] {
            assert_eq!((code, message.lines().count()), (Some(2), 1), "{message}");
            assert!(message.contains(flag) && message.contains(variable), "{message}");
        }
    }
}

#[test]
fn flag_without_a_value_is_named() {
    let (code, message) = refused(&["--address"], &[]);
    assert_eq!(code, Some(2));
    assert!(message.contains("--address") && message.contains("a value is missing"), "{message}");
}

#[tokio::test]
async fn empty_variable_is_ignored() {
    let server = Server::start_with(&[], &[("SHOPFRONT_EXTERNAL_IP", ""), ("SHOPFRONT_LOG_LEVEL", "")]).await;
    assert!(!server.get("/").await.contains("external_ip"));
}

#[test]
fn port_in_use_is_reported() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, message) = refused(&["--address", &address], &[]);
    assert_eq!(code, Some(1));
    assert!(message.contains(&address) && message.contains("in use") && message.contains("--address"), "{message}");
}

#[test]
fn default_address_outside_a_pod_is_loopback() {
    let shown = |variables: &[(&str, &str)]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_shopfront"));
        let output = command.arg("--help").env_clear().envs(variables.iter().copied()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(shown(&[]).contains("[default: 127.0.0.1:9898 [::1]:9898]"));
    assert!(shown(&[("KUBERNETES_SERVICE_HOST", "172.20.0.1")]).contains("[default: 0.0.0.0:9898 [::]:9898]"));
}

#[tokio::test]
async fn every_address_is_served() {
    let server = Server::start(&["--address", "127.0.0.1:0,127.0.0.2:0"]).await;
    let second = server.other_addresses[0];
    assert!(second.ip().to_string() == "127.0.0.2", "{second}");
    for url in [server.url("/version"), format!("http://{second}/version")] {
        assert_eq!(reqwest::get(&url).await.unwrap().status(), StatusCode::OK, "{url}");
    }
}

/// The default addresses on a free port: of a developer's machine, and of a pod. Without IPv6, the IPv4 one alone is served.
#[tokio::test]
async fn both_families_are_served_on_one_port() {
    for addresses in [["127.0.0.1", "[::1]"], ["0.0.0.0", "[::]"]] {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let set = addresses.map(|ip| format!("{ip}:{port}")).join(",");
        let mut server = Server::start(&["--address", &set, "--ops-address", "127.0.0.1:0"]).await;
        assert_eq!(reqwest::get(format!("http://127.0.0.1:{port}/version")).await.unwrap().status(), StatusCode::OK);
        if server.other_addresses.is_empty() {
            server.logged("not listening on this address: this machine has no IPv6").await;
        } else {
            assert_eq!(reqwest::get(format!("http://[::1]:{port}/version")).await.unwrap().status(), StatusCode::OK);
            let evil =
                reqwest::Client::new().get(format!("http://[::1]:{port}/version")).header("host", "evil.example");
            let expected = if addresses[1] == "[::1]" { 421 } else { 200 };
            assert_eq!(evil.send().await.unwrap().status(), expected, "{set}");
        }
    }
}

#[tokio::test]
async fn second_service_uses_a_free_ops_port() {
    // The default is taken for one of the two, or for both by another program.
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut servers = Vec::new();
    for address in [free(), free()] {
        servers.push(Server::start(&["--address", &address]).await);
    }
    assert_ne!(servers[0].ops_address, servers[1].ops_address);
    for server in servers {
        assert!(server.scrape().await.contains("http_open_connections 0\n"));
    }
}
