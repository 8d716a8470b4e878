//! A client's TCP stream, whose first bytes have been looked at to tell HTTP/1 from HTTP/2.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::connection::LAST_WORD;
use super::frames::Frames;
use super::pulse::Pulse;
use crate::error::Refusal;

/// What an HTTP/2 client with prior knowledge says first (RFC 9113, section 3.4).
pub(super) const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Room for a read before there is a parser: most heads fit into one.
const FIRST_READ_BYTES: usize = 1024;

/// A head that is longer than this, and not yet whole, needs a permit to be read on.
const SHORT_HEAD_BYTES: usize = 2048;

/// hyper's own limit.
const MAX_HEADERS: usize = 100;

/// Which HTTP a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// How a connection begins.
pub(super) enum Opening {
    /// With a request, or an HTTP/2 preface.
    Speaks(Version),
    /// With something that is no request.
    Refused(Refusal),
    /// With the client's leaving.
    Left,
}

/// A stream that gives its first bytes again, and tells the pulse when a client begins a head.
pub(super) struct Transport {
    stream: TcpStream,
    first_bytes: BytesMut,
    version: Version,
    frames: Frames,
    pulse: Arc<Pulse>,
}

impl Transport {
    pub(super) fn new(stream: TcpStream, pulse: Arc<Pulse>) -> Self {
        Self { stream, first_bytes: BytesMut::new(), version: Version::Http1, frames: Frames::default(), pulse }
    }

    /// Reads until the client's version is known, and on HTTP/1 until its first head is whole: the parser, with its 16
    /// KiB of buffers, is for clients that have something to ask. Can be called again after it has been given up.
    pub(super) async fn first_head(&mut self, max_bytes: usize, long_heads: &Semaphore) -> io::Result<Opening> {
        let mut long_head = None;
        let mut is_first_read = true;
        loop {
            self.stream.readable().await?;
            let known = self.first_bytes.len();
            if known >= SHORT_HEAD_BYTES && long_head.is_none() {
                long_head = Some(long_heads.acquire().await.expect("the semaphore stays open"));
            }
            self.first_bytes.reserve(FIRST_READ_BYTES);
            match self.stream.try_read_buf(&mut self.first_bytes) {
                Ok(0) => return Ok(Opening::Left),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            if self.first_bytes.starts_with(HTTP2_PREFACE) {
                self.version = Version::Http2;
                let unfinished = self.frames.take(&self.first_bytes[HTTP2_PREFACE.len()..]);
                self.pulse.head_is_unfinished(unfinished);
                return Ok(Opening::Speaks(Version::Http2));
            }
            if HTTP2_PREFACE.starts_with(&self.first_bytes) {
                continue;
            }
            // A head ends with a line, so that bytes without an end of a line leave it as unfinished as it was.
            if is_first_read || self.first_bytes[known..].contains(&b'\n') {
                is_first_read = false;
                if let Some(opening) = judge(&self.first_bytes, max_bytes) {
                    return Ok(opening);
                }
            }
            if self.first_bytes.len() > max_bytes {
                return Ok(Opening::Refused(Refusal::HeadTooLarge));
            }
        }
    }

    /// Whether the client has not said a word yet.
    pub(super) fn is_silent(&self) -> bool {
        self.first_bytes.is_empty()
    }

    /// The stream itself, without the bytes that were read of it.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }
}

/// Sends a client its last answer and closes. What the client still sends is taken for a moment: closing on unread
/// bytes is a reset, which can overtake the answer.
pub(super) async fn last_word(mut stream: TcpStream, bytes: &[u8]) {
    let farewell = async {
        stream.write_all(bytes).await?;
        stream.shutdown().await?;
        let mut taken = [0; 512];
        while stream.read(&mut taken).await? > 0 {}
        io::Result::Ok(())
    };
    // The client may be gone, which is what is wanted of it.
    let _ = tokio::time::timeout(LAST_WORD, farewell).await;
}

/// What the bytes amount to; nothing yet where more could make them a head.
fn judge(bytes: &[u8], max_bytes: usize) -> Option<Opening> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    match httparse::Request::new(&mut headers).parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length > max_bytes => Some(Opening::Refused(Refusal::HeadTooLarge)),
        Ok(httparse::Status::Complete(_)) => Some(Opening::Speaks(Version::Http1)),
        Ok(httparse::Status::Partial) => None,
        Err(httparse::Error::TooManyHeaders) => Some(Opening::Refused(Refusal::HeadTooLarge)),
        Err(_) => Some(Opening::Refused(Refusal::BrokenHead)),
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first_bytes.has_remaining() {
            let count = self.first_bytes.len().min(buf.remaining());
            buf.put_slice(&self.first_bytes[..count]);
            self.first_bytes.advance(count);
            if self.first_bytes.is_empty() {
                self.first_bytes = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let this = &mut *self;
        match this.version {
            Version::Http1 if buf.filled().len() > before => this.pulse.bytes_arrived(),
            Version::Http1 => {}
            Version::Http2 => {
                let unfinished = this.frames.take(&buf.filled()[before..]);
                this.pulse.head_is_unfinished(unfinished);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
