//! Checks an HTTP/1 head before hyper parses it.
//!
//! If hyper rejects a head, the client gets a bare status, and the service does not learn of it. What passes these checks
//! passes hyper too; a test compares the two.

use std::mem::MaybeUninit;

use httparse::Status;

use crate::error::{ErrorFormat, Rejection};
use crate::format::Format;
use crate::http_rules::{framing, target};

/// hyper's own limit.
const MAX_HEADERS: usize = 100;

/// hyper's own limits: on the target of a URI, and on the name of a header.
const MAX_TARGET_BYTES: usize = 65_534;
const MAX_NAME_BYTES: usize = 65_535;

/// The result of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Head {
    /// The head is incomplete.
    Partial,
    /// The head is complete, valid, and this long.
    Complete { bytes: usize, has_body: bool },
    /// The head is rejected.
    Rejected(Rejection, ErrorFormat),
}

/// Checks the head that begins with the first byte.
pub(super) fn check_head(bytes: &[u8], max_bytes: usize) -> Head {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() < max_bytes => return Head::Partial,
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Head::Rejected(Rejection::HeadTooLarge, ErrorFormat::default());
        }
        Err(_) => return Head::Rejected(Rejection::MalformedHead, ErrorFormat::default()),
    };
    if has_bare_line_feed(&bytes[..length]) {
        return Head::Rejected(Rejection::BareLineFeed, error_format(&request));
    }
    match check_parsed(&request, length, max_bytes) {
        Ok(has_body) => Head::Complete { bytes: length, has_body },
        Err(rejection) => Head::Rejected(rejection, error_format(&request)),
    }
}

/// Whether a line ends without a carriage return. A recipient may accept that (RFC 9112, section 2.2), so one hop ends a line
/// where another goes on reading it.
fn has_bare_line_feed(head: &[u8]) -> bool {
    head.iter().enumerate().any(|(at, byte)| *byte == b'\n' && (at == 0 || head[at - 1] != b'\r'))
}

/// Checks a parsed head. Returns whether a body follows.
fn check_parsed(request: &httparse::Request<'_, '_>, length: usize, max_bytes: usize) -> Result<bool, Rejection> {
    let target = request.path.unwrap_or_default().as_bytes();
    if length > max_bytes || request.headers.iter().any(|header| header.name.len() > MAX_NAME_BYTES) {
        Err(Rejection::HeadTooLarge)
    } else if target.len() > MAX_TARGET_BYTES {
        Err(Rejection::UriTooLong)
    } else if !target::is_well_formed(target) {
        Err(Rejection::InvalidTarget)
    } else {
        framing::has_body(request.headers, request.version == Some(1))
    }
}

/// The form of an error that the client asked for.
fn error_format(request: &httparse::Request<'_, '_>) -> ErrorFormat {
    let accept = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("accept"));
    let format = Format::of_values(accept.map(|header| header.value));
    ErrorFormat { format, with_body: request.method != Some("HEAD") }
}

/// The accepted heads at the front of what a client has sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Heads {
    /// How many bytes hyper may read.
    pub(super) bytes: usize,
    /// What follows them.
    pub(super) next: AfterHeads,
}

/// What follows accepted heads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AfterHeads {
    /// Another head, part of one, or nothing.
    Head,
    /// The body of the last head. `bytes` includes what has arrived of it.
    Body,
    /// A rejected head; no accepted head precedes it.
    Rejected(Rejection, ErrorFormat),
}

/// Checks all heads in these bytes. A rejected head waits until those before it have had their responses.
pub(super) fn check_heads(bytes: &[u8], max_bytes: usize) -> Heads {
    let mut accepted = 0;
    while accepted < bytes.len() {
        match check_head(&bytes[accepted..], max_bytes) {
            Head::Complete { has_body: true, .. } => return Heads { bytes: bytes.len(), next: AfterHeads::Body },
            Head::Complete { bytes, has_body: false } => accepted += bytes,
            Head::Rejected(rejection, format) if accepted == 0 => {
                return Heads { bytes: 0, next: AfterHeads::Rejected(rejection, format) };
            }
            Head::Partial | Head::Rejected(..) => break,
        }
    }
    Heads { bytes: accepted, next: AfterHeads::Head }
}

#[cfg(test)]
mod agreement;

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello";

    fn rejection(bytes: &[u8]) -> Option<(Rejection, ErrorFormat)> {
        if let Head::Rejected(rejection, error_format) = check_head(bytes, 200) {
            Some((rejection, error_format))
        } else {
            None
        }
    }

    #[test]
    fn head_longer_than_the_limit_is_rejected() {
        let head = |bytes: usize| format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(bytes - 32));
        assert_eq!(check_head(head(200).as_bytes(), 200), Head::Complete { bytes: 200, has_body: false });
        assert_eq!(rejection(head(201).as_bytes()).map(|(rejection, _)| rejection), Some(Rejection::HeadTooLarge));
        assert_eq!(check_head(&head(201).as_bytes()[..199], 200), Head::Partial);
        assert_eq!(
            rejection(&head(300).as_bytes()[..200]).map(|(rejection, _)| rejection),
            Some(Rejection::HeadTooLarge)
        );
    }

    #[test]
    fn rejection_uses_the_accepted_format() {
        let head = b"HEAD /# HTTP/1.1\r\naccept: image/png\r\nAccept: application/json\r\n\r\n";
        assert_eq!(
            rejection(head),
            Some((Rejection::InvalidTarget, ErrorFormat { format: Format::Json, with_body: false }))
        );
        assert_eq!(rejection(b"GET / HTTP/3\r\n"), Some((Rejection::MalformedHead, ErrorFormat::default())));
    }

    #[test]
    fn each_line_ends_with_a_carriage_return_and_a_line_feed() {
        for head in [
            &b"GET / HTTP/1.1\nhost: x\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nhost: x\n\r\n",
            b"GET / HTTP/1.1\r\nhost: x\r\n\n",
            b"GET / HTTP/1.1\nhost: x\n\n",
            b"\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
        ] {
            assert_eq!(rejection(head).map(|(rejection, _)| rejection), Some(Rejection::BareLineFeed), "{head:?}");
        }
        assert_eq!(rejection(b"\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n"), None);
    }

    #[test]
    fn heads_pass_up_to_the_first_rejected_or_partial_one() {
        let all = |parts: &[&[u8]]| check_heads(&parts.concat(), 200);
        assert_eq!(all(&[]), Heads { bytes: 0, next: AfterHeads::Head });
        assert_eq!(all(&[GET, GET, &GET[..9]]), Heads { bytes: 2 * GET.len(), next: AfterHeads::Head });
        assert_eq!(all(&[GET, POST, b"!"]), Heads { bytes: GET.len() + POST.len() + 1, next: AfterHeads::Body });
        assert_eq!(all(&[GET, b"!\r\n", GET]), Heads { bytes: GET.len(), next: AfterHeads::Head });
        let refused = Heads { bytes: 0, next: AfterHeads::Rejected(Rejection::MalformedHead, ErrorFormat::default()) };
        assert_eq!(all(&[b"!\r\n", GET]), refused);
    }
}
