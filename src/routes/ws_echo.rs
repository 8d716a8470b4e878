//! `GET /ws/echo`: a WebSocket (RFC 6455) that returns each message.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request, Response, StatusCode, Version};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::app::App;
use crate::error::Rejection;
use crate::http_rules::site;
use crate::lifecycle::{Lifecycle, Phase};
use crate::server::{ClientStream, Takeover, respond_and_close};

/// Open connections. Each has buffers that its connection is not charged for.
const MAX_OPEN: usize = 32;

/// The maximum length of a message. It comes back as JSON, which may be six times as long.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;

/// The length of a client's key, before base64.
const KEY_BYTES: usize = 16;

/// How often the service says which pod it is, as podinfo does.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long a client has to take a message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The limits on these connections.
pub struct WebSockets {
    places: Arc<Semaphore>,
    idle_timeout: Duration,
}

impl WebSockets {
    /// A client that sends no message for this long is closed. A ping is none.
    pub fn new(idle_timeout: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_OPEN)), idle_timeout }
    }
}

impl Default for WebSockets {
    fn default() -> Self {
        Self::new(Duration::from_secs(75))
    }
}

#[derive(Serialize)]
struct Echo<'a> {
    ts: String,
    msg: &'a str,
}

#[derive(Serialize)]
struct Server<'a> {
    ts: String,
    server: &'a str,
}

/// Switches protocols (RFC 6455, section 4.2).
pub async fn upgrade(State(app): State<Arc<App>>, request: Request<Body>) -> Result<Response<Body>, Rejection> {
    let key = handshake_key(&request)?;
    let place = Arc::clone(&app.websockets.places).try_acquire_owned().map_err(|_| Rejection::Busy)?;
    let accept = HeaderValue::from_str(&derive_accept_key(key)).map_err(|_| Rejection::UpgradeRequired)?;
    let takeover = Takeover::new(move |stream| Box::pin(serve(app, stream, place)));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response.extensions_mut().insert(takeover);
    Ok(response)
}

/// The client's key, if it asks for a WebSocket. A web page of another site must not open one.
fn handshake_key<B>(request: &Request<B>) -> Result<&[u8], Rejection> {
    let headers = request.headers();
    let has = |name, token: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
    };
    // Where a body would end, the frames would begin.
    let has_body =
        headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0") || headers.contains_key(TRANSFER_ENCODING);
    let is_websocket = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && !has_body
        && has(CONNECTION, "upgrade")
        && has(UPGRADE, "websocket")
        && has(SEC_WEBSOCKET_VERSION, "13");
    let is_key = |key: &&[u8]| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES);
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let key = key.filter(|_| is_websocket).filter(is_key).ok_or(Rejection::UpgradeRequired)?;
    match headers.get(ORIGIN) {
        Some(origin) if !site::is_own(origin, request.uri(), headers) => Err(Rejection::CrossSite),
        _ => Ok(key),
    }
}

/// Returns messages until the client leaves or is silent for too long, or the service stops.
async fn serve(app: Arc<App>, stream: ClientStream, place: OwnedSemaphorePermit) {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(8 * MAX_MESSAGE_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let (lifecycle, hostname) = (app.lifecycle.clone(), app.hostname.clone());
    echo(socket, &lifecycle, &hostname, app.websockets.idle_timeout).await;
    drop(place);
}

async fn echo(
    mut socket: WebSocketStream<ClientStream>,
    lifecycle: &Lifecycle,
    hostname: &str,
    idle_timeout: Duration,
) {
    let mut turns = interval_at(Instant::now() + INTERVAL, INTERVAL);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopping = std::pin::pin!(lifecycle.reached(Phase::Stopping));
    let mut silent_since = Instant::now();
    let code = loop {
        let answer = tokio::select! {
            () = &mut stopping => break CloseCode::Away,
            _ = turns.tick() => {
                if silent_since.elapsed() > idle_timeout {
                    break CloseCode::Away;
                }
                json(&Server { ts: now(), server: hostname })
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    silent_since = Instant::now();
                    json(&Echo { ts: now(), msg: &text })
                }
                Some(Ok(Message::Binary(bytes))) => {
                    silent_since = Instant::now();
                    json(&Echo { ts: now(), msg: &String::from_utf8_lossy(&bytes) })
                }
                // The library answers pings when it next writes or reads.
                Some(Ok(_)) => continue,
                Some(Err(error)) => match code_of(&error) {
                    Some(code) => break code,
                    None => return,
                },
                None => return,
            }
        };
        let sent = tokio::select! {
            sent = timeout(WRITE_TIMEOUT, socket.send(answer)) => sent,
            // The client does not read.
            () = &mut stopping => break CloseCode::Away,
        };
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    };
    close(socket, code).await;
}

/// The code for what a client did wrong (RFC 6455, section 7.4.1). None for a client that has gone.
fn code_of(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(_) => Some(CloseCode::Size),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}

async fn close(mut socket: WebSocketStream<ClientStream>, code: CloseCode) {
    let closed = async {
        socket.close(Some(CloseFrame { code, reason: "".into() })).await?;
        // The client's own close frame. After an error, nothing more is read as frames.
        while socket.next().await.transpose()?.is_some() {}
        Ok::<_, Error>(())
    };
    // An error means that the client has already gone.
    let _ = timeout(Duration::from_millis(500), closed).await;
    if code != CloseCode::Away {
        // The rest of what the client sent is read, because closing before that would take the frame back from it.
        respond_and_close(socket.into_inner(), b"").await;
    }
}

fn json(document: &impl Serialize) -> Message {
    let text = serde_json::to_string(document).expect("strings");
    Message::Text(text.into())
}

fn now() -> String {
    humantime::format_rfc3339_nanos(SystemTime::now()).to_string()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn handshake_needs_version_13_and_its_own_origin() {
        let request = |changed: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            let usual = [
                ("host", "localhost:9898"),
                ("connection", "keep-alive, Upgrade"),
                ("upgrade", "WebSocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ];
            for (name, value) in usual.iter().chain(changed) {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            let mut request = Request::new(());
            *request.headers_mut() = headers;
            request
        };
        assert_eq!(handshake_key(&request(&[])), Ok(&b"dGhlIHNhbXBsZSBub25jZQ=="[..]));
        for (name, value) in [("origin", "http://LOCALHOST:9898"), ("content-length", "0")] {
            assert!(handshake_key(&request(&[(name, value)])).is_ok(), "{name}");
        }
        for origin in ["http://evil.example", "null", "http://localhost", "ftp://localhost:9898"] {
            assert_eq!(handshake_key(&request(&[("origin", origin)])), Err(Rejection::CrossSite), "{origin}");
        }
        for (name, value) in [
            ("connection", "close"),
            ("upgrade", "h2c"),
            ("sec-websocket-version", "8"),
            ("sec-websocket-key", "x"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25j"),
            ("content-length", "1"),
            ("transfer-encoding", "chunked"),
        ] {
            assert_eq!(handshake_key(&request(&[(name, value)])), Err(Rejection::UpgradeRequired), "{name}: {value}");
        }
    }
}
