//! A client's TCP stream, whose first bytes have been looked at to tell HTTP/1 from HTTP/2.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::pulse::Pulse;

/// What an HTTP/2 client with prior knowledge says first (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Room for the first read: most heads fit, so that the HTTP/1 parser finds its request without another read.
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
    first_bytes: Bytes,
    stream: TcpStream,
    version: Version,
    pulse: Arc<Pulse>,
}

impl Transport {
    /// Reads as much of a stream as tells its version. `None` where the client left without a word.
    pub(super) async fn open(stream: TcpStream, pulse: Arc<Pulse>) -> io::Result<Option<(Self, Version)>> {
        let mut first_bytes = BytesMut::new();
        let version = loop {
            stream.readable().await?;
            first_bytes.reserve(FIRST_READ_BYTES);
            match stream.try_read_buf(&mut first_bytes) {
                Ok(0) if first_bytes.is_empty() => return Ok(None),
                Ok(0) => break Version::Http1,
                Ok(_) if first_bytes.starts_with(HTTP2_PREFACE) => break Version::Http2,
                Ok(_) if !HTTP2_PREFACE.starts_with(&first_bytes) => break Version::Http1,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        };
        Ok(Some((Self { first_bytes: first_bytes.freeze(), stream, version, pulse }, version)))
    }

    /// Sends what fits into the socket's buffer at once: a last word to a client that is not waited for.
    pub(super) fn try_last_word(&self, bytes: &[u8]) {
        let _ = self.stream.try_write(bytes);
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first_bytes.has_remaining() {
            let count = self.first_bytes.len().min(buf.remaining());
            buf.put_slice(&self.first_bytes.split_to(count));
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
