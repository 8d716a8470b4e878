//! The length of an HTTP/1 body by its head (RFC 9112, sections 6.1 to 6.3). Anything ambiguous is rejected: if two readers
//! disagree about the end of a request, one reads as a body what the other reads as the next request.

use httparse::Header;

use crate::error::Rejection;

/// The maximum length that hyper distinguishes from an unknown one.
const MAX_LENGTH: u64 = u64::MAX - 2;

/// Whether a body follows.
pub fn has_body(headers: &[Header<'_>], is_http_11: bool) -> Result<bool, Rejection> {
    let mut length = None;
    let mut codings = Codings::default();
    for header in headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            let digits = digits(header.value)?;
            if length.is_some_and(|other| other != digits) {
                return Err(Rejection::InvalidFraming);
            }
            length = Some(digits);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            codings.read(header.value)?;
        }
    }
    if codings.are_present {
        // HTTP/1.0 has no codings, and an older proxy would find another end (RFC 9112, section 6.1). The same is true of a
        // length in addition to codings, which a server may reject.
        if !is_http_11 || length.is_some() || !codings.is_chunked {
            return Err(Rejection::InvalidFraming);
        }
        return if codings.has_others { Err(Rejection::UnsupportedCoding) } else { Ok(true) };
    }
    match length {
        None | Some([]) => Ok(false),
        Some(digits) => {
            // A number that does not fit is too large, not invalid (RFC 9110, section 8.6).
            let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
            if length.is_some_and(|length| length <= MAX_LENGTH) { Ok(true) } else { Err(Rejection::BodyTooLarge) }
        }
    }
}

/// A `Content-Length` without its leading zeros: empty for 0. A list is rejected, as RFC 9110, section 8.6, permits.
fn digits(value: &[u8]) -> Result<&[u8], Rejection> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Rejection::InvalidFraming);
    }
    let first = value.iter().position(|digit| *digit != b'0').unwrap_or(value.len());
    Ok(&value[first..])
}

/// All `Transfer-Encoding` lines together.
#[derive(Default)]
struct Codings {
    are_present: bool,
    /// The last one is `chunked`.
    is_chunked: bool,
    has_others: bool,
}

impl Codings {
    fn read(&mut self, value: &[u8]) -> Result<(), Rejection> {
        self.are_present = true;
        for coding in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            // `chunked` must be the last coding, occur once, and have no parameters. An empty list member, which a recipient
            // may ignore, could hide a coding.
            let name = coding.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
            if self.is_chunked || name.is_empty() || !name.iter().all(|byte| is_token_byte(*byte)) {
                return Err(Rejection::InvalidFraming);
            }
            if !name.eq_ignore_ascii_case(b"chunked") {
                self.has_others = true;
            } else if coding.len() == name.len() {
                self.is_chunked = true;
            } else {
                return Err(Rejection::InvalidFraming);
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

    fn framing(lines: &str, is_http_11: bool) -> Result<bool, Rejection> {
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let text = format!("{lines}\r\n");
        let (_, headers) = httparse::parse_headers(text.as_bytes(), &mut headers).unwrap().unwrap();
        has_body(headers, is_http_11)
    }

    #[test]
    fn content_length_determines_the_body() {
        for (lines, expected) in [
            ("", Ok(false)),
            ("content-length: 0\r\n", Ok(false)),
            ("content-length: 000\r\n", Ok(false)),
            ("Content-Length:\t7 \r\n", Ok(true)),
            ("content-length: 7\r\ncontent-length: 007\r\n", Ok(true)),
            ("content-length: 18446744073709551613\r\n", Ok(true)),
            ("content-length: 18446744073709551614\r\n", Err(Rejection::BodyTooLarge)),
            ("content-length: 18446744073709551615\r\n", Err(Rejection::BodyTooLarge)),
            ("content-length: 99999999999999999999999999\r\n", Err(Rejection::BodyTooLarge)),
            ("content-length: 7\r\ncontent-length: 8\r\n", Err(Rejection::InvalidFraming)),
            ("content-length: 0\r\ncontent-length: 8\r\n", Err(Rejection::InvalidFraming)),
            ("content-length: 7, 7\r\n", Err(Rejection::InvalidFraming)),
            ("content-length: \r\n", Err(Rejection::InvalidFraming)),
            ("content-length: +7\r\n", Err(Rejection::InvalidFraming)),
            ("content-length: -0\r\n", Err(Rejection::InvalidFraming)),
            ("content-length: 0x7\r\n", Err(Rejection::InvalidFraming)),
            ("content-length: 7 7\r\n", Err(Rejection::InvalidFraming)),
            ("content-length: \u{661}\r\n", Err(Rejection::InvalidFraming)),
        ] {
            assert_eq!(framing(lines, true), expected, "{lines:?}");
        }
    }

    #[test]
    fn transfer_encoding_must_end_with_one_chunked() {
        for (lines, expected) in [
            ("transfer-encoding: chunked\r\n", Ok(true)),
            ("Transfer-Encoding: Chunked \r\n", Ok(true)),
            ("transfer-encoding: gzip, chunked\r\n", Err(Rejection::UnsupportedCoding)),
            ("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", Err(Rejection::UnsupportedCoding)),
            ("transfer-encoding: x;a=b, chunked\r\n", Err(Rejection::UnsupportedCoding)),
            ("transfer-encoding: identity, chunked\r\n", Err(Rejection::UnsupportedCoding)),
            ("transfer-encoding: gzip\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding: identity\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding:\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding: chunked, chunked\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding: chunked, gzip\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding: chunked, gzip, chunked\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding: , chunked\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding: chunked,\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding: chunked;q=1\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding: \"chunked\"\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding: xchunked\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding: gzip chunked\r\n", Err(Rejection::InvalidFraming)),
            ("transfer-encoding: chunked\r\ncontent-length: 4\r\n", Err(Rejection::InvalidFraming)),
            ("content-length: 4\r\ntransfer-encoding: chunked\r\n", Err(Rejection::InvalidFraming)),
            ("content-length: 0\r\ntransfer-encoding: chunked\r\n", Err(Rejection::InvalidFraming)),
        ] {
            assert_eq!(framing(lines, true), expected, "{lines:?}");
        }
        assert_eq!(framing("transfer-encoding: chunked\r\n", false), Err(Rejection::InvalidFraming));
    }
}
