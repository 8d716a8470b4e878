//! The judgement on an HTTP/1 head, before hyper sees it.
//!
//! hyper tells a client nothing but a status of what it does not take, and tells the service nothing at all. What passes
//! here passes hyper too; a test holds the two against each other.

use std::mem::MaybeUninit;

use httparse::Status;

use crate::error::{Reader, Refusal};
use crate::format::Format;
use crate::http_rules::{framing, target};

/// hyper's own limit.
const MAX_HEADERS: usize = 100;

/// hyper's own limits: a target of its URIs, a name of its headers.
const MAX_TARGET_BYTES: usize = 65_534;
const MAX_NAME_BYTES: usize = 65_535;

/// What bytes amount to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Head {
    /// Nothing yet: more bytes could make them a head.
    Partial,
    /// A request's head, as long as this.
    Whole { bytes: usize, has_body: bool },
    /// No head that is taken.
    Refused(Refusal, Reader),
}

/// Judges the head that begins with the first byte.
pub(super) fn judge(bytes: &[u8], max_bytes: usize) -> Head {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() < max_bytes => return Head::Partial,
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Head::Refused(Refusal::HeadTooLarge, Reader::default());
        }
        Err(_) => return Head::Refused(Refusal::BrokenHead, Reader::default()),
    };
    match body_of(&request, length, max_bytes) {
        Ok(has_body) => Head::Whole { bytes: length, has_body },
        Err(refusal) => Head::Refused(refusal, reader(&request)),
    }
}

fn body_of(request: &httparse::Request<'_, '_>, length: usize, max_bytes: usize) -> Result<bool, Refusal> {
    let target = request.path.unwrap_or_default().as_bytes();
    if length > max_bytes || request.headers.iter().any(|header| header.name.len() > MAX_NAME_BYTES) {
        Err(Refusal::HeadTooLarge)
    } else if target.len() > MAX_TARGET_BYTES {
        Err(Refusal::UriTooLong)
    } else if !target::is_well_formed(target) {
        Err(Refusal::BadTarget)
    } else {
        framing::has_body(request.headers, request.version == Some(1))
    }
}

/// How the one who asks would read a refusal.
fn reader(request: &httparse::Request<'_, '_>) -> Reader {
    let accept = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("accept"));
    let format = Format::of_values(accept.map(|header| header.value));
    Reader { format, wants_body: request.method != Some("HEAD") }
}

/// The heads at the front of what a client has sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Heads {
    /// How many bytes may be given to hyper.
    pub(super) bytes: usize,
    /// What comes behind them.
    pub(super) then: Then,
}

/// What comes behind whole heads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Then {
    /// Another head, or part of one, or nothing.
    Head,
    /// The body of the last head; the bytes of it that are there are counted in.
    Body,
    /// Nothing that is taken, and no head before it.
    Refusal(Refusal, Reader),
}

/// Judges as many heads as there are. One that is refused waits until those before it have had their answers.
pub(super) fn judge_all(bytes: &[u8], max_bytes: usize) -> Heads {
    let mut judged = 0;
    while judged < bytes.len() {
        match judge(&bytes[judged..], max_bytes) {
            Head::Whole { has_body: true, .. } => return Heads { bytes: bytes.len(), then: Then::Body },
            Head::Whole { bytes, has_body: false } => judged += bytes,
            Head::Refused(refusal, reader) if judged == 0 => {
                return Heads { bytes: 0, then: Then::Refusal(refusal, reader) };
            }
            Head::Partial | Head::Refused(..) => break,
        }
    }
    Heads { bytes: judged, then: Then::Head }
}

#[cfg(test)]
mod agreement;

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello";

    fn refusal(bytes: &[u8]) -> Option<(Refusal, Reader)> {
        if let Head::Refused(refusal, reader) = judge(bytes, 200) { Some((refusal, reader)) } else { None }
    }

    #[test]
    fn a_head_may_be_as_long_as_the_limit_and_no_longer() {
        let head = |bytes: usize| format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(bytes - 32));
        assert_eq!(judge(head(200).as_bytes(), 200), Head::Whole { bytes: 200, has_body: false });
        assert_eq!(refusal(head(201).as_bytes()).map(|(refusal, _)| refusal), Some(Refusal::HeadTooLarge));
        assert_eq!(judge(&head(201).as_bytes()[..199], 200), Head::Partial);
        assert_eq!(refusal(&head(300).as_bytes()[..200]).map(|(refusal, _)| refusal), Some(Refusal::HeadTooLarge));
    }

    #[test]
    fn a_refusal_is_in_the_form_that_the_head_asks_for() {
        let head = b"HEAD /# HTTP/1.1\r\naccept: image/png\r\nAccept: application/json\r\n\r\n";
        assert_eq!(refusal(head), Some((Refusal::BadTarget, Reader { format: Format::Json, wants_body: false })));
        assert_eq!(refusal(b"GET / HTTP/3\r\n"), Some((Refusal::BrokenHead, Reader::default())));
    }

    #[test]
    fn heads_are_let_through_up_to_the_first_that_is_refused_or_unfinished() {
        let all = |parts: &[&[u8]]| judge_all(&parts.concat(), 200);
        assert_eq!(all(&[]), Heads { bytes: 0, then: Then::Head });
        assert_eq!(all(&[GET, GET, &GET[..9]]), Heads { bytes: 2 * GET.len(), then: Then::Head });
        assert_eq!(all(&[GET, POST, b"!"]), Heads { bytes: GET.len() + POST.len() + 1, then: Then::Body });
        assert_eq!(all(&[GET, b"!\r\n", GET]), Heads { bytes: GET.len(), then: Then::Head });
        let refused = Heads { bytes: 0, then: Then::Refusal(Refusal::BrokenHead, Reader::default()) };
        assert_eq!(all(&[b"!\r\n", GET]), refused);
    }
}
