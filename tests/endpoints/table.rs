//! One walk over all endpoints: label, histogram, `/openapi.json` and documentation come from one table.

use std::collections::BTreeSet;

use serde_json::Value;
use shopfront::endpoints::Endpoint;

use crate::support::{Server, eventually, read_to_end};

const PODINFO_PAGE: &str = include_str!("../../docs/PODINFO.md");
const SERVICE_PAGE: &str = include_str!("../../docs/SERVICE.md");

/// A request that succeeds at this endpoint: its method, path, and further lines with a body.
pub fn request(endpoint: Endpoint, token: &str) -> (String, String, String) {
    let with_body = |body: &str| format!("content-length: {}\r\n\r\n{body}", body.len());
    let method = endpoint.methods().allow().split(", ").last().unwrap();
    let method = if method == "HEAD" { "GET" } else { method };
    let value = match endpoint {
        Endpoint::Status => "200",
        Endpoint::Delay | Endpoint::Chunked => "1ms",
        _ => "1",
    };
    let path = endpoint.path().split('/').map(|part| if part.starts_with('{') { value } else { part });
    let rest = match endpoint {
        Endpoint::Echo | Endpoint::ApiEcho | Endpoint::Token => with_body("shop"),
        // None of the requests after it.
        Endpoint::Fault => with_body(r#"{"share":0.000000001,"status":503}"#),
        Endpoint::TokenValidate => format!("authorization: Bearer {token}\r\nconnection: close\r\n\r\n"),
        Endpoint::WsEcho => "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            .to_owned(),
        _ => "connection: close\r\n\r\n".to_owned(),
    };
    (method.to_owned(), path.collect::<Vec<_>>().join("/"), rest)
}

#[tokio::test]
async fn each_endpoint_has_its_label_its_histogram_and_its_place_in_openapi_and_the_documentation() {
    let server = Server::start(&["--lab"]).await;
    let description: Value = serde_json::from_str(&server.get("/openapi.json").await).unwrap();
    let (_, created) = crate::ask(&server, "POST", "/token", "shop").await;
    for endpoint in Endpoint::ALL.into_iter().filter(|endpoint| *endpoint != Endpoint::Panic) {
        let (method, path, rest) = request(endpoint, created["token"].as_str().unwrap());
        let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{rest}");
        tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
        if endpoint == Endpoint::WsEcho {
            // It ends when the client has no more to say.
            tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
        }
        let answer = read_to_end(&mut stream).await;
        let status = endpoint.status();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head:?}: {answer}");

        let labels = format!(r#"{{method="{method}",path="{}",status="{status}"}}"#, endpoint.name());
        let counted = async |name: &str| server.metric(&format!("{name}{labels}")).await;
        eventually(&format!("{path} is in the histogram"), async || {
            counted("http_requests_count").await.filter(|count| *count >= 1.0)
        })
        .await;
        assert_eq!(counted("http_requests_total").await.is_some(), endpoint.is_for_clients(), "{path}");

        let operation = &description["paths"][endpoint.path()][method.to_lowercase()];
        assert_eq!(operation["summary"], endpoint.summary(), "{path}");
        assert!(operation["responses"][status].is_object(), "{operation}");
        assert_eq!(operation["responses"]["403"].is_object(), endpoint.needs_lab(), "{path}");
        let cell = format!("`{}`", endpoint.path());
        assert!(SERVICE_PAGE.contains(&cell), "docs/SERVICE.md lacks {cell}");
        assert!(
            PODINFO_PAGE.lines().any(|line| line.starts_with('|') && line.contains(&cell)),
            "PODINFO.md lacks {cell}"
        );
    }
    let described: BTreeSet<_> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(described, Endpoint::ALL.map(Endpoint::path).into(), "no other paths");
}

#[tokio::test]
async fn openapi_is_version_3_1_with_unique_operations_and_declared_parameters() {
    let server = Server::start(&[]).await;
    let description: Value = serde_json::from_str(&server.get("/openapi.json").await).unwrap();
    assert_eq!(description["openapi"], "3.1.0");
    assert!(description["info"]["title"].is_string() && description["info"]["version"].is_string());
    let mut ids = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let declared = item["parameters"].as_array().cloned().unwrap_or_default();
        for part in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            assert!(declared.iter().any(|one| one["name"] == part && one["in"] == "path" && one["required"] == true));
        }
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
            assert!(!operation["responses"].as_object().unwrap().is_empty(), "{method} {path}");
        }
    }
    // Each reference leads somewhere.
    let text = description.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(description.pointer(reference).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn unsupported_method_gets_405_with_what_is_supported() {
    let server = Server::start(&["--lab"]).await;
    for endpoint in Endpoint::ALL {
        let path = endpoint.path().replace(['{', '}'], "");
        let request = reqwest::Client::new().delete(server.url(&path));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 405, "{path}");
        assert_eq!(response.headers()["allow"], endpoint.methods().allow(), "{path}");
    }
}

/// A client can ask for any status, and there are 400 of them.
#[tokio::test]
async fn statuses_that_clients_ask_for_stay_a_closed_set() {
    let server = Server::start(&[]).await;
    for status in 200..600 {
        let (answered, _) = crate::ask(&server, "GET", &format!("/status/{status}"), "").await;
        assert_eq!(answered, status);
    }
    let text = server.scrape().await;
    let of_status =
        |name: &str| text.lines().filter(|line| line.starts_with(name) && line.contains(r#"path="status""#)).count();
    assert!(of_status("http_requests_total") <= 31, "{text}");
    // Successes only: 2xx, and each of the usual ones.
    assert!(of_status("http_requests_bucket") <= 5 * 12, "{text}");
    for (label, count) in [("200", 1.0), ("404", 1.0), ("503", 1.0), ("4xx", 86.0)] {
        let series = format!(r#"http_requests_total{{method="GET",path="status",status="{label}"}}"#);
        assert_eq!(server.metric(&series).await, Some(count), "{label}");
    }
}
