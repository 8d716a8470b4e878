//! A client's TCP stream, whose first bytes have been looked at to tell HTTP/1 from HTTP/2.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::pulse::Pulse;

/// What an HTTP/2 client with prior knowledge says first (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Room for a read before there is a parser: most heads fit into one.
const FIRST_READ_BYTES: usize = 1024;

/// Which HTTP a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// A stream that gives its first bytes again, and tells the pulse when an HTTP/1 client sends more. Between an HTTP/2
/// client's requests come frames that begin none.
pub(super) struct Transport {
    stream: TcpStream,
    first_bytes: BytesMut,
    version: Version,
    pulse: Arc<Pulse>,
}

impl Transport {
    pub(super) fn new(stream: TcpStream, pulse: Arc<Pulse>) -> Self {
        Self { stream, first_bytes: BytesMut::new(), version: Version::Http1, pulse }
    }

    /// Reads until the client's version is known, and on HTTP/1 until its first head is whole, wrong, or longer than
    /// `max_head_bytes`: the parser, with its 16 KiB of buffers, is for clients that have something to ask.
    ///
    /// `None` where the client left without a word.
    pub(super) async fn first_head(&mut self, max_head_bytes: usize) -> io::Result<Option<Version>> {
        loop {
            self.stream.readable().await?;
            self.first_bytes.reserve(FIRST_READ_BYTES);
            match self.stream.try_read_buf(&mut self.first_bytes) {
                Ok(0) if self.first_bytes.is_empty() => return Ok(None),
                Ok(0) => return Ok(Some(Version::Http1)),
                Ok(_) if self.first_bytes.starts_with(HTTP2_PREFACE) => {
                    self.version = Version::Http2;
                    return Ok(Some(Version::Http2));
                }
                Ok(_) if HTTP2_PREFACE.starts_with(&self.first_bytes) => {}
                Ok(_) if self.first_bytes.len() < max_head_bytes && is_partial_head(&self.first_bytes) => {}
                Ok(_) => return Ok(Some(Version::Http1)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends what fits into the socket's buffer at once, to a client that has begun a request: a last word that is
    /// not waited for.
    pub(super) fn try_last_word(&self, bytes: &[u8]) {
        let _ = self.stream.try_write(bytes);
    }

    /// Whether the client has sent anything that the parser has not seen.
    pub(super) fn has_first_bytes(&self) -> bool {
        !self.first_bytes.is_empty()
    }
}

/// Whether more bytes could make this a request's head.
fn is_partial_head(bytes: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    matches!(httparse::Request::new(&mut headers).parse(bytes), Ok(httparse::Status::Partial))
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
        if self.version == Version::Http1 && buf.filled().len() > before {
            self.pulse.bytes_arrived();
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
