//! A gRPC client on top of hyper, which sees each frame, and can do what no library allows.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::pending;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::{PATIENCE, Server};

/// `NOT_FOUND`.
pub const NOT_FOUND: Option<u8> = Some(5);

/// `DEADLINE_EXCEEDED`.
pub const DEADLINE_EXCEEDED: Option<u8> = Some(4);

/// `OUT_OF_RANGE`, which tonic sends for a message that is too long.
pub const OUT_OF_RANGE: Option<u8> = Some(11);

/// `UNIMPLEMENTED`.
pub const UNIMPLEMENTED: Option<u8> = Some(12);

/// `UNAVAILABLE`.
pub const UNAVAILABLE: Option<u8> = Some(14);

/// What a health check answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    Serving,
    NotServing,
    ServiceUnknown,
}

/// The gRPC address of a server that has just started.
pub async fn grpc_address(server: &mut Server) -> SocketAddr {
    let line = server.logged("gRPC health checks are served").await;
    line["address"].as_str().and_then(|text| text.parse().ok()).expect("the line names it")
}

/// A message with its prefix.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("the message is short");
    [&[0], &length.to_be_bytes()[..], message].concat().into()
}

/// A `HealthCheckRequest`, or any other message whose first field is a text.
pub fn text_field(number: u8, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 128).expect("the text is short");
    [&[number << 3 | 2, length], text.as_bytes()].concat()
}

/// A connection.
pub struct Client {
    requests: SendRequest<BoxBody<Bytes, Infallible>>,
    authority: SocketAddr,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).await.expect("the service accepts")
    }

    pub async fn try_connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        let (requests, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.ok()?;
        // Its errors are those of its requests.
        tokio::spawn(async { drop(connection.await) });
        Some(Self { requests, authority: address })
    }

    /// Calls a method with these headers and one message.
    pub async fn call(&mut self, method: &str, headers: &[(&str, &str)], message: &[u8]) -> Option<Call> {
        self.send(method, headers, Full::new(framed(message)).boxed()).await
    }

    /// Calls a method, and never sends the message.
    pub async fn call_without_message(&mut self, method: &str) -> Option<Call> {
        let never = pending::<Result<Frame<Bytes>, Infallible>>();
        self.send(method, &[], BoxBody::new(StreamBody::new(never))).await
    }

    async fn send(&mut self, method: &str, headers: &[(&str, &str)], body: BoxBody<Bytes, Infallible>) -> Option<Call> {
        let mut request = Request::post(format!("http://{}/{method}", self.authority))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).expect("the request is valid");
        self.requests.ready().await.ok()?;
        let response = self.requests.send_request(request).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let (parts, body) = response.into_parts();
        Some(Call { body, received: BytesMut::new(), headers: parts.headers, trailers: HeaderMap::new() })
    }

    /// A health check: its answer, or the status of the call.
    pub async fn check(&mut self, service: &str) -> Result<Health, Option<u8>> {
        let mut call = self.call("grpc.health.v1.Health/Check", &[], &text_field(1, service)).await.ok_or(None)?;
        let health = call.health().await;
        health.ok_or_else(|| call.status())
    }

    /// Watches a service.
    pub async fn watch(&mut self, service: &str) -> Option<Call> {
        self.call("grpc.health.v1.Health/Watch", &[], &text_field(1, service)).await
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }
}

/// A call whose response has begun.
pub struct Call {
    body: Incoming,
    received: BytesMut,
    headers: HeaderMap,
    trailers: HeaderMap,
}

impl Call {
    /// The next message; none at the end.
    pub async fn message(&mut self) -> Option<Bytes> {
        let next = async {
            loop {
                if let [_, length @ .., _] = self.received.get(..6).unwrap_or_default() {
                    let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
                    if self.received.len() >= 5 + length {
                        return Some(self.received.split_to(5 + length).freeze().slice(5..));
                    }
                }
                match self.body.frame().await?.ok()?.into_data() {
                    Ok(data) => self.received.extend_from_slice(&data),
                    Err(frame) => self.trailers = frame.into_trailers().unwrap_or_default(),
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("the service goes on")
    }

    /// The next message, as that of a health check.
    pub async fn health(&mut self) -> Option<Health> {
        let message = self.message().await?;
        match &message[..] {
            [8, 1] => Some(Health::Serving),
            [8, 2] => Some(Health::NotServing),
            [8, 3] => Some(Health::ServiceUnknown),
            other => panic!("{other:?}"),
        }
    }

    /// Whether nothing arrives for this long.
    pub async fn is_silent_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.body.frame()).await.is_err()
    }

    /// The status of the call, if its end has arrived.
    pub fn status(&self) -> Option<u8> {
        let status = self.trailers.get("grpc-status").or_else(|| self.headers.get("grpc-status"));
        status.map(|status| status.to_str().ok().and_then(|text| text.parse().ok()).expect("a number"))
    }
}
