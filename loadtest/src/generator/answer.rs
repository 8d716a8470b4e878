//! Parses an HTTP/1.1 answer piece by piece: pure, strict and bounded. An answer in one piece is neither copied nor
//! kept.

use crate::generator::chunks::Chunks;
use crate::generator::failure::Failure;
use crate::generator::pod_name::{PodNameScanner, Pods};
use crate::generator::window::{Answer, SAMPLED_BYTES};

/// Bytes in an answer's head, interim ones included, and header lines in it.
const HEAD_BYTES: usize = 64 * 1024;
const HEADERS: usize = 64;

/// The part that is still to come.
#[derive(Debug)]
enum Rest {
    Head,
    /// This many bytes of the body.
    Length(u64),
    Chunks(Chunks),
    /// A body that ends with the connection.
    Close,
    Nothing,
}

/// How an answer is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading<'a> {
    /// It is the answer to a HEAD request, which has no body whatever its head says.
    pub is_head: bool,
    /// The header that names the pod, instead of the document.
    pub pod_header: Option<&'a str>,
    /// The body is kept, up to a length.
    pub sampled: bool,
}

/// An answer that may be incomplete.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    reading: Reading<'a>,
    rest: Rest,
    /// A head that is not complete yet.
    head: Vec<u8>,
    head_bytes: usize,
    answer: Answer,
    keep: bool,
    scanner: PodNameScanner,
}

impl<'a> Incoming<'a> {
    pub fn new(reading: Reading<'a>) -> Self {
        let answer = Answer { sample: reading.sampled.then(Vec::new), ..Answer::default() };
        let scanner = PodNameScanner::default();
        Self { reading, rest: Rest::Head, head: Vec::new(), head_bytes: 0, answer, keep: false, scanner }
    }

    /// Takes a piece, and returns whether the answer is complete.
    pub fn take(&mut self, bytes: &[u8], pods: &mut Pods) -> Result<bool, Failure> {
        if !matches!(self.rest, Rest::Head) {
            self.body(bytes, pods)
        } else if self.head.is_empty() {
            self.heads(bytes, pods)
        } else {
            let mut all = std::mem::take(&mut self.head);
            all.extend_from_slice(bytes);
            self.heads(&all, pods)
        }
    }

    /// The connection was closed, which ends some answers.
    pub fn closed(&mut self, pods: &mut Pods) -> Result<(), Failure> {
        if !matches!(self.rest, Rest::Close) {
            return Err(Failure::Closed);
        }
        self.scanner.scan(&[], true, pods);
        Ok(())
    }

    /// The answer, if it is complete, and whether its connection can be used again.
    pub fn end(self) -> (Answer, bool) {
        let pod = if self.reading.pod_header.is_some() { self.answer.pod } else { self.scanner.found() };
        (Answer { pod, ..self.answer }, self.keep)
    }

    /// A head, after any interim ones.
    fn heads(&mut self, mut bytes: &[u8], pods: &mut Pods) -> Result<bool, Failure> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS];
            let mut head = httparse::Response::new(&mut headers);
            let parsed = head.parse(bytes).map_err(|_| Failure::Malformed)?;
            let httparse::Status::Complete(length) = parsed else {
                if self.head_bytes + bytes.len() > HEAD_BYTES {
                    return Err(Failure::Malformed);
                }
                self.head = bytes.to_vec();
                return Ok(false);
            };
            self.head_bytes += length;
            if self.head_bytes > HEAD_BYTES {
                return Err(Failure::Malformed);
            }
            bytes = &bytes[length..];
            let status = head.code.ok_or(Failure::Malformed)?;
            self.answer.status = status;
            match status {
                // Nobody requested another protocol.
                101 => return Err(Failure::Malformed),
                100..=199 => {}
                200..=999 => {
                    let (rest, keep) = framing(status, head.version == Some(1), head.headers)?;
                    self.rest = if self.reading.is_head { Rest::Nothing } else { rest };
                    if (300..400).contains(&status) {
                        self.answer.location = named(head.headers, "location").map(Box::from);
                    }
                    if let Some(name) = self.reading.pod_header {
                        self.answer.pod = named(head.headers, name).and_then(|name| pods.of_header(name));
                    }
                    self.keep = keep;
                    return self.body(bytes, pods);
                }
                _ => return Err(Failure::Malformed),
            }
        }
    }

    fn body(&mut self, bytes: &[u8], pods: &mut Pods) -> Result<bool, Failure> {
        let Self { scanner, answer, reading, .. } = self;
        let scanned = reading.pod_header.is_none();
        let mut data = |piece: &[u8], last| {
            if scanned {
                scanner.scan(piece, last, pods);
            }
            if let Some(sample) = &mut answer.sample {
                sample.extend_from_slice(&piece[..piece.len().min(SAMPLED_BYTES - sample.len())]);
            }
        };
        let (over, beyond) = match &mut self.rest {
            Rest::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                data(&bytes[..taken], *left == 0);
                (*left == 0, bytes.len() > taken)
            }
            Rest::Chunks(chunks) => {
                let taken = chunks.take(bytes, |piece| data(piece, false))?;
                if chunks.over() {
                    data(&[], true);
                }
                (chunks.over(), bytes.len() > taken)
            }
            Rest::Close => {
                data(bytes, false);
                (false, false)
            }
            Rest::Head | Rest::Nothing => (true, !bytes.is_empty()),
        };
        // Bytes after an answer belong to no request.
        self.keep &= !beyond;
        Ok(over)
    }
}

/// The value of a header, as it is.
fn named<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// How the body ends, and whether another answer can follow: RFC 9112, section 6.3.
fn framing(status: u16, is_1_1: bool, headers: &[httparse::Header<'_>]) -> Result<(Rest, bool), Failure> {
    let mut keep = is_1_1;
    let mut length: Option<u64> = None;
    let mut encoding: Option<&[u8]> = None;
    for header in headers {
        let value = header.value.trim_ascii();
        if header.name.eq_ignore_ascii_case("content-length") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|value| value.parse().ok());
            let number = number.ok_or(Failure::Malformed)?;
            if length.replace(number).is_some_and(|other| other != number) {
                return Err(Failure::Malformed);
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            encoding = Some(value);
        } else if header.name.eq_ignore_ascii_case("connection") {
            keep &= !value.split(|byte| *byte == b',').any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"));
        }
    }
    if matches!(status, 204 | 304) {
        return Ok((Rest::Nothing, keep));
    }
    Ok(match (encoding, length) {
        (Some(encoding), length) => {
            let last = encoding.rsplit(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
            if last.eq_ignore_ascii_case(b"chunked") {
                // With two lengths, what follows cannot be trusted.
                (Rest::Chunks(Chunks::default()), keep && length.is_none())
            } else {
                (Rest::Close, false)
            }
        }
        (None, Some(0)) => (Rest::Nothing, keep),
        (None, Some(length)) => (Rest::Length(length), keep),
        (None, None) => (Rest::Close, false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Bytes;

    /// Status, pod and whether the connection is kept, of an answer in pieces of this size.
    fn read(text: &str, size: usize) -> Result<(u16, Option<String>, bool), Failure> {
        let mut pods = Pods::default();
        let mut incoming = Incoming::new(Reading::default());
        let mut over = false;
        for piece in text.as_bytes().chunks(size) {
            over = over || incoming.take(piece, &mut pods)?;
        }
        if !over {
            incoming.closed(&mut pods)?;
        }
        let (answer, keep) = incoming.end();
        if let Some(pod) = answer.pod {
            pods.count(pod, Bytes::default());
        }
        Ok((answer.status, pods.take().next().map(|(name, ..)| name), keep))
    }

    /// The same, whatever the pieces.
    fn answer(text: &str) -> Result<(u16, Option<String>, bool), Failure> {
        let whole = read(text, text.len().max(1));
        for size in 1..text.len().min(40) {
            assert_eq!(read(text, size), whole, "{text:?} in pieces of {size}");
        }
        whole
    }

    #[test]
    fn every_way_to_end_a_body_is_understood() {
        let pod = || Some("web-1".to_owned());
        let body = "a: 1\n  HOSTNAME: web-1\n";
        let length = body.len();
        for (text, expected) in [
            (format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"), (200, pod(), true)),
            (format!("HTTP/1.1 500 \r\nContent-Length: {length}\r\nConnection: x, Close\r\n\r\n{body}"), (500, pod(), false)),
            (format!("HTTP/1.0 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"), (200, pod(), false)),
            (format!("HTTP/1.1 200 OK\r\n\r\n{body}"), (200, pod(), false)),
            (format!("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n{body}"), (200, pod(), false)),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\na: 1\n\r\n12;x=y\r\n  HOSTNAME: web-1\n\r\n0\r\nt: 1\r\n\r\n".to_owned(),
                (200, pod(), true),
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), (204, None, true)),
            ("HTTP/1.1 304 x\r\ncontent-length: 9\r\n\r\n".to_owned(), (304, None, true)),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(), (200, None, true)),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx".to_owned(),
                (200, None, true),
            ),
        ] {
            assert_eq!(answer(&text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let mut incoming = Incoming::new(Reading { is_head: true, ..Reading::default() });
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(incoming.take(text, &mut Pods::default()), Ok(true));
        assert!(incoming.end().1, "its connection is kept");
    }

    #[test]
    fn a_header_names_the_pod_a_redirect_its_place_and_a_sample_has_the_body() {
        let text = "HTTP/1.1 308 x\r\nLocation: https://a/\r\nX-Pod: web-7\r\ntransfer-encoding: chunked\r\n\r\n\
                    5\r\nabcde\r\n3\r\n\n  \r\n12\r\nHOSTNAME: web-1\n  \r\n0\r\n\r\n";
        for size in 1..text.len() {
            let mut pods = Pods::default();
            let mut incoming = Incoming::new(Reading { is_head: false, pod_header: Some("x-pod"), sampled: true });
            let over = text.as_bytes().chunks(size).map(|piece| incoming.take(piece, &mut pods).unwrap()).last();
            assert_eq!(over, Some(true));
            let (answer, _) = incoming.end();
            pods.count(answer.pod.unwrap(), Bytes::default());
            assert_eq!(pods.take().collect::<Vec<_>>(), [("web-7".to_owned(), 1, Bytes::default())]);
            assert_eq!(answer.location.as_deref(), Some(&b"https://a/"[..]));
            assert_eq!(answer.sample.unwrap(), b"abcde\n  HOSTNAME: web-1\n  ");
        }
    }

    #[test]
    fn anything_but_an_answer_is_malformed() {
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(HEAD_BYTES));
        for text in [
            "SSH-2.0-OpenSSH_9.6\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/1.1 099 x\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
            "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\nx",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nx",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
        ] {
            assert_eq!(answer(text), Err(Failure::Malformed), "{text:?}");
        }
        assert_eq!(read(&long, 1_000), Err(Failure::Malformed));
    }

    #[test]
    fn a_partial_answer_is_an_early_close() {
        for text in [
            "",
            "HTTP/1.1 200",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
        ] {
            assert_eq!(answer(text), Err(Failure::Closed), "{text:?}");
        }
    }

    #[test]
    fn a_connection_with_more_than_the_answer_is_not_used_again() {
        assert_eq!(read("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1", 999), Ok((200, None, false)));
        assert_eq!(read("HTTP/1.1 204 x\r\n\r\nx", 999), Ok((204, None, false)));
        let both = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(answer(both), Ok((200, None, false)));
    }
}
