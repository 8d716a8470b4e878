//! HTTP/1.1 on a connection. It is not hyper's client, which has a task, channels and buffers for each connection: with a
//! connection for each request, that takes a fifth more CPU.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::generator::answer::{Incoming, Reading};
use crate::generator::client::{Origin, Progress, Stage};
use crate::generator::failure::Failed;
use crate::generator::request::Message1;
use crate::generator::stream::Stream;
use crate::generator::template::Numbers;
use crate::generator::window::{Answer, Window};

/// Bytes that are read at once.
const READ: usize = 64 * 1024;

/// The connections to a server.
pub(super) struct Http1 {
    requests_per_connection: u64,
    /// Used in turn, so that all stay in use: the next one is at the front.
    idle: RefCell<VecDeque<PooledConnection>>,
    /// One buffer for all: an answer in one piece is never copied.
    buffer: RefCell<Box<[u8]>>,
}

/// A connection, and the requests that it has left.
struct PooledConnection {
    stream: Stream,
    left: u64,
}

impl Http1 {
    pub fn new(requests_per_connection: u64) -> Self {
        Self {
            requests_per_connection,
            idle: RefCell::default(),
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
        let mut pooled = self.begin(origin, message, numbers, progress).await?;
        let reading = Reading { is_head, pod_header, sampled: progress.window.borrow_mut().takes_sample() };
        let (answer, keep) = self.answer(&mut pooled.stream, reading, progress).await?;
        if keep && pooled.left > 0 {
            self.idle.borrow_mut().push_back(pooled);
        }
        Ok(answer)
    }

    /// Sends a request, on a pooled connection if one is still open.
    async fn begin(
        &self,
        origin: &Origin,
        message: &Message1,
        numbers: Numbers,
        progress: Progress<'_>,
    ) -> Result<PooledConnection, Failed> {
        while let Some(mut pooled) = self.take() {
            progress.stage.set(Stage::Waiting);
            // Closed just now: nothing of the request was sent, so another connection may take it.
            let request = message.bytes(pooled.left == 1, numbers);
            if let Ok(sent @ 1..) = poll_fn(|context| Pin::new(&mut pooled.stream).poll_write(context, &request)).await
            {
                finish(&mut pooled, &request[sent..]).await?;
                progress.window.borrow_mut().bytes_out += request.len() as u64;
                return Ok(pooled);
            }
        }
        progress.stage.set(Stage::Connecting);
        let stream = origin.connect(progress).await?;
        progress.stage.set(Stage::Waiting);
        let mut pooled = PooledConnection { stream, left: self.requests_per_connection };
        let request = message.bytes(pooled.left == 1, numbers);
        finish(&mut pooled, &request).await?;
        progress.window.borrow_mut().bytes_out += request.len() as u64;
        Ok(pooled)
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

    async fn answer(
        &self,
        stream: &mut Stream,
        reading: Reading<'_>,
        progress: Progress<'_>,
    ) -> Result<(Answer, bool), Failed> {
        let mut incoming = Incoming::new(reading);
        loop {
            let over = poll_fn(|context| self.read(stream, context, &mut incoming, progress.window)).await?;
            if over {
                return Ok(incoming.end());
            }
            progress.stage.set(Stage::Reading);
        }
    }

    /// Reads what is there, and returns whether the answer is complete.
    fn read(
        &self,
        stream: &mut Stream,
        context: &mut Context<'_>,
        incoming: &mut Incoming<'_>,
        window: &RefCell<Window>,
    ) -> Poll<Result<bool, Failed>> {
        let mut buffer = self.buffer.borrow_mut();
        let mut buffer = ReadBuf::new(&mut buffer);
        let read: io::Result<()> = std::task::ready!(Pin::new(stream).poll_read(context, &mut buffer));
        let window = &mut window.borrow_mut();
        window.bytes_in += buffer.filled().len() as u64;
        Poll::Ready(match read {
            Err(error) => Err(Failed::talking(error)),
            Ok(()) if buffer.filled().is_empty() => Ok(incoming.closed(&mut window.pods).map(|()| true)?),
            Ok(()) => Ok(incoming.take(buffer.filled(), &mut window.pods)?),
        })
    }
}

/// Sends what is left of a request.
async fn finish(pooled: &mut PooledConnection, rest: &[u8]) -> Result<(), Failed> {
    pooled.stream.write_all(rest).await.map_err(Failed::talking)?;
    // TLS may still hold a part of it.
    pooled.stream.flush().await.map_err(Failed::talking)?;
    pooled.left -= 1;
    Ok(())
}
