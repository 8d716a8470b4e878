//! The EC2 instance metadata service, version 2: the one place that knows a machine's public address.

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

/// The service answers in a millisecond where there is one; where there is none, packets vanish.
const TIMEOUT: Duration = Duration::from_secs(2);

/// An answer is an address or a token; whatever is longer is none.
const MAX_ANSWER_BYTES: usize = 1024;

/// Asks `endpoint` and publishes what it tells; logs where it tells nothing.
pub async fn find_external_ip(endpoint: SocketAddr, app: Arc<App>) {
    match public_ipv4(endpoint).await {
        Ok(address) => {
            app.publish_external_ip(address);
            tracing::info!(%address, "the metadata service knows the external IP");
        }
        Err(error) => tracing::warn!(error, "no external IP: the metadata service did not tell"),
    }
}

/// Asks `endpoint` for the machine's public IPv4 address: one token, one question, two seconds for both.
///
/// The exchange is the one that AWS documents as `IMDSv2`. Fails where no such service answers, or where the machine
/// has no public address.
async fn public_ipv4(endpoint: SocketAddr) -> Result<IpAddr, BoxError> {
    tokio::time::timeout(TIMEOUT, async {
        let ttl = ("x-aws-ec2-metadata-token-ttl-seconds", "60");
        let token = ask(endpoint, Method::PUT, "/latest/api/token", ttl).await?;
        let token = ("x-aws-ec2-metadata-token", token.as_str());
        let address = ask(endpoint, Method::GET, "/latest/meta-data/public-ipv4", token).await?;
        Ok(address.trim().parse()?)
    })
    .await?
}

async fn ask(endpoint: SocketAddr, method: Method, path: &str, header: (&str, &str)) -> Result<String, BoxError> {
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
        return Err(format!("{path} answered {}", response.status()).into());
    }
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await?.to_bytes();
    connection.abort();
    Ok(String::from_utf8(body.to_vec())?)
}
