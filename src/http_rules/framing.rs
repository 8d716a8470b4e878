//! What an HTTP/1 head says of the body behind it (RFC 9112, sections 6.1 to 6.3), read without mercy: where two readers
//! could differ about a request's end, what one takes for its body the other takes for the next request.

use httparse::Header;

use crate::error::Refusal;

/// The largest length that hyper can tell from a body without one.
const MAX_LENGTH: u64 = u64::MAX - 2;

/// Whether a body follows, or why nobody can say.
pub fn has_body(headers: &[Header<'_>], is_http_11: bool) -> Result<bool, Refusal> {
    let mut length = None;
    let mut codings = Codings::default();
    for header in headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            let digits = digits(header.value)?;
            if length.is_some_and(|other| other != digits) {
                return Err(Refusal::BadFraming);
            }
            length = Some(digits);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            codings.read(header.value)?;
        }
    }
    if codings.are_present {
        // HTTP/1.0 has no codings; an older peer on the way would find another end (RFC 9112, section 6.1). The same is
        // true of a length beside them, which a server may refuse.
        if !is_http_11 || length.is_some() || !codings.is_chunked {
            return Err(Refusal::BadFraming);
        }
        return if codings.has_others { Err(Refusal::UnknownCoding) } else { Ok(true) };
    }
    match length {
        None | Some([]) => Ok(false),
        Some(digits) => {
            // Digits, so that whatever does not fit is too long, not malformed (RFC 9110, section 8.6).
            let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
            if length.is_some_and(|length| length <= MAX_LENGTH) { Ok(true) } else { Err(Refusal::BodyTooLarge) }
        }
    }
}

/// A `Content-Length` without its leading zeros: empty for 0. A list is refused, as RFC 9110, section 8.6, permits.
fn digits(value: &[u8]) -> Result<&[u8], Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::BadFraming);
    }
    let first = value.iter().position(|digit| *digit != b'0').unwrap_or(value.len());
    Ok(&value[first..])
}

/// All `Transfer-Encoding` lines, as one list.
#[derive(Default)]
struct Codings {
    are_present: bool,
    /// The last one is `chunked`.
    is_chunked: bool,
    has_others: bool,
}

impl Codings {
    fn read(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.are_present = true;
        for coding in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            // `chunked` is the last, occurs once, and has no parameters. An empty member of the list, which a recipient
            // may ignore, is one more way to hide a coding.
            let name = coding.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
            if self.is_chunked || name.is_empty() || !name.iter().all(|byte| is_token_byte(*byte)) {
                return Err(Refusal::BadFraming);
            }
            if !name.eq_ignore_ascii_case(b"chunked") {
                self.has_others = true;
            } else if coding.len() == name.len() {
                self.is_chunked = true;
            } else {
                return Err(Refusal::BadFraming);
            }
        }
        Ok(())
    }
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(lines: &str, is_http_11: bool) -> Result<bool, Refusal> {
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let text = format!("{lines}\r\n");
        let (_, headers) = httparse::parse_headers(text.as_bytes(), &mut headers).unwrap().unwrap();
        has_body(headers, is_http_11)
    }

    #[test]
    fn lengths() {
        for (lines, expected) in [
            ("", Ok(false)),
            ("content-length: 0\r\n", Ok(false)),
            ("content-length: 000\r\n", Ok(false)),
            ("Content-Length:\t7 \r\n", Ok(true)),
            ("content-length: 7\r\ncontent-length: 007\r\n", Ok(true)),
            ("content-length: 18446744073709551613\r\n", Ok(true)),
            ("content-length: 18446744073709551614\r\n", Err(Refusal::BodyTooLarge)),
            ("content-length: 18446744073709551615\r\n", Err(Refusal::BodyTooLarge)),
            ("content-length: 99999999999999999999999999\r\n", Err(Refusal::BodyTooLarge)),
            ("content-length: 7\r\ncontent-length: 8\r\n", Err(Refusal::BadFraming)),
            ("content-length: 0\r\ncontent-length: 8\r\n", Err(Refusal::BadFraming)),
            ("content-length: 7, 7\r\n", Err(Refusal::BadFraming)),
            ("content-length: \r\n", Err(Refusal::BadFraming)),
            ("content-length: +7\r\n", Err(Refusal::BadFraming)),
            ("content-length: -0\r\n", Err(Refusal::BadFraming)),
            ("content-length: 0x7\r\n", Err(Refusal::BadFraming)),
            ("content-length: 7 7\r\n", Err(Refusal::BadFraming)),
            ("content-length: \u{661}\r\n", Err(Refusal::BadFraming)),
        ] {
            assert_eq!(framing(lines, true), expected, "{lines:?}");
        }
    }

    #[test]
    fn codings() {
        for (lines, expected) in [
            ("transfer-encoding: chunked\r\n", Ok(true)),
            ("Transfer-Encoding: Chunked \r\n", Ok(true)),
            ("transfer-encoding: gzip, chunked\r\n", Err(Refusal::UnknownCoding)),
            ("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", Err(Refusal::UnknownCoding)),
            ("transfer-encoding: x;a=b, chunked\r\n", Err(Refusal::UnknownCoding)),
            ("transfer-encoding: identity, chunked\r\n", Err(Refusal::UnknownCoding)),
            ("transfer-encoding: gzip\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding: identity\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding:\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding: chunked, chunked\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding: chunked, gzip\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding: chunked, gzip, chunked\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding: , chunked\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding: chunked,\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding: chunked;q=1\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding: \"chunked\"\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding: xchunked\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding: gzip chunked\r\n", Err(Refusal::BadFraming)),
            ("transfer-encoding: chunked\r\ncontent-length: 4\r\n", Err(Refusal::BadFraming)),
            ("content-length: 4\r\ntransfer-encoding: chunked\r\n", Err(Refusal::BadFraming)),
            ("content-length: 0\r\ntransfer-encoding: chunked\r\n", Err(Refusal::BadFraming)),
        ] {
            assert_eq!(framing(lines, true), expected, "{lines:?}");
        }
        assert_eq!(framing("transfer-encoding: chunked\r\n", false), Err(Refusal::BadFraming));
    }
}
