//! HTTP/1.1 on a connection. It is not hyper's client, which has a task, channels and buffers for each connection: with a
//! connection for each request, that takes a fifth more CPU.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::generator::answer::{Incoming, Reading};
use crate::generator::client::{Origin, Progress, Stage};
use crate::generator::failure::Failed;
use crate::generator::request::Message1;
use crate::generator::stream::Stream;
use crate::generator::template::Numbers;
use crate::generator::window::Answer;
use crate::journal::Bytes;

/// Bytes that are read at once.
const READ: usize = 64 * 1024;

/// The connections to a server.
pub(super) struct Http1 {
    requests_per_connection: u64,
    /// Those of each client, used in turn, so that all stay in use: the next one is at the front.
    idle: RefCell<Box<[VecDeque<PooledConnection>]>>,
    /// One buffer for all: an answer in one piece is never copied.
    buffer: RefCell<Box<[u8]>>,
}

/// A connection, and the requests that it has left.
struct PooledConnection {
    stream: Stream,
    /// Its other end.
    address: Option<SocketAddr>,
    left: u64,
}

/// How the sending of a request ended.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Sending {
    /// All of it was sent.
    Sent,
    /// Its answer was complete before.
    Answered,
}

impl Http1 {
    pub fn new(requests_per_connection: u64, clients: usize) -> Self {
        Self {
            requests_per_connection,
            idle: RefCell::new((0..clients).map(|_| VecDeque::new()).collect()),
            buffer: RefCell::new(vec![0; READ].into_boxed_slice()),
        }
    }

    /// One request and its answer. If it is cancelled, the stage shows how far it came.
    pub async fn exchange(
        &self,
        origin: &Origin,
        message: &Message1,
        numbers: Numbers,
        is_head: bool,
        pod_header: Option<&str>,
        progress: Progress<'_>,
    ) -> Result<Answer, Failed> {
        let sampled = progress.window.borrow_mut().takes_sample();
        let mut incoming = Incoming::new(Reading { is_head, pod_header, sampled });
        let (mut pooled, sending) = self.begin(origin, message, numbers, &mut incoming, progress).await?;
        if sending == Sending::Sent {
            self.answer(&mut pooled.stream, &mut incoming, progress).await?;
        }
        let (answer, keep) = incoming.end();
        if keep && pooled.left > 0 && sending == Sending::Sent {
            self.idle.borrow_mut()[progress.client].push_back(pooled);
        }
        Ok(answer)
    }

    /// Sends a request, on a pooled connection if one is still open.
    async fn begin(
        &self,
        origin: &Origin,
        message: &Message1,
        numbers: Numbers,
        incoming: &mut Incoming<'_>,
        progress: Progress<'_>,
    ) -> Result<(PooledConnection, Sending), Failed> {
        while let Some(mut pooled) = self.take(progress.client) {
            progress.stage.set(Stage::Waiting);
            // Closed just now: nothing of the request was sent, so another connection may take it.
            let request = message.bytes(pooled.left == 1, numbers);
            if let Ok(sent @ 1..) = poll_fn(|context| Pin::new(&mut pooled.stream).poll_write(context, &request)).await
            {
                progress.goes_to(pooled.address);
                progress.sent(sent);
                let sending = self.finish(&mut pooled, &request[sent..], incoming, progress).await?;
                return Ok((pooled, sending));
            }
        }
        progress.stage.set(Stage::Connecting);
        let stream = origin.connect(progress).await?;
        progress.stage.set(Stage::Waiting);
        let address = progress.exchange.get().address;
        let mut pooled = PooledConnection { stream, address, left: self.requests_per_connection };
        let request = message.bytes(pooled.left == 1, numbers);
        let sending = self.finish(&mut pooled, &request, incoming, progress).await?;
        Ok((pooled, sending))
    }

    /// Sends what is left of a request. Meanwhile, its answer may begin, as an echo does. One that ends before the request
    /// does, as a refusal of a long body may, ends the sending.
    async fn finish(
        &self,
        pooled: &mut PooledConnection,
        rest: &[u8],
        incoming: &mut Incoming<'_>,
        progress: Progress<'_>,
    ) -> Result<Sending, Failed> {
        pooled.left -= 1;
        let mut sent = 0;
        poll_fn(|context| {
            while sent < rest.len() {
                let written = match Pin::new(&mut pooled.stream).poll_write(context, &rest[sent..]) {
                    Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(written) => written,
                    // A part of the answer makes room for more of the request.
                    Poll::Pending => match self.read(&mut pooled.stream, context, incoming, progress) {
                        Poll::Ready(Ok(true)) => return Poll::Ready(Ok(Sending::Answered)),
                        Poll::Ready(Ok(false)) => continue,
                        Poll::Ready(Err(failed)) => return Poll::Ready(Err(failed)),
                        Poll::Pending => return Poll::Pending,
                    },
                };
                match written {
                    Ok(bytes) => {
                        sent += bytes;
                        progress.sent(bytes);
                    }
                    // The answer may have arrived before the target closed.
                    Err(error) => {
                        let arrived = self.arrived(&mut pooled.stream, context, incoming, progress);
                        let ended = if arrived { Ok(Sending::Answered) } else { Err(Failed::talking(error)) };
                        return Poll::Ready(ended);
                    }
                }
            }
            // TLS may still hold a part of it.
            let flushed = std::task::ready!(Pin::new(&mut pooled.stream).poll_flush(context));
            Poll::Ready(flushed.map(|()| Sending::Sent).map_err(Failed::talking))
        })
        .await
    }

    /// Whether a whole answer is there, on a connection that takes no more of the request.
    fn arrived(
        &self,
        stream: &mut Stream,
        context: &mut Context<'_>,
        incoming: &mut Incoming<'_>,
        progress: Progress<'_>,
    ) -> bool {
        loop {
            match self.read(stream, context, incoming, progress) {
                Poll::Ready(Ok(false)) => {}
                Poll::Ready(Ok(true)) => return true,
                Poll::Ready(Err(_)) | Poll::Pending => return false,
            }
        }
    }

    /// A pooled connection that is open and has nothing to read, which no request has asked for.
    fn take(&self, client: usize) -> Option<PooledConnection> {
        loop {
            let mut pooled = self.idle.borrow_mut()[client].pop_front()?;
            let mut byte = [0];
            let mut byte = ReadBuf::new(&mut byte);
            let mut context = Context::from_waker(Waker::noop());
            if Pin::new(&mut pooled.stream).poll_read(&mut context, &mut byte).is_pending() {
                return Some(pooled);
            }
        }
    }

    async fn answer(
        &self,
        stream: &mut Stream,
        incoming: &mut Incoming<'_>,
        progress: Progress<'_>,
    ) -> Result<(), Failed> {
        while !poll_fn(|context| self.read(stream, context, incoming, progress)).await? {
            progress.stage.set(Stage::Reading);
        }
        Ok(())
    }

    /// Reads what is there, and returns whether the answer is complete.
    fn read(
        &self,
        stream: &mut Stream,
        context: &mut Context<'_>,
        incoming: &mut Incoming<'_>,
        progress: Progress<'_>,
    ) -> Poll<Result<bool, Failed>> {
        let mut buffer = self.buffer.borrow_mut();
        let mut buffer = ReadBuf::new(&mut buffer);
        let read: io::Result<()> = std::task::ready!(Pin::new(stream).poll_read(context, &mut buffer));
        let received = buffer.filled().len() as u64;
        progress.count(Bytes { sent: 0, received });
        let window = &mut progress.window.borrow_mut();
        window.bytes_in += received;
        Poll::Ready(match read {
            Err(error) => Err(Failed::talking(error)),
            Ok(()) if buffer.filled().is_empty() => Ok(incoming.closed(&mut window.pods).map(|()| true)?),
            Ok(()) => Ok(incoming.take(buffer.filled(), &mut window.pods)?),
        })
    }
}
