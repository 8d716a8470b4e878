//! HTTP/1.1 on a socket. It is not hyper's client, which has a task, channels and buffers for each connection: with a
//! connection for each request, that takes a fifth more CPU.

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
    /// The last request on a connection.
    last_request: Vec<u8>,
    requests_per_connection: u64,
    /// Used in turn, so that all stay in use: the next one is at the front.
    idle: RefCell<VecDeque<PooledConnection>>,
    /// One buffer for all: an answer in one piece is never copied.
    buffer: RefCell<Box<[u8]>>,
}

/// A connection, and the requests that it has left.
struct PooledConnection {
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
            // The server closes first, so that the ports in TIME_WAIT are on its side.
            last_request: request("connection: close\r\n").into_bytes(),
            requests_per_connection,
            idle: RefCell::default(),
            buffer: RefCell::new(vec![0; READ].into_boxed_slice()),
        }
    }

    /// One request and its answer. If it is cancelled, the stage shows how far it came.
    pub async fn exchange(
        &self,
        addresses: &Addresses,
        stage: &Cell<Stage>,
        window: &RefCell<Window>,
    ) -> Result<Answer, Failure> {
        let mut pooled = self.begin(addresses, stage).await?;
        let (answer, keep) = self.answer(&mut pooled.stream, window).await?;
        if keep && pooled.left > 0 {
            self.idle.borrow_mut().push_back(pooled);
        }
        Ok(answer)
    }

    /// Sends a request, on a pooled connection if one is still open.
    async fn begin(&self, addresses: &Addresses, stage: &Cell<Stage>) -> Result<PooledConnection, Failure> {
        while let Some(mut pooled) = self.take() {
            stage.set(Stage::Connected);
            // Closed just now: nothing of the request was sent, so another connection may take it.
            let request = self.request_of(&pooled);
            if let Ok(sent @ 1..) = poll_fn(|context| Pin::new(&mut pooled.stream).poll_write(context, request)).await {
                pooled.stream.write_all(&request[sent..]).await.map_err(|error| Failure::talking(&error))?;
                pooled.left -= 1;
                return Ok(pooled);
            }
        }
        stage.set(Stage::Connecting);
        let stream = addresses.connect().await?;
        stage.set(Stage::Connected);
        let mut pooled = PooledConnection { stream, left: self.requests_per_connection };
        let request = self.request_of(&pooled);
        pooled.stream.write_all(request).await.map_err(|error| Failure::talking(&error))?;
        pooled.left -= 1;
        Ok(pooled)
    }

    fn request_of(&self, pooled: &PooledConnection) -> &[u8] {
        if pooled.left == 1 { &self.last_request } else { &self.request }
    }

    /// A pooled connection that is open and has nothing to read, which no request has asked for.
    fn take(&self) -> Option<PooledConnection> {
        loop {
            let mut pooled = self.idle.borrow_mut().pop_front()?;
            let mut byte = [0];
            let mut byte = ReadBuf::new(&mut byte);
            let mut context = Context::from_waker(Waker::noop());
            if Pin::new(&mut pooled.stream).poll_read(&mut context, &mut byte).is_pending() {
                return Some(pooled);
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

    /// Reads what is there, and returns whether the answer is complete.
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
