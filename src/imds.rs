//! The EC2 instance metadata service, version 2, which knows the machine's public address.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::app::App;

/// The service responds within a millisecond. If there is none, packets are dropped.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A response is an address or a token, and never longer.
const MAX_RESPONSE_BYTES: usize = 1024;

/// Publishes the address that `endpoint` returns, or logs that there is none.
pub async fn find_external_ip(endpoint: SocketAddr, app: Arc<App>) {
    match public_ipv4(endpoint).await {
        Ok(address) => {
            app.publish_external_ip(address);
            tracing::info!(%address, "received the external IP from the metadata service");
        }
        Err(error) => tracing::warn!(error, "no external IP: the metadata service did not return one"),
    }
}

/// Gets the machine's public IPv4 address from `endpoint`, by `IMDSv2`: a request for a token, and one for the address.
///
/// Fails if no such service responds, or if the machine has no public address.
async fn public_ipv4(endpoint: SocketAddr) -> Result<IpAddr, BoxError> {
    tokio::time::timeout(TIMEOUT, async {
        let ttl = ("x-aws-ec2-metadata-token-ttl-seconds", "60");
        let token = send(endpoint, Method::PUT, "/latest/api/token", ttl).await?;
        let token = ("x-aws-ec2-metadata-token", token.as_str());
        let address = send(endpoint, Method::GET, "/latest/meta-data/public-ipv4", token).await?;
        Ok(address.trim().parse()?)
    })
    .await?
}

async fn send(endpoint: SocketAddr, method: Method, path: &str, header: (&str, &str)) -> Result<String, BoxError> {
    let stream = TcpStream::connect(endpoint).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", endpoint.to_string())
        .header(header.0, header.1)
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    if !response.status().is_success() {
        return Err(format!("{path} returned {}", response.status()).into());
    }
    let body = Limited::new(response.into_body(), MAX_RESPONSE_BYTES).collect().await?.to_bytes();
    connection.abort();
    Ok(String::from_utf8(body.to_vec())?)
}
