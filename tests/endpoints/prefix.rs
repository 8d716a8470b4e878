//! Every endpoint below `--url-prefix`, and nowhere else.

use serde_json::Value;
use shopfront::endpoints::Endpoint;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Server, read_to_end};
use crate::table::request;

async fn status(server: &Server, head: &str) -> u16 {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    if head.contains("upgrade: websocket") {
        stream.shutdown().await.unwrap();
    }
    let answer = read_to_end(&mut stream).await;
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{head}: {answer}"))
}

#[tokio::test]
async fn each_endpoint_is_below_the_prefix_only_and_keeps_its_label() {
    let server = Server::start(&["--lab", "--url-prefix", "/apps/shop/"]).await;
    let (_, created) = crate::ask(&server, "POST", "/apps/shop/token", "shop").await;
    for endpoint in Endpoint::ALL.into_iter().filter(|endpoint| *endpoint != Endpoint::Panic) {
        let (method, path, rest) = request(endpoint, created["token"].as_str().unwrap());
        let head = |path: &str| format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{rest}");
        let below = status(&server, &head(&format!("/apps/shop{path}"))).await;
        assert_eq!(below.to_string(), endpoint.status(), "{path}");
        assert_eq!(status(&server, &head(&path)).await, 404, "{path}");
        let labels = format!(r#"{{method="{method}",path="{}",status="{below}"}}"#, endpoint.name());
        assert!(server.metric(&format!("http_requests_count{labels}")).await.is_some(), "{labels}");
    }
    let unmatched = server.scrape().await.matches("path=\"unmatched\"").count();
    assert!(unmatched > 0 && !server.scrape().await.contains("apps"), "no label comes from a path");
}

#[tokio::test]
async fn links_lead_below_the_prefix() {
    let server = Server::start(&["--url-prefix", "/shop"]).await;
    for path in ["/shop", "/shop/", "/shop?x"] {
        assert!(server.get(path).await.starts_with("runtime:\n"), "{path}");
    }
    let html = reqwest::Client::new().get(server.url("/shop")).header("accept", "text/html").send().await.unwrap();
    assert!(html.text().await.unwrap().contains("data-prefix=\"/shop\""), "the page polls below it");
    let description: Value = serde_json::from_str(&server.get("/shop/openapi.json").await).unwrap();
    assert_eq!(description["servers"], serde_json::json!([{"url": "/shop"}]));
    let without = Server::start(&[]).await;
    let description: Value = serde_json::from_str(&without.get("/openapi.json").await).unwrap();
    assert_eq!(description["servers"], Value::Null);
}

#[tokio::test]
async fn ops_address_has_no_prefix() {
    let server = Server::start(&["--url-prefix", "/shop"]).await;
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/shop/healthz", 404)] {
        let response = reqwest::get(format!("http://{}{path}", server.ops_address)).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
}

/// What a path could be taken for is decided once, on the path as it was sent.
#[tokio::test]
async fn prefix_is_compared_as_it_is_sent() {
    let server = Server::start(&["--url-prefix", "/shop"]).await;
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    for (target, expected) in [
        ("/shop/version", 200),
        ("http://localhost/shop/version", 200),
        ("http://localhost/version", 404),
        ("http://localhost", 404),
        ("/Shop/version", 404),
        ("/%73hop/version", 404),
        ("/shopversion", 404),
        ("/shop/../version", 404),
        ("//shop/version", 404),
        ("/shop//version", 404),
        ("/-/version", 404),
        ("/", 404),
        ("/shop/%zz", 400),
        ("/%zz", 400),
    ] {
        assert_eq!(status(&server, &get(target)).await, expected, "{target}");
    }
    assert_eq!(status(&server, &get("/version").replace("localhost", "evil.example")).await, 421);
    assert_eq!(status(&server, "OPTIONS * HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await, 404);
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    for (path, expected) in [("/shop/version", 200), ("/version", 404)] {
        assert_eq!(client.get(server.url(path)).send().await.unwrap().status(), expected, "{path} on HTTP/2");
    }
    let missing = server.exchange(get("/version")).await;
    assert!(missing.contains("with --url-prefix, both are below it"), "{missing}");
}
