//! `GET /ws/echo`: a WebSocket (RFC 6455) that returns each message.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::State;
use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, HOST, HeaderMap, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{Response, StatusCode};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::app::App;
use crate::error::Rejection;
use crate::lifecycle::{Lifecycle, Phase};
use crate::server::Takeover;

/// Open connections. Each has buffers that its connection is not charged for.
const MAX_OPEN: usize = 32;

/// The maximum length of a message. It comes back as JSON, which may be six times as long.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;

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
    /// A client that sends nothing for this long is closed.
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
pub async fn upgrade(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response<Body>, Rejection> {
    let key = handshake_key(&headers)?;
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
fn handshake_key(headers: &HeaderMap) -> Result<&[u8], Rejection> {
    let has = |name, token: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
    };
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let is_websocket = has(CONNECTION, "upgrade") && has(UPGRADE, "websocket") && has(SEC_WEBSOCKET_VERSION, "13");
    let key = key.filter(|_| is_websocket).ok_or(Rejection::UpgradeRequired)?;
    match headers.get(ORIGIN) {
        Some(origin) if !is_own(origin, headers.get(HOST)) => Err(Rejection::CrossSite),
        _ => Ok(key),
    }
}

/// Whether an origin has this host.
fn is_own(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let origin = origin.as_bytes();
    let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host.as_bytes()))
}

/// Returns messages until the client leaves or is silent for too long, or the service stops.
async fn serve(app: Arc<App>, stream: TcpStream, place: OwnedSemaphorePermit) {
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

async fn echo(mut socket: WebSocketStream<TcpStream>, lifecycle: &Lifecycle, hostname: &str, idle_timeout: Duration) {
    let mut turns = interval_at(Instant::now() + INTERVAL, INTERVAL);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopping = std::pin::pin!(lifecycle.reached(Phase::Stopping));
    let mut silent_since = Instant::now();
    loop {
        let answer = tokio::select! {
            () = &mut stopping => break,
            _ = turns.tick() => {
                if silent_since.elapsed() > idle_timeout {
                    break;
                }
                json(&Server { ts: now(), server: hostname })
            }
            message = socket.next() => {
                silent_since = Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => json(&Echo { ts: now(), msg: &text }),
                    Some(Ok(Message::Binary(bytes))) => json(&Echo { ts: now(), msg: &String::from_utf8_lossy(&bytes) }),
                    // The library answers pings when it next writes or reads.
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => return,
                }
            }
        };
        if !matches!(timeout(WRITE_TIMEOUT, socket.send(answer)).await, Ok(Ok(()))) {
            return;
        }
    }
    let away = CloseFrame { code: CloseCode::Away, reason: "".into() };
    let closed = async {
        socket.close(Some(away)).await?;
        // The client's own close frame.
        while socket.next().await.transpose()?.is_some() {}
        Ok::<_, tokio_tungstenite::tungstenite::Error>(())
    };
    // An error means that the client has already gone.
    let _ = timeout(Duration::from_millis(500), closed).await;
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
    use super::*;

    #[test]
    fn handshake_needs_version_13_and_its_own_origin() {
        let headers = |changed: &[(&'static str, &'static str)]| {
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
            headers
        };
        assert_eq!(handshake_key(&headers(&[])), Ok(&b"dGhlIHNhbXBsZSBub25jZQ=="[..]));
        assert!(handshake_key(&headers(&[("origin", "http://LOCALHOST:9898")])).is_ok());
        for origin in ["http://evil.example", "null", "http://localhost", "ftp://localhost:9898"] {
            assert_eq!(handshake_key(&headers(&[("origin", origin)])), Err(Rejection::CrossSite), "{origin}");
        }
        for (name, value) in [("connection", "close"), ("upgrade", "h2c"), ("sec-websocket-version", "8")] {
            assert_eq!(handshake_key(&headers(&[(name, value)])), Err(Rejection::UpgradeRequired), "{name}");
        }
    }
}
