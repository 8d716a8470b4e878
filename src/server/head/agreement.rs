//! Compares the checks with hyper, in a seeded loop over invalid and valid heads.
//!
//! `SHOPFRONT_CASES=1000000 cargo test --release --lib agree` runs as many cases as it says.

#[path = "../../../tests/support/random.rs"]
mod random;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use random::Random;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Head, Rejection, check_head};

const SEED: u64 = 9112;
const MAX_BYTES: usize = 8192;

/// What hyper hands to its service of these bytes, if anything: whether the request has a body.
async fn seen_by_hyper(bytes: &[u8]) -> Option<bool> {
    let (mut client, server) = tokio::io::duplex(2 * MAX_BYTES);
    let seen = Arc::new(Mutex::new(None));
    let service = service_fn(|request: Request<Incoming>| {
        seen.lock().expect("no holder panics").get_or_insert(!request.body().is_end_stream());
        std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty())))
    });
    client.write_all(bytes).await.expect("there is room");
    client.shutdown().await.expect("the stream is open");
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).half_close(true).max_header_size(MAX_BYTES).max_buf_size(MAX_BYTES);
    let serving = builder.serve_connection(TokioIo::new(server), service);
    let mut answer = Vec::new();
    let _ = tokio::join!(serving, client.read_to_end(&mut answer));
    *seen.lock().expect("no holder panics")
}

/// Whether a head that hyper takes may be refused all the same.
fn may_be_stricter(rejection: Rejection, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    match rejection {
        // hyper ends a line at a bare line feed, too.
        Rejection::BareLineFeed => true,
        // hyper looks at the last coding of the last line alone, and drops a length beside it.
        Rejection::InvalidFraming | Rejection::UnsupportedCoding => text.contains("transfer-encoding"),
        // hyper cuts a fragment off, and takes what RFC 3986 leaves out and browsers or others send.
        Rejection::InvalidTarget => {
            let line = text.trim_start().lines().next().unwrap_or_default();
            line.contains(|character: char| "#%\"\\^`{|}[]".contains(character) || !character.is_ascii())
        }
        _ => false,
    }
}

fn mutated(random: &mut Random) -> Vec<u8> {
    const GOOD: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /version?x=y HTTP/1.1\r\nHost: [::1]:80\r\nAccept: text/html;q=0.5, */*\r\n\r\n",
        b"POST /%41 HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"GET http://x:80/a HTTP/1.1\r\nhost: x\r\nConnection: keep-alive\r\n\r\n",
        b"HEAD / HTTP/1.0\r\ncontent-length: 00\r\n\r\n",
        b"OPTIONS * HTTP/1.1\nhost: x\nexpect: 100-continue\ncontent-length: 1\n\na",
        b"CONNECT x:443 HTTP/1.1\r\nhost: x:443\r\nupgrade: x\r\n\r\n",
    ];
    const WORDS: [&[u8]; 40] = [
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b"\0",
        b"\x7f",
        b"\x0b",
        b"\x80",
        b"\xff",
        b"\xc3\xa9",
        b":",
        b",",
        b";",
        b"#",
        b"?",
        b"/",
        b"//",
        b"%",
        b"%zz",
        b"%41",
        b"@",
        b"*",
        b"[",
        b"]",
        b"\"",
        b"0",
        b"1",
        b"-1",
        b"18446744073709551615",
        b"http://",
        b"x://",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"chunked",
        b"gzip, ",
        b"\r\nContent-Length: 1",
        b"\r\ncontent-length: 0",
        b"\r\nTransfer-Encoding: chunked",
        b"\r\nTransfer-Encoding: identity",
    ];
    let mut bytes = GOOD[random.below(GOOD.len())].to_vec();
    for _ in 0..=random.below(4) {
        let place = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[place] = random.bytes(1)[0],
            1 => bytes.truncate(place + 1),
            2 => drop(bytes.drain(place..(place + 1 + random.below(8)).min(bytes.len()))),
            3 => {
                let copy = bytes[place..(place + 1 + random.below(40)).min(bytes.len())].to_vec();
                bytes.splice(place..place, copy);
            }
            _ => drop(bytes.splice(place..place, WORDS[random.below(WORDS.len())].iter().copied())),
        }
        if bytes.is_empty() {
            bytes.push(b'G');
        }
    }
    bytes
}

#[tokio::test]
async fn hyper_accepts_each_head_that_passes_the_checks() {
    let cases = std::env::var("SHOPFRONT_CASES").map_or(10_000, |cases| cases.parse().expect("a number of cases"));
    let mut random = Random(SEED);
    let (mut taken, mut refused) = (0, 0);
    for case in 0..cases {
        let bytes = mutated(&mut random);
        let (head, seen) = (check_head(&bytes, MAX_BYTES), seen_by_hyper(&bytes).await);
        let agreed = match head {
            Head::Partial => seen.is_none(),
            Head::Complete { has_body, .. } => seen == Some(has_body),
            Head::Rejected(rejection, _) => seen.is_none() || may_be_stricter(rejection, &bytes),
        };
        assert!(agreed, "case {case}: {head:?}, but hyper saw {seen:?} of {:?}", bytes.escape_ascii().to_string());
        taken += usize::from(matches!(head, Head::Complete { .. }));
        refused += usize::from(matches!(head, Head::Rejected(..)));
    }
    assert!(taken > cases / 10 && refused > cases / 10, "of {cases} cases {taken} were taken and {refused} refused");
}
