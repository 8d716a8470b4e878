//! Carries requests out.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Instant;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Settings, StartError};
use crate::generator::addresses::Addresses;
use crate::generator::endpoint::Place;
use crate::generator::failure::{Failed, Failure};
use crate::generator::http1::Http1;
use crate::generator::http2::Http2;
use crate::generator::mix::Mix;
use crate::generator::request::{Message1, Message2, Request};
use crate::generator::stream::Stream;
use crate::generator::template::Numbers;
use crate::generator::window::{Answer, Window};
use crate::journal::Bytes;

/// How far a request came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// There is no connection yet.
    Connecting,
    /// There is one, without TLS so far.
    Handshaking,
    /// The request was sent, or is being sent.
    Waiting,
    /// A part of its answer has arrived.
    Reading,
}

impl Stage {
    /// What has failed if time is up.
    pub const fn timed_out(self) -> Failure {
        match self {
            Self::Connecting => Failure::NoConnection,
            Self::Handshaking => Failure::NoHandshake,
            Self::Waiting => Failure::NoAnswer,
            Self::Reading => Failure::Unfinished,
        }
    }
}

/// What is known of a request besides its outcome.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Exchange {
    /// The other end of its connection, once there is one.
    pub address: Option<SocketAddr>,
    /// Its bytes and those of its answer.
    pub bytes: Bytes,
}

/// How one request proceeds, and where it is counted.
#[derive(Clone, Copy)]
pub(super) struct Progress<'a> {
    pub stage: &'a Cell<Stage>,
    pub window: &'a RefCell<Window>,
    pub exchange: &'a Cell<Exchange>,
    /// Whose connections are used: in a closed loop, each client has its own.
    pub client: usize,
}

impl Progress<'_> {
    /// The request goes to this address.
    pub fn goes_to(&self, address: Option<SocketAddr>) {
        self.exchange.set(Exchange { address, ..self.exchange.get() });
    }

    /// Counts bytes of the request alone, and not those of its connection.
    pub fn count(&self, bytes: Bytes) {
        let mut exchange = self.exchange.get();
        exchange.bytes += bytes;
        self.exchange.set(exchange);
    }

    /// Counts bytes that were sent.
    pub fn sent(&self, bytes: usize) {
        self.window.borrow_mut().bytes_out += bytes as u64;
        self.count(Bytes { sent: bytes as u64, received: 0 });
    }
}

/// The requests, and the servers that they go to.
pub(super) struct Client {
    origins: Vec<Origin>,
    requests: Vec<Prepared>,
    mix: RefCell<Mix>,
    /// The header of an answer that names its pod.
    pod_header: Option<String>,
}

/// A request that is ready to be sent.
struct Prepared {
    request: Request,
    origin: usize,
    message: Message,
}

enum Message {
    Http1(Message1),
    Http2(Box<Message2>),
}

/// A server: its addresses, and the connections to it.
pub(super) struct Origin {
    pub addresses: Addresses,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    connections: Connections,
}

enum Connections {
    Http1(Http1),
    Http2(Http2),
}

impl Client {
    pub fn new(settings: &Settings) -> Result<Self, StartError> {
        let Settings { requests, requests_per_connection, http2, trust, connect_to, pod_header, .. } = settings;
        let clients = settings.clients.map_or(1, |clients| clients.count as usize);
        let connector = requests.iter().any(|request| request.endpoint.is_tls());
        let connector = connector.then(|| trust.connector(*http2)).transpose()?;
        let mut places: Vec<(bool, Place)> = Vec::new();
        let mut client = Self {
            origins: Vec::new(),
            requests: Vec::new(),
            mix: RefCell::new(Mix::new(requests, settings.share)),
            pod_header: pod_header.as_ref().map(ToString::to_string),
        };
        for request in requests {
            let endpoint = &request.endpoint;
            let place = (endpoint.is_tls(), endpoint.place().clone());
            let known = places.iter().position(|known| *known == place);
            let origin = if let Some(origin) = known {
                origin
            } else {
                let tls = connector.as_ref().filter(|_| endpoint.is_tls()).map(|connector| {
                    let name = ServerName::try_from(endpoint.host().to_owned());
                    let name = name.map_err(|_| StartError::ServerName(endpoint.host().to_owned()))?;
                    Ok::<_, StartError>((connector.clone(), name))
                });
                let connections = if *http2 {
                    Connections::Http2(Http2::new(*requests_per_connection, clients))
                } else {
                    Connections::Http1(Http1::new(*requests_per_connection, clients))
                };
                let to = connect_to.clone().unwrap_or_else(|| endpoint.place().clone());
                client.origins.push(Origin { addresses: Addresses::new(to), tls: tls.transpose()?, connections });
                places.push(place);
                places.len() - 1
            };
            let message = if *http2 {
                Message::Http2(Box::new(Message2::new(request)))
            } else {
                Message::Http1(Message1::new(request))
            };
            client.requests.push(Prepared { request: request.clone(), origin, message });
        }
        Ok(client)
    }

    /// The servers that requests go to.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// The index of the request whose turn it is.
    pub fn turn(&self) -> usize {
        self.mix.borrow_mut().next()
    }

    /// The request of an index.
    pub fn request(&self, request: usize) -> &Request {
        &self.requests[request].request
    }

    /// One request and its answer. If it is cancelled, the stage shows how far it came.
    pub async fn exchange(
        &self,
        request: usize,
        numbers: impl FnOnce() -> Numbers,
        progress: Progress<'_>,
    ) -> Result<Answer, Failed> {
        let Prepared { request, origin, message } = &self.requests[request];
        let origin = &self.origins[*origin];
        let pod_header = self.pod_header.as_deref();
        match (&origin.connections, message) {
            (Connections::Http1(http1), Message::Http1(message)) => {
                let numbers = if message.is_fixed() { Numbers::default() } else { numbers() };
                let is_head = request.method == http::Method::HEAD;
                http1.exchange(origin, message, numbers, is_head, pod_header, progress).await
            }
            (Connections::Http2(http2), Message::Http2(message)) => {
                let numbers = if message.is_fixed() { Numbers::default() } else { numbers() };
                http2.exchange(origin, message, numbers, pod_header, progress).await
            }
            _ => unreachable!("all requests and connections have the load's version of HTTP"),
        }
    }
}

impl Origin {
    /// A new connection, with its handshake if there is one.
    pub async fn connect(&self, progress: Progress<'_>) -> Result<Stream, Failed> {
        let (socket, address) = self.addresses.connect().await?;
        progress.goes_to(Some(address));
        progress.window.borrow_mut().connections += 1;
        let Some((connector, name)) = &self.tls else {
            return Ok(Stream::Plain(socket));
        };
        progress.stage.set(Stage::Handshaking);
        // The request follows the handshake's last message at once, and must not wait for its acknowledgement.
        socket.set_nodelay(true).map_err(Failed::talking)?;
        let begun = Instant::now();
        let stream = connector.connect(name.clone(), socket).await.map_err(Failed::handshake)?;
        progress.window.borrow_mut().handshakes.record(begun.elapsed());
        Ok(Stream::Tls(Box::new(stream)))
    }
}
