//! What the clients of a crowd send. Each kind is as costly for the service as possible.

use crate::support::garbage::{PREFACE, frame};

/// One kind of crowd.
pub struct Kind {
    pub name: &'static str,
    /// What each client sends after it has connected.
    pub bytes: Vec<u8>,
    /// Whether a client reconnects after the service has closed its connection.
    pub reconnects: bool,
    /// How it connects.
    pub way: Way,
}

/// How the clients of a crowd connect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// To the plain port.
    Plain,
    /// To the TLS address, without a handshake.
    HalfTls,
    /// To the TLS address, with a handshake for this protocol.
    Tls(&'static str),
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET /` with a `:authority`, by HPACK's static table.
const GET: &[u8] = b"\x82\x84\x86\x41\x09localhost";
const POST: &[u8] = b"\x83\x84\x86\x41\x09localhost";

/// `SETTINGS_INITIAL_WINDOW_SIZE` is 0: no answer's body may be sent.
const NO_WINDOW: &[u8] = &[0, 4, 0, 0, 0, 0];

fn http2(settings: &[u8], frames: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let frames = frames.into_iter().collect::<Vec<_>>().concat();
    [PREFACE, &frame(SETTINGS, 0, 0, settings), &frames].concat()
}

/// The same request on the first 32 streams.
fn streams(flags: u8, block: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..32).map(move |turn| frame(HEADERS, flags, 2 * turn + 1, block))
}

/// A hundred names are added to the header table once, and then referenced by one byte each.
fn by_reference() -> Vec<Vec<u8>> {
    let names: Vec<u8> = (0..110).flat_map(|turn| [0x40, 2, b'a' + turn / 26, b'a' + turn % 26, 0]).collect();
    let references = |count: u8| (0..u16::from(count) * 2).map(|turn| 0x80 | (62 + u8::try_from(turn % 60).unwrap()));
    let first: Vec<u8> = POST.iter().copied().chain(names).chain(references(175)).collect();
    let next: Vec<u8> = b"\x83\x84\x86\x01\x09localhost".iter().copied().chain(references(230)).collect();
    let rest = (1..32).map(|turn| frame(HEADERS, END_HEADERS, 2 * turn + 1, &next));
    std::iter::once(frame(HEADERS, END_HEADERS, 1, &first)).chain(rest).collect()
}

/// A header block of five frames that never ends, each with a name that is as long as a frame can carry.
fn endless_block() -> Vec<Vec<u8>> {
    // A literal name of 2^20 bytes, of which only some are sent.
    let beginning: Vec<u8> = [GET, b"\x00\x7f\x81\xff\x3f", &[b'a'; 16_000]].concat();
    let more = vec![b'a'; 16_000];
    std::iter::once(frame(HEADERS, 0, 1, &beginning)).chain((0..4).map(|_| frame(CONTINUATION, 0, 1, &more))).collect()
}

/// All at once: a full header table, responses that may not be sent, and a header block that never ends.
fn everything() -> Vec<Vec<u8>> {
    let html = b"\x82\x84\x86\x41\x09localhost\x53\x09text/html";
    let names = (0..60u8).flat_map(|turn| {
        let name = [b'n', b'a' + turn / 26, b'a' + turn % 26, b'x'];
        [&[0x40, 4], &name[..], &[28], &[b'v'; 28]].concat()
    });
    let first: Vec<u8> = html.iter().copied().chain(names).collect();
    let whole = (1..8).map(|turn| frame(HEADERS, END_STREAM | END_HEADERS, 2 * turn + 1, html));
    // As long as a block may be.
    let beginning = [GET, b"\x00\x7f\x81\xff\x3f", &[b'a'; 16_000]].concat();
    let first = frame(HEADERS, END_STREAM | END_HEADERS, 1, &first);
    std::iter::once(first).chain(whole).chain([frame(HEADERS, 0, 17, &beginning)]).collect()
}

/// A `ClientHello` of which nearly all has arrived, and is as long as the service reads one.
fn half_hello() -> Vec<u8> {
    let message = [&[1, 0, 0xfd, 0xe8][..], &vec![0; 60_000]].concat();
    let records = message.chunks(16_384).map(|part| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&[22, 3, 1], &length[..], part].concat()
    });
    records.collect::<Vec<_>>().concat()
}

fn http1(method: &str, lines: &str, body: usize) -> Vec<u8> {
    format!("{method} / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{}", "x".repeat(body)).into_bytes()
}

/// Every kind.
pub fn kinds() -> Vec<Kind> {
    let lines = format!("x-line: {}\r\n", "a".repeat(140)).repeat(90);
    let with_length = format!("Content-Length: 60000\r\n{lines}");
    let chunked = format!("Transfer-Encoding: chunked\r\n{lines}");
    let long_line = format!("x: {}\r\n", "a".repeat(14_000));
    let get = http1("GET", "", 0);
    let kind = |name, bytes| Kind { name, bytes, reconnects: false, way: Way::Plain };
    let tls = |name, way, bytes| Kind { name, bytes, reconnects: false, way };
    let metrics = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(300);
    vec![
        kind("silent", Vec::new()),
        kind("http1-body", http1("POST", &with_length, 50_000)),
        kind("http1-chunks", [http1("POST", &chunked, 0), b"1\r\nx\r\n".repeat(500)].concat()),
        kind("kept-alive", http1("GET", &long_line, 0)),
        kind("half-second-head", [&*get, &http1("GET", &lines, 0)[..13_000]].concat()),
        kind("long-half-head", http1("GET", &format!("x: {}", "a".repeat(15_900)), 0)),
        kind("metrics", metrics.clone()),
        kind("zero-window", http2(NO_WINDOW, streams(END_STREAM | END_HEADERS, GET))),
        kind(
            "zero-window-html",
            http2(NO_WINDOW, streams(END_STREAM | END_HEADERS, b"\x82\x84\x86\x41\x09localhost\x53\x09text/html")),
        ),
        kind("half-bodies", http2(&[], streams(END_HEADERS, POST))),
        kind("many-headers", http2(&[], by_reference())),
        kind("endless-block", http2(&[], endless_block())),
        kind("everything", http2(NO_WINDOW, everything())),
        Kind {
            name: "half-head",
            bytes: b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ".to_vec(),
            reconnects: true,
            ..kind("", Vec::new())
        },
        Kind {
            name: "half-post",
            bytes: http1("POST", "Content-Length: 60000\r\n", 1),
            reconnects: true,
            ..kind("", Vec::new())
        },
        tls("tls-half-hello", Way::HalfTls, half_hello()),
        tls("tls-idle", Way::Tls("http/1.1"), Vec::new()),
        tls("tls-metrics", Way::Tls("http/1.1"), metrics),
        tls("tls-everything", Way::Tls("h2"), http2(NO_WINDOW, everything())),
    ]
}
