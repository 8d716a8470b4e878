//! A client's TCP stream. Its first bytes tell HTTP/1 from HTTP/2, and of HTTP/1 hyper is given heads that have been
//! judged, and nothing else, until a body begins.

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
use super::head::{Head, Then, judge, judge_all};
use super::pulse::Pulse;
use crate::error::{Reader, Refusal};

/// What an HTTP/2 client with prior knowledge says first (RFC 9113, section 3.4).
pub(super) const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Room for a read before there is a parser: most heads fit into one.
const FIRST_READ_BYTES: usize = 1024;

/// A head that is longer than this, and not yet whole, needs a permit to be read on.
const SHORT_HEAD_BYTES: usize = 2048;

/// Heads up to this length are remembered after they have passed.
const REMEMBERED_BYTES: usize = 512;

/// What is read of a client that has been told to leave, so that its answer reaches it.
const FAREWELL_BYTES: u64 = 256 * 1024;

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
    Refused(Refusal, Reader),
    /// With the client's leaving.
    Left,
}

/// What a client's next bytes are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    /// An HTTP/1 head, to be judged.
    Head,
    /// An HTTP/1 body, after which nothing is answered.
    Body,
    /// HTTP/2 frames.
    Frames,
    /// A head that is refused: hyper is told that the client has left.
    Refused(Refusal, Reader),
}

/// A stream that gives its first bytes again, and tells the pulse when a client begins a head.
pub(super) struct Transport {
    stream: TcpStream,
    /// What the client has sent and hyper has not been given.
    held: BytesMut,
    /// How many of those are heads that have passed.
    judged: usize,
    /// Whether those behind are new since the last judgement.
    is_unjudged: bool,
    /// The last heads that passed. The judgement depends on the bytes alone, and most clients send the same head again.
    passed: Vec<u8>,
    next: Next,
    frames: Frames,
    max_head_bytes: usize,
    pulse: Arc<Pulse>,
}

impl Transport {
    pub(super) fn new(stream: TcpStream, max_head_bytes: usize, pulse: Arc<Pulse>) -> Self {
        let (held, passed, frames) = (BytesMut::new(), Vec::new(), Frames::default());
        Self { stream, held, judged: 0, is_unjudged: false, passed, next: Next::Head, frames, max_head_bytes, pulse }
    }

    /// Reads until the client's version is known, and on HTTP/1 until its first head is whole: the parser, with its 16
    /// KiB of buffers, is for clients that have something to ask. Can be called again after it has been given up.
    pub(super) async fn first_head(&mut self, long_heads: &Semaphore) -> io::Result<Opening> {
        let mut long_head = None;
        loop {
            self.stream.readable().await?;
            let known = self.held.len();
            if known >= SHORT_HEAD_BYTES && long_head.is_none() {
                long_head = Some(long_heads.acquire().await.expect("the semaphore stays open"));
            }
            self.held.reserve(FIRST_READ_BYTES);
            match self.stream.try_read_buf(&mut self.held) {
                Ok(0) => return Ok(Opening::Left),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            if self.held.starts_with(HTTP2_PREFACE) {
                self.next = Next::Frames;
                let unfinished = self.frames.take(&self.held[HTTP2_PREFACE.len()..]);
                self.pulse.head_is_unfinished(unfinished);
                return Ok(Opening::Speaks(Version::Http2));
            }
            if HTTP2_PREFACE.starts_with(&self.held) {
                continue;
            }
            if !self.may_be_decided(known) {
                continue;
            }
            match judge(&self.held, self.max_head_bytes) {
                Head::Partial => {}
                Head::Whole { .. } => {
                    self.is_unjudged = true;
                    return Ok(Opening::Speaks(Version::Http1));
                }
                Head::Refused(refusal, reader) => return Ok(Opening::Refused(refusal, reader)),
            }
        }
    }

    /// Whether a judgement could be another one than on the first `known` bytes: a head ends with a line, so that bytes
    /// without an end of a line leave it as unfinished as it was. Else a client that sends its head byte by byte would
    /// have all of it looked at for each.
    fn may_be_decided(&self, known: usize) -> bool {
        known == 0 || self.held.len() >= self.max_head_bytes || self.held[known..].contains(&b'\n')
    }

    /// Whether the client has not said a word yet.
    pub(super) fn is_silent(&self) -> bool {
        self.held.is_empty()
    }

    /// Why the client's latest head is not taken, if so.
    pub(super) fn refusal(&self) -> Option<(Refusal, Reader)> {
        if let Next::Refused(refusal, reader) = self.next { Some((refusal, reader)) } else { None }
    }

    /// Whether the client may still be sending when its last answer has been sent.
    pub(super) fn may_be_sending(&self) -> bool {
        self.next == Next::Body
    }

    /// The stream itself, without the bytes that were read of it.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Judges what is held.
    fn judge_held(&mut self) {
        let heads = judge_all(&self.held, self.max_head_bytes);
        self.judged = heads.bytes;
        // A refusal behind other heads is found anew when its turn comes.
        self.is_unjudged = heads.bytes > 0;
        match heads.then {
            Then::Head => {}
            Then::Body => self.next = Next::Body,
            Then::Refusal(refusal, reader) => {
                self.next = Next::Refused(refusal, reader);
                self.held = BytesMut::new();
            }
        }
    }

    /// Gives hyper what it may have; nothing where that is nothing.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let allowed = if self.next == Next::Head { self.judged } else { self.held.len() };
        let count = allowed.min(buf.remaining());
        buf.put_slice(&self.held[..count]);
        self.held.advance(count);
        self.judged = self.judged.saturating_sub(count);
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
        count > 0
    }

    /// Takes new bytes of heads. In the usual case they are one whole head, and stay where they are.
    fn take(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let arrived = &buf.filled()[before..];
        if self.held.is_empty() {
            if arrived == self.passed {
                return;
            }
            let heads = judge_all(arrived, self.max_head_bytes);
            if heads.bytes == arrived.len() {
                if heads.then == Then::Body {
                    self.next = Next::Body;
                } else if arrived.len() <= REMEMBERED_BYTES {
                    self.passed.clear();
                    self.passed.extend_from_slice(arrived);
                }
                return;
            }
        }
        let known = self.held.len();
        self.held.extend_from_slice(arrived);
        buf.set_filled(before);
        self.is_unjudged = self.may_be_decided(known);
    }
}

/// Sends a client its last answer, if it has not been sent, and closes. What the client still sends is taken for a
/// moment: closing on unread bytes is a reset, which can overtake the answer (RFC 9112, section 9.6).
pub(super) async fn last_word(mut stream: TcpStream, bytes: &[u8]) {
    let farewell = async {
        stream.write_all(bytes).await?;
        stream.shutdown().await?;
        let mut taken = [0; 512];
        let mut left = FAREWELL_BYTES;
        while left > 0 {
            match stream.read(&mut taken).await? {
                0 => break,
                count => left = left.saturating_sub(count as u64),
            }
        }
        io::Result::Ok(())
    };
    // The client may be gone, which is what is wanted of it.
    let _ = tokio::time::timeout(LAST_WORD, farewell).await;
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        loop {
            if this.next == Next::Head && this.judged == 0 && this.is_unjudged {
                this.judge_held();
            }
            if this.give(buf) || matches!(this.next, Next::Refused(..)) {
                return Poll::Ready(Ok(()));
            }
            if !this.held.is_empty() {
                // Part of a head came with the request before it.
                this.pulse.bytes_arrived();
            }
            std::task::ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
            let arrived = &buf.filled()[before..];
            if this.next == Next::Frames {
                let unfinished = this.frames.take(arrived);
                this.pulse.head_is_unfinished(unfinished);
                return Poll::Ready(Ok(()));
            }
            let has_more = !arrived.is_empty();
            if has_more {
                this.pulse.bytes_arrived();
            }
            if has_more && this.next == Next::Head {
                this.take(buf, before);
            }
            if !has_more || buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
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
        if self.refusal().is_some() {
            // The last word is still to be sent.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
