//! Traces by OTLP, with a collector that decodes them.

mod collector;
mod failures;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use collector::Collector;
use reqwest::Client;
use support::{Server, Signal};

/// A trace of a client, as its `traceparent` names it.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A collector, and a server that sends it spans at once.
async fn started(variables: &[(&str, &str)]) -> (Server, Collector) {
    let collector = Collector::start().await;
    let own = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    let server = Server::start_with(&["--drain-delay", "0s"], &[&own[..], variables].concat()).await;
    (server, collector)
}

async fn traced(server: &Server, path: &str, traceparent: &str) {
    let request = Client::new().get(server.url(path)).header("traceparent", traceparent);
    request.header("tracestate", "vendor=value").send().await.unwrap();
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from_digit(digit.into(), 16).expect("it is a digit")).collect()
}

#[tokio::test]
async fn span_has_the_attributes_of_the_conventions() {
    let (server, mut collector) = started(&[]).await;
    let request = Client::new().get(server.url("/delay/0?token=hunter2"));
    let request = request.header("user-agent", "curl/8").header("x-forwarded-for", "192.0.2.7, 10.0.0.1");
    let response = request.header("authorization", "Bearer hunter2").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let mut span = collector.span().await;
    assert_eq!(span.otlp.name, "GET /delay/{seconds}");
    assert_eq!(span.otlp.kind, 2, "a server's");
    assert!(span.otlp.parent_span_id.is_empty() && !span.is_error(), "{span:?}");
    assert!(span.attributes.remove("network.peer.port").is_some_and(|port| port.parse::<u16>().is_ok()));
    let port = server.address.port().to_string();
    let expected = [
        ("client.address", "192.0.2.7"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/delay/{seconds}"),
        ("network.peer.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("server.address", "127.0.0.1"),
        ("server.port", port.as_str()),
        ("url.path", "/delay/0"),
        ("url.query", "[redacted]"),
        ("url.scheme", "http"),
        ("user_agent.original", "curl/8"),
    ];
    assert_eq!(span.attributes, BTreeMap::from(expected.map(|(name, value)| (name.to_owned(), value.to_owned()))));
    assert_eq!(span.resource["service.name"], "shopfront");
    assert_eq!(span.resource["telemetry.sdk.language"], "rust");
    assert!(!format!("{span:?}").contains("hunter2"), "{span:?}");
}

/// The path is the one that was sent, the route without the prefix is the label of the metrics.
#[tokio::test]
async fn path_has_the_prefix() {
    let mut collector = Collector::start().await;
    let own = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    let server = Server::start_with(&["--url-prefix", "/shop"], &own).await;
    reqwest::get(server.url("/shop/version")).await.unwrap();
    let span = collector.span().await;
    assert_eq!((span.attribute("url.path"), span.attribute("http.route")), ("/shop/version", "/version"));
}

#[tokio::test]
async fn http2_has_the_same_span() {
    let (server, mut collector) = started(&[]).await;
    let client = Client::builder().http2_prior_knowledge().build().unwrap();
    client.get(server.url("/version")).send().await.unwrap();
    let span = collector.span().await;
    assert_eq!((span.otlp.name.as_str(), span.attribute("network.protocol.version")), ("GET /version", "2"));
    assert_eq!(span.attribute("client.address"), "127.0.0.1");
    assert_eq!(span.attribute("server.port"), server.address.port().to_string());
}

#[tokio::test]
async fn names_and_methods_come_from_closed_sets() {
    let (server, mut collector) = started(&[]).await;
    let long = format!("/{}", "a".repeat(1000));
    for (method, path, name, recorded) in [
        ("GET", "/wp-login.php", "GET", "GET"),
        ("GET", &long, "GET", "GET"),
        ("POST", "/status/204", "POST /status/{code}", "POST"),
        ("BREW", "/version", "HTTP /version", "_OTHER"),
        ("BREW", "/pot", "HTTP", "_OTHER"),
    ] {
        Client::new().request(method.parse().unwrap(), server.url(path)).send().await.unwrap();
        let span = collector.span().await;
        assert_eq!((span.otlp.name.as_str(), span.attribute("http.request.method")), (name, recorded));
        let original = if recorded == "_OTHER" { "BREW" } else { "" };
        assert_eq!(span.attribute("http.request.method_original"), original);
        assert!(span.attribute("url.path").len() <= 256, "{span:?}");
    }
}

#[tokio::test]
async fn only_a_server_error_is_an_error() {
    let (server, mut collector) = started(&[]).await;
    for (status, error) in [("404", ""), ("429", ""), ("500", "500"), ("503", "503")] {
        reqwest::get(server.url(&format!("/status/{status}"))).await.unwrap();
        let span = collector.span().await;
        assert_eq!(span.attribute("http.response.status_code"), status);
        assert_eq!((span.attribute("error.type"), span.is_error()), (error, !error.is_empty()));
    }
}

#[tokio::test]
async fn probes_and_scrapes_make_no_span() {
    let (server, mut collector) = started(&[]).await;
    for path in ["/healthz", "/readyz", "/metrics", "/activity"] {
        reqwest::get(server.url(path)).await.unwrap();
    }
    reqwest::get(format!("http://{}/metrics", server.ops_address)).await.unwrap();
    Client::new().get(server.url("/")).header("user-agent", "kube-probe/1.37").send().await.unwrap();
    reqwest::get(server.url("/version")).await.unwrap();
    assert_eq!(collector.span().await.otlp.name, "GET /version");
    assert!(collector.others().is_empty());
}

#[tokio::test]
async fn span_is_part_of_the_clients_trace() {
    let (server, mut collector) = started(&[]).await;
    traced(&server, "/version", &format!("00-{TRACE}-{PARENT}-01")).await;
    let span = collector.span().await.otlp;
    assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!(span.trace_state, "vendor=value");
    for invalid in [format!("00-{TRACE}-{PARENT}"), format!("ff-{TRACE}-{PARENT}-01"), "a".repeat(2000)] {
        traced(&server, "/version", &invalid).await;
        let span = collector.span().await.otlp;
        assert!(hex(&span.trace_id) != TRACE && span.parent_span_id.is_empty(), "{invalid}: {span:?}");
    }
    let long = format!("vendor={}", "a".repeat(200)).repeat(3);
    let request = Client::new().get(server.url("/version")).header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    request.header("tracestate", long).send().await.unwrap();
    let span = collector.span().await.otlp;
    assert_eq!((hex(&span.trace_id), span.trace_state.as_str()), (TRACE.to_owned(), ""));
}

#[tokio::test]
async fn samplers_are_followed() {
    let (sampled, dropped) = (format!("00-{TRACE}-{PARENT}-01"), format!("00-{TRACE}-{PARENT}-00"));
    for (sampler, share, kept) in [
        ("", "", vec!["/version", "/api/info"]),
        ("parentbased_traceidratio", "0", vec!["/version"]),
        ("parentbased_always_off", "", vec!["/version"]),
        ("always_on", "", vec!["/version", "/env", "/api/info"]),
        ("always_off", "", vec![]),
        ("traceidratio", "1", vec!["/version", "/env", "/api/info"]),
    ] {
        let variables = [("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", share)];
        let (mut server, mut collector) = started(&variables).await;
        traced(&server, "/version", &sampled).await;
        traced(&server, "/env", &dropped).await;
        reqwest::get(server.url("/api/info")).await.unwrap();
        // The last spans are exported before it ends.
        server.signal(Signal::TERM);
        assert!(server.ended().await.success());
        let routes: Vec<_> = collector.others().iter().map(|span| span.attribute("http.route").to_owned()).collect();
        assert_eq!(routes, kept, "{sampler:?}");
    }
}

#[tokio::test]
async fn without_the_propagator_each_request_begins_a_trace() {
    let (server, mut collector) = started(&[("OTEL_PROPAGATORS", "none")]).await;
    traced(&server, "/version", &format!("00-{TRACE}-{PARENT}-01")).await;
    let span = collector.span().await.otlp;
    assert!(hex(&span.trace_id) != TRACE && span.parent_span_id.is_empty(), "{span:?}");
}

#[tokio::test]
async fn headers_and_echo_are_unaffected() {
    let (server, _collector) = started(&[]).await;
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let request = Client::new().get(server.url("/headers")).header("traceparent", &traceparent);
    let shown = request.send().await.unwrap().text().await.unwrap();
    assert!(shown.contains(&traceparent) && !shown.contains("Tracestate"), "{shown}");
    let echoed = Client::new().post(server.url("/echo")).body("hello").send().await.unwrap();
    assert!(!echoed.headers().contains_key("traceparent") && !echoed.headers().contains_key("traceresponse"));
    assert_eq!(echoed.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn span_lasts_until_the_body_has_been_sent() {
    let (server, mut collector) = started(&[]).await;
    reqwest::get(server.url("/chunked/1")).await.unwrap().text().await.unwrap();
    let span = collector.span().await.otlp;
    assert_eq!(span.name, "GET /chunked/{seconds}");
    let nanoseconds = span.end_time_unix_nano - span.start_time_unix_nano;
    assert!((900_000_000..10_000_000_000).contains(&nanoseconds), "{nanoseconds}");
}

#[tokio::test]
async fn grpc_exports_the_same() {
    let variables = [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop")];
    let (server, mut collector) = started(&variables).await;
    for path in ["/version", "/api/info"] {
        reqwest::get(server.url(path)).await.unwrap();
        let span = collector.span().await;
        assert_eq!((span.otlp.name, &span.headers["x-tenant"]), (format!("GET {path}"), &"shop".parse().unwrap()));
    }
}

#[tokio::test]
async fn service_and_resource_are_named_by_the_variables() {
    for (variables, name) in [
        (&[("OTEL_SERVICE_NAME", "shop")][..], "shop"),
        (&[("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=test")], "other"),
        (&[("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")], "shopfront"),
    ] {
        let (server, mut collector) = started(variables).await;
        reqwest::get(server.url("/version")).await.unwrap();
        let span = collector.span().await;
        assert_eq!(span.resource["service.name"], name, "{variables:?}");
        let is_named = variables[0].1.contains("deployment");
        assert_eq!(span.resource.contains_key("deployment.environment.name"), is_named);
    }
}
