//! HTTP/1.1 on a socket. A client of its own, since hyper's has a task, channels and buffers for every connection: where
//! each request has one, that takes a fifth more CPU than this does, and leaves the generator no better than others.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::client;
use crate::generator::addresses::Addresses;
use crate::generator::answer::Incoming;
use crate::generator::client::Stage;
use crate::generator::endpoint::Endpoint;
use crate::generator::failure::Failure;
use crate::generator::window::{Answer, Window};

/// Bytes that are read at once.
const READ: usize = 64 * 1024;

/// Connections, and what is sent on them.
pub(super) struct Http1 {
    request: Vec<u8>,
    /// The request that is a connection's last.
    last_request: Vec<u8>,
    requests_per_connection: u64,
    /// In turn, so that they all stay in use: the next one is at the front.
    idle: RefCell<VecDeque<Kept>>,
    /// What is read, for all: an answer that comes in one piece is never copied.
    buffer: RefCell<Box<[u8]>>,
}

/// A connection, and the requests that it has left.
struct Kept {
    stream: TcpStream,
    left: u64,
}

impl Http1 {
    pub fn new(endpoint: &Endpoint, requests_per_connection: u64) -> Self {
        let request = |connection| {
            let (path, host) = (endpoint.path(), endpoint.host_header());
            let (agent, accept) = (client::USER_AGENT, client::ACCEPT);
            format!(
                "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: {agent}\r\naccept: {accept}\r\n{connection}\r\n"
            )
        };
        Self {
            request: request("").into_bytes(),
            // The server closes first, so that its side and not the generator's runs out of ports.
            last_request: request("connection: close\r\n").into_bytes(),
            requests_per_connection,
            idle: RefCell::default(),
            buffer: RefCell::new(vec![0; READ].into_boxed_slice()),
        }
    }

    /// One request and its answer. The stage tells how far it came, if it is cancelled.
    pub async fn exchange(
        &self,
        addresses: &Addresses,
        stage: &Cell<Stage>,
        window: &RefCell<Window>,
    ) -> Result<Answer, Failure> {
        let mut kept = self.begin(addresses, stage).await?;
        let (answer, keep) = self.answer(&mut kept.stream, window).await?;
        if keep && kept.left > 0 {
            self.idle.borrow_mut().push_back(kept);
        }
        Ok(answer)
    }

    /// Sends a request, on a kept connection if there is one that still stands.
    async fn begin(&self, addresses: &Addresses, stage: &Cell<Stage>) -> Result<Kept, Failure> {
        while let Some(mut kept) = self.take() {
            stage.set(Stage::Connected);
            // Closed a moment ago: nothing of the request was taken, so it may go elsewhere.
            let request = self.request_of(&kept);
            if let Ok(sent @ 1..) = poll_fn(|context| Pin::new(&mut kept.stream).poll_write(context, request)).await {
                kept.stream.write_all(&request[sent..]).await.map_err(|error| Failure::talking(&error))?;
                kept.left -= 1;
                return Ok(kept);
            }
        }
        stage.set(Stage::Connecting);
        let stream = addresses.connect().await?;
        stage.set(Stage::Connected);
        let mut kept = Kept { stream, left: self.requests_per_connection };
        let request = self.request_of(&kept);
        kept.stream.write_all(request).await.map_err(|error| Failure::talking(&error))?;
        kept.left -= 1;
        Ok(kept)
    }

    fn request_of(&self, kept: &Kept) -> &[u8] {
        if kept.left == 1 { &self.last_request } else { &self.request }
    }

    /// A kept connection from which nothing came: neither its end nor what nobody has asked for.
    fn take(&self) -> Option<Kept> {
        loop {
            let mut kept = self.idle.borrow_mut().pop_front()?;
            let mut byte = [0];
            let mut byte = ReadBuf::new(&mut byte);
            let mut context = Context::from_waker(Waker::noop());
            if Pin::new(&mut kept.stream).poll_read(&mut context, &mut byte).is_pending() {
                return Some(kept);
            }
        }
    }

    async fn answer(&self, stream: &mut TcpStream, window: &RefCell<Window>) -> Result<(Answer, bool), Failure> {
        let mut incoming = Incoming::default();
        loop {
            let over = poll_fn(|context| self.read(stream, context, &mut incoming, window)).await?;
            if over {
                return Ok(incoming.end());
            }
        }
    }

    /// Reads what there is, and tells whether the answer is whole.
    fn read(
        &self,
        stream: &mut TcpStream,
        context: &mut Context<'_>,
        incoming: &mut Incoming,
        window: &RefCell<Window>,
    ) -> Poll<Result<bool, Failure>> {
        let mut buffer = self.buffer.borrow_mut();
        let mut buffer = ReadBuf::new(&mut buffer);
        let read: io::Result<()> = std::task::ready!(Pin::new(stream).poll_read(context, &mut buffer));
        let pods = &mut window.borrow_mut().pods;
        Poll::Ready(match read {
            Err(error) => Err(Failure::talking(&error)),
            Ok(()) if buffer.filled().is_empty() => incoming.closed(pods).map(|()| true),
            Ok(()) => incoming.take(buffer.filled(), pods),
        })
    }
}
