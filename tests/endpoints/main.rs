//! Every endpoint of the table, over real sockets: podinfo's API, and faults and load on demand.

mod hostile;
mod lab;
mod podinfo;
mod prefix;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod websocket;

use serde_json::Value;
use support::Server;

/// A request with a body, and its response as JSON.
pub async fn ask(server: &Server, method: &str, path: &str, body: &str) -> (u16, Value) {
    let method = http::Method::from_bytes(method.as_bytes()).unwrap();
    let request = reqwest::Client::new().request(method, server.url(path)).body(body.to_owned());
    let response = request.send().await.expect("the service answers");
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}
