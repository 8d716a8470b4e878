//! A client's stream. Its first bytes distinguish HTTP/1 from HTTP/2. On HTTP/1, hyper reads only heads that have passed
//! the checks, until a body begins.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::KERNEL_BUFFER_BYTES;
use super::connection_state::ConnectionState;
use super::frames::{FrameTracker, HeaderBlock};
use super::head::{AfterHeads, Head, check_head, check_heads};
use super::stream::{ClientStream, Protocol};
use crate::error::{ErrorFormat, Rejection};

/// The first bytes of an HTTP/2 client with prior knowledge (RFC 9113, section 3.4).
pub(super) const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a client that is being closed has to read its response, and a client that connected just before the service
/// stops to send its first byte.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// The size of a read before there is a parser. Most heads fit into one.
const FIRST_READ_BYTES: usize = 1024;

/// A partial head that is longer than this needs a permit to be read further.
const SHORT_HEAD_BYTES: usize = 2048;

/// How long a long head waits for a permit before it is looked at in the kernel's buffer; each time four times as long.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The maximum length of the accepted heads that are kept for comparison.
const MAX_REMEMBERED_BYTES: usize = 512;

/// The maximum that is read and discarded from a client that is being closed.
const MAX_DISCARDED_BYTES: u64 = 256 * 1024;

/// How a connection begins.
pub(super) enum Detected {
    /// With a complete HTTP/1 head.
    Http1,
    /// With an HTTP/2 preface.
    Http2,
    /// With an HTTP/1 head that is rejected.
    Rejected(Rejection, ErrorFormat),
    /// The client has closed it.
    Closed,
}

/// What the client's next bytes are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    /// An HTTP/1 head, which has to be checked.
    Head,
    /// An HTTP/1 body. Whatever follows it is ignored.
    Body,
    /// HTTP/2 frames.
    Frames,
    /// A rejected head: hyper reads the end of the stream instead.
    Rejected(Rejection, ErrorFormat),
}

/// A stream that checks what hyper reads from it, and reports to the connection's state.
pub(super) struct Transport {
    stream: ClientStream,
    /// What has arrived and hyper has not read.
    buffered: BytesMut,
    /// How many of those bytes are accepted heads.
    accepted: usize,
    /// Whether the bytes after those have not been checked yet.
    has_unchecked: bool,
    /// The heads that were accepted last. The check depends on nothing but the bytes, and most clients repeat their head.
    last_accepted: Vec<u8>,
    next: Next,
    frames: FrameTracker,
    max_head_bytes: usize,
    state: Arc<ConnectionState>,
}

impl Transport {
    pub(super) fn new(stream: ClientStream, max_head_bytes: usize, state: Arc<ConnectionState>) -> Self {
        Self {
            stream,
            buffered: BytesMut::new(),
            accepted: 0,
            has_unchecked: false,
            last_accepted: Vec::new(),
            next: Next::Head,
            frames: FrameTracker::default(),
            max_head_bytes,
            state,
        }
    }

    /// Reads until the protocol is known, and on HTTP/1 until the first head is complete: a parser has 16 KiB of buffers, and
    /// is only for clients that send a request. May be dropped and called again.
    pub(super) async fn detect(&mut self, long_heads: &Semaphore) -> io::Result<Detected> {
        let (mut long_head, mut is_arrived) = (None, false);
        let protocol = self.stream.protocol();
        loop {
            let previous = self.buffered.len();
            let Some(stream) = self.stream.plain() else {
                // A TLS connection is charged for all of its head.
                self.buffered.reserve(FIRST_READ_BYTES);
                if self.stream.read_buf(&mut self.buffered).await? == 0 {
                    return Ok(Detected::Closed);
                }
                if let Some(detected) = self.detected(protocol, previous) {
                    return Ok(detected);
                }
                continue;
            };
            stream.readable().await?;
            if previous >= SHORT_HEAD_BYTES && long_head.is_none() && !is_arrived {
                let mut permit = pin!(long_heads.acquire());
                let mut pause = Duration::ZERO;
                while long_head.is_none() && !is_arrived {
                    match timeout(pause, &mut permit).await {
                        Ok(acquired) => long_head = Some(acquired.expect("the semaphore stays open")),
                        // A head that has arrived as a whole waits for nobody.
                        Err(_) => is_arrived = self.has_arrived(),
                    }
                    pause = FIRST_PAUSE.max(4 * pause);
                }
            }
            self.buffered.reserve(FIRST_READ_BYTES);
            match stream.try_read_buf(&mut self.buffered) {
                Ok(0) => return Ok(Detected::Closed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            if let Some(detected) = self.detected(protocol, previous) {
                return Ok(detected);
            }
        }
    }

    /// How the connection begins, once the buffered bytes say so. It was not known from the first `previous` of them.
    fn detected(&mut self, protocol: Protocol, previous: usize) -> Option<Detected> {
        if protocol != Protocol::Http1 {
            if self.buffered.starts_with(HTTP2_PREFACE) {
                self.next = Next::Frames;
                let block = self.frames.receive(&mut self.buffered[HTTP2_PREFACE.len()..]);
                self.state.set_head_unfinished(block != HeaderBlock::Complete);
                return Some(if block == HeaderBlock::TooLong { Detected::Closed } else { Detected::Http2 });
            }
            if HTTP2_PREFACE.starts_with(&self.buffered) {
                return None;
            }
            if protocol == Protocol::Http2 {
                return Some(Detected::Closed);
            }
        }
        if !self.may_be_complete(previous) {
            return None;
        }
        match check_head(&self.buffered, self.max_head_bytes) {
            Head::Partial => None,
            Head::Complete { .. } => {
                self.has_unchecked = true;
                Some(Detected::Http1)
            }
            Head::Rejected(rejection, format) => Some(Detected::Rejected(rejection, format)),
        }
    }

    /// Whether the kernel has the rest of a long head, or will get no more of it. Until it has, that part stays there.
    fn has_arrived(&self) -> bool {
        let Some(stream) = self.stream.plain() else { return true };
        let mut whole = self.buffered.to_vec();
        let known = whole.len();
        whole.resize(known + KERNEL_BUFFER_BYTES.min(self.max_head_bytes), 0);
        match recv(stream, &mut whole[known..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((_, 0)) => true,
            // A head ends with a line, and most half-sent ones have none to look at.
            Ok((_, count)) if whole[known..known + count].contains(&b'\n') || known + count >= self.max_head_bytes => {
                check_head(&whole[..known + count], self.max_head_bytes) != Head::Partial
            }
            Ok(_) => false,
            Err(error) => error != Errno::WOULDBLOCK,
        }
    }

    /// Whether a check could have another result than it had on the first `previous` bytes. A head ends with a line, so bytes
    /// without a line end leave it partial. Without this, a client that sends its head byte by byte would have all of it
    /// checked again for each byte.
    fn may_be_complete(&self, previous: usize) -> bool {
        previous == 0 || self.buffered.len() >= self.max_head_bytes || self.buffered[previous..].contains(&b'\n')
    }

    /// Whether nothing has arrived that hyper has not read.
    pub(super) fn received_nothing(&self) -> bool {
        self.buffered.is_empty()
    }

    /// Why the client's latest head was rejected, if it was.
    pub(super) fn rejection(&self) -> Option<(Rejection, ErrorFormat)> {
        if let Next::Rejected(rejection, format) = self.next { Some((rejection, format)) } else { None }
    }

    /// Whether the client may still be sending a body when its last response has been sent.
    pub(super) fn may_have_unread_body(&self) -> bool {
        self.next == Next::Body
    }

    /// The stream, without the bytes that have been read from it.
    pub(super) fn into_stream(self) -> ClientStream {
        self.stream
    }

    /// Checks the buffered bytes.
    fn check_buffered(&mut self) {
        let heads = check_heads(&self.buffered, self.max_head_bytes);
        self.accepted = heads.bytes;
        // A rejected head after accepted ones is checked again when its turn comes.
        self.has_unchecked = heads.bytes > 0;
        match heads.next {
            AfterHeads::Head => {}
            AfterHeads::Body => self.next = Next::Body,
            AfterHeads::Rejected(rejection, format) => {
                self.next = Next::Rejected(rejection, format);
                self.buffered = BytesMut::new();
            }
        }
    }

    /// Copies the buffered bytes that hyper may read. Returns false if there are none.
    fn copy_accepted(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let accepted = if self.next == Next::Head { self.accepted } else { self.buffered.len() };
        let count = accepted.min(buf.remaining());
        buf.put_slice(&self.buffered[..count]);
        self.buffered.advance(count);
        self.accepted = self.accepted.saturating_sub(count);
        if self.buffered.is_empty() {
            self.buffered = BytesMut::new();
        }
        count > 0
    }

    /// Checks new bytes of heads. In the usual case they are one complete head, and stay in hyper's buffer.
    fn check_received(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let received = &buf.filled()[before..];
        if self.buffered.is_empty() {
            if received == self.last_accepted {
                return;
            }
            let heads = check_heads(received, self.max_head_bytes);
            if heads.bytes == received.len() {
                if heads.next == AfterHeads::Body {
                    self.next = Next::Body;
                } else if received.len() <= MAX_REMEMBERED_BYTES {
                    self.last_accepted.clear();
                    self.last_accepted.extend_from_slice(received);
                }
                return;
            }
        }
        let previous = self.buffered.len();
        self.buffered.extend_from_slice(received);
        buf.set_filled(before);
        self.has_unchecked = self.may_be_complete(previous);
    }
}

/// Sends a response, if it is not empty, and closes. What the client still sends is read for a moment: a close with unread
/// bytes is a reset, which can overtake the response (RFC 9112, section 9.6).
pub(crate) async fn respond_and_close<S>(mut stream: S, response: &[u8])
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let closing = async {
        stream.write_all(response).await?;
        stream.shutdown().await?;
        let mut discarded = [0; 512];
        let mut left = MAX_DISCARDED_BYTES;
        while left > 0 {
            match stream.read(&mut discarded).await? {
                0 => break,
                count => left = left.saturating_sub(count as u64),
            }
        }
        io::Result::Ok(())
    };
    // An error means that the client has already gone.
    let _ = timeout(CLOSE_TIMEOUT, closing).await;
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        loop {
            if this.next == Next::Head && this.accepted == 0 && this.has_unchecked {
                this.check_buffered();
            }
            if this.copy_accepted(buf) || matches!(this.next, Next::Rejected(..)) {
                return Poll::Ready(Ok(()));
            }
            if !this.buffered.is_empty() {
                // Part of a head arrived together with the previous request.
                this.state.bytes_received();
            }
            std::task::ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
            if this.next == Next::Frames {
                let block = this.frames.receive(&mut buf.filled_mut()[before..]);
                this.state.set_head_unfinished(block != HeaderBlock::Complete);
                let too_long = || io::Error::new(io::ErrorKind::InvalidData, "a header block is too long");
                return Poll::Ready(if block == HeaderBlock::TooLong { Err(too_long()) } else { Ok(()) });
            }
            let has_more = buf.filled().len() > before;
            if has_more {
                this.state.bytes_received();
            }
            if has_more && this.next == Next::Head {
                this.check_received(buf, before);
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
        if self.rejection().is_some() {
            // The response to the rejected head is sent after hyper has finished.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
