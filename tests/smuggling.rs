//! Requests whose end two readers could see in different places, and rules that hold on every request of a connection.

mod support;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::HOST;
use http::{Request, Version};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use support::garbage::{PREFACE, frame, malformed};
use support::{Server, eventually, read_to_end};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request whose response contains `OK`, and after which the connection stays open.
const FIRST: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A request whose response contains `compiler`. It must never be smuggled in.
const FOLLOW_UP: &str = "GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// The statuses of all responses, in order.
fn statuses(answers: &str) -> Vec<&str> {
    let answers = answers.split("HTTP/1.1 ").filter_map(|answer| answer.get(..3));
    answers.filter(|status| status.bytes().all(|byte| byte.is_ascii_digit())).collect()
}

/// Sends bytes as the first request of a connection, and as the second. They must get one response with a
/// `Connection: close`, and nothing after it.
async fn is_last_with(server: &Server, bytes: &[u8], allowed: &[&str]) {
    let shown = bytes.escape_ascii().to_string();
    for before in ["", FIRST] {
        let answers =
            server.exchange([before.as_bytes(), bytes, FOLLOW_UP.as_bytes(), FOLLOW_UP.as_bytes()].concat()).await;
        let answers = answers.replace("HTTP/1.1 100 Continue\r\n\r\n", "");
        let statuses = statuses(&answers);
        let before = usize::from(!before.is_empty());
        assert_eq!(statuses.len(), before + 1, "{shown} was answered {answers}");
        assert!(allowed.contains(&statuses[before]), "{shown} was answered {answers}");
        assert!(answers.contains("\r\nconnection: close\r\n"), "{shown} was answered {answers}");
        assert!(!answers.contains("\"compiler\": "), "what follows {shown} was answered: {answers}");
    }
}

#[tokio::test]
async fn bytes_after_a_body_get_no_response() {
    let server = Server::start(&["--max-body-bytes", "64"]).await;
    let post = "POST /healthz HTTP/1.1\r\nhost: localhost\r\n";
    let chunked = format!("{post}transfer-encoding: chunked\r\n\r\n");
    // After a trailer that ends with a bare LF, hyper read the next request as trailers.
    for trailers in [
        "0\r\n\r\n",
        "0\r\nx: y\r\n\r\n",
        "0\r\n\n",
        "0\r\nx: y\n\r\n",
        "0\r\nx: y\n\n",
        "0\r\n\n\r\n",
        "0\r\nx: y\r\n\n",
        "0\r\nx\n\r\n",
        "0\r\n\nx: y\r\n\r\n",
        "0\r\n\r\n\n",
        "0\r\n\r\n\r\n",
        "1\r\na\r\n0\r\nx: y\n\r\n",
        "0;x=y\r\n\n",
        "0\n\r\n",
        "0\n\n",
        "0\r\r\n",
        "0\r\n\r",
        "0 \r\n\r\n",
        "0\t;x\r\n\r\n",
        "00000\r\n\r\n",
        "1;a\nb\r\na\r\n0\r\n\r\n",
        "1;a=\"\r\n\"\r\na\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "0x0\r\n\r\n",
        "+0\r\n\r\n",
        "-0\r\n\r\n",
        "10000000000000000\r\n",
        "0\r\nhost: x\r\ncontent-length: 5\r\n\r\n",
        "\r\n0\r\n\r\n",
    ] {
        is_last_with(&server, format!("{chunked}{trailers}").as_bytes(), &["400", "405", "413"]).await;
    }
    for length in
        ["1\r\n\r\na", "5\r\n\r\na", "64\r\n\r\na", "65\r\n\r\n", "01\r\n\r\na", "1\r\nexpect: 100-continue\r\n\r\na"]
    {
        let bytes = format!("{post}content-length: {length}");
        is_last_with(&server, bytes.as_bytes(), &["400", "405", "413"]).await;
    }
    // For any method, and also if the response is a 200.
    for method in ["GET", "HEAD", "OPTIONS", "BREW"] {
        let bytes = format!("{method} /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\na");
        is_last_with(&server, bytes.as_bytes(), &["200", "405"]).await;
    }
    is_last_with(&server, b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n", &["405"]).await;
    // Without a body, the connection stays open.
    let empty = format!("{post}content-length: 0\r\n\r\n{FOLLOW_UP}");
    let answers = server.exchange(empty).await;
    assert_eq!(statuses(&answers), ["405", "200"], "{answers}");
}

/// A client that waits for the connection to close does not wait long.
#[tokio::test]
async fn connection_is_closed_after_a_body() {
    let server = Server::start(&[]).await;
    for body in ["content-length: 2\r\n\r\nab", "transfer-encoding: chunked\r\n\r\n0\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("{FIRST}GET /version HTTP/1.1\r\nhost: localhost\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answers = read_to_end(&mut stream).await;
        assert_eq!(statuses(&answers), ["200", "200"], "{answers}");
    }
}

#[tokio::test]
async fn invalid_framing_gets_one_status() {
    let server = Server::start(&["--max-body-bytes", "64"]).await;
    for (line, status) in [
        ("transfer-encoding: chunked, chunked", "400"),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked", "400"),
        ("transfer-encoding: gzip", "400"),
        ("transfer-encoding: identity", "400"),
        ("transfer-encoding: chunked, gzip", "400"),
        ("transfer-encoding: chunked\r\ncontent-length: 5", "400"),
        ("content-length: 5\r\ntransfer-encoding: chunked", "400"),
        ("transfer-encoding: gzip, chunked", "501"),
        ("transfer-encoding: gzip\r\ntransfer-encoding: chunked", "501"),
        ("transfer-encoding: deflate;level=9, chunked", "501"),
        ("content-length: 65", "413"),
        ("content-length: 18446744073709551613", "413"),
        ("content-length: 18446744073709551614", "413"),
        ("content-length: 18446744073709551615", "413"),
        ("content-length: 18446744073709551616", "413"),
        ("content-length: 99999999999999999999999999999999999999999999", "413"),
        ("content-length: 5, 5", "400"),
        ("content-length: 5\r\ncontent-length: 6", "400"),
        ("content-length: five", "400"),
    ] {
        let bytes = format!("POST / HTTP/1.1\r\nhost: localhost\r\n{line}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        is_last_with(&server, bytes.as_bytes(), &[status]).await;
    }
}

#[tokio::test]
async fn http_1_0_may_omit_host_but_not_repeat_it() {
    let server = Server::start(&[]).await;
    let asked = async |lines: &str| server.exchange(format!("GET /version HTTP/1.0\r\n{lines}\r\n")).await;
    assert!(asked("").await.starts_with("HTTP/1.0 200 "));
    assert!(asked("host: localhost\r\n").await.starts_with("HTTP/1.0 200 "));
    assert!(asked("host: localhost\r\nhost: localhost\r\n").await.starts_with("HTTP/1.0 400 "));
    assert!(asked("host: a b\r\n").await.starts_with("HTTP/1.0 400 "));
}

#[tokio::test]
async fn later_head_is_rejected_like_the_first() {
    let server = Server::start(&["--header-timeout", "1s", "--request-timeout", "1s"]).await;
    let server = &server;
    join_all(malformed().into_iter().map(|request| async move {
        let shown = request.escape_ascii().to_string();
        let answers = server.exchange([FIRST.as_bytes(), &request, FOLLOW_UP.as_bytes()].concat()).await;
        let statuses = statuses(&answers);
        assert_eq!(statuses.first(), Some(&"200"), "the request before {shown}: {answers}");
        assert!(statuses.len() == 1 || statuses.len() == 2 && statuses[1].starts_with('4'), "{shown}: {answers}");
        assert!(!answers.contains("\"compiler\": "), "what follows {shown} was answered");
        if let [_, status] = statuses[..] {
            assert!(answers.contains(&format!("\r\n\r\nerror:\n  status: \"{status}\"\n")), "{shown}: {answers}");
        }
    }))
    .await;
}

#[tokio::test]
async fn later_rejection_has_the_accepted_format_and_is_counted_once() {
    let server = Server::start(&[]).await;
    let broken = format!("{FIRST}GET /# HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n\r\n");
    let answers = server.exchange(broken).await;
    let (_, document) = answers.rsplit_once("\r\n\r\n").unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    assert_eq!(document["error"]["status"], "400", "{answers}");
    let refused = r#"http_requests_total{method="OTHER",path="unmatched",status="400"}"#;
    let count = eventually("the refusal is counted", async || server.metric(refused).await).await;
    assert!((count - 1.0).abs() < f64::EPSILON, "it is counted {count} times");
}

/// The server keeps the last accepted head. The same bytes are accepted again, and other bytes are checked.
#[tokio::test]
async fn head_is_checked_unless_it_repeats_the_last_one() {
    let server = Server::start(&[]).await;
    for (from, to) in [("/healthz", "/health#"), ("localhost\r", "localhost\0"), ("host: l", "host : "), ("GET", "G T")]
    {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        for _ in 0..3 {
            stream.write_all(FIRST.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"\"status\": \"OK\"\n}\n") {
                assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "{}", answer.escape_ascii());
            }
            assert_eq!(statuses(&String::from_utf8(answer).unwrap()), ["200"]);
        }
        let broken = FIRST.replacen(from, to, 1);
        assert_eq!((broken.len(), broken == FIRST), (FIRST.len(), false));
        stream.write_all(broken.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert_eq!(statuses(&answer), ["400"], "{broken:?}: {answer}");
    }
}

#[tokio::test]
async fn responses_do_not_depend_on_how_bytes_are_split() {
    let server = Server::start(&[]).await;
    // Longer than one read of hyper.
    let long = format!("GET /version HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(15_000));
    let conversation = format!(
        "{FIRST}\r\n{FIRST}{long}GET / HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n\r\n{FOLLOW_UP}\
         POST /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc{FOLLOW_UP}"
    );
    let whole = server.exchange(&conversation).await;
    assert_eq!(statuses(&whole), ["200", "200", "200", "200", "200", "405"], "{whole}");
    for piece in [1, 2, 3, 7, 50, 9000] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut reading, mut writing) = stream.split();
        let mut answers = String::new();
        let sending = async {
            for piece in conversation.as_bytes().chunks(piece) {
                // Bytes after the last response are not read.
                let _ = writing.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            let _ = writing.shutdown().await;
        };
        let ((), read) = tokio::join!(sending, reading.read_to_string(&mut answers));
        read.unwrap();
        assert_eq!(statuses(&answers), statuses(&whole), "in pieces of {piece}: {answers}");
    }
}

/// A partial head that arrives together with the previous request has the same timeout as any other.
#[tokio::test]
async fn partial_second_head_times_out() {
    let server = Server::start(&["--header-timeout", "500ms", "--idle-timeout", "1h"]).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(format!("{FIRST}GET / HTTP/1.1\r\nho").as_bytes()).await.unwrap();
    let answers = read_to_end(&mut stream).await;
    assert_eq!(statuses(&answers), ["200", "408"], "{answers}");
}

/// Sends a request over HTTP/2 as hyper's client writes it, and returns its status.
async fn status_over_http2(server: &Server, request: Request<Empty<Bytes>>) -> u16 {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let connecting = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = connecting.await.unwrap();
    let driving = tokio::spawn(connection);
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    driving.abort();
    answer.status().as_u16()
}

#[tokio::test]
async fn rules_apply_to_http2() {
    let server = Server::start(&[]).await;
    let get = |uri: &str| Request::get(uri).version(Version::HTTP_2);
    for (request, status) in [
        (get("http://localhost/"), 200),
        (get("https://localhost/"), 200),
        (get("http://localhost/").header(HOST, "LOCALHOST:80"), 200),
        (get("http://localhost/").header(HOST, "localhost:81"), 400),
        (get("http://localhost/").header(HOST, "127.0.0.1"), 400),
        (get("http://localhost/").header(HOST, "localhost").header(HOST, "localhost"), 400),
        (get("http://localhost/").header(HOST, "a b"), 400),
        (get("http://u:p@localhost/"), 400),
        (get("http://localhost:x/"), 400),
        (get("ftp://localhost/"), 400),
        (get("http://localhost/%zz"), 400),
        (get("http://localhost/{x}"), 400),
        (get("http://evil.example/"), 421),
        (Request::connect("localhost:80").version(Version::HTTP_2), 405),
    ] {
        let request = request.body(Empty::new()).unwrap();
        let shown = format!("{request:?}");
        assert_eq!(status_over_http2(&server, request).await, status, "{shown}");
    }
}

/// Sends these fields as the header block of an HTTP/2 stream, and returns type and payload of its first frame.
async fn first_frame(server: &Server, fields: &[u8]) -> (u8, Vec<u8>) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&[PREFACE, &frame(4, 0, 0, &[]), &frame(1, 5, 1, fields)].concat()).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("a frame for the stream comes");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.expect("the frame is whole");
        if head[5..] == [0, 0, 0, 1] {
            return (head[3], payload);
        }
    }
}

/// A malformed request is a protocol error of HTTP/2: its stream is reset (RFC 9113, section 8.1.1).
#[tokio::test]
async fn malformed_http2_requests_are_reset() {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    let server = Server::start(&[]).await;
    let field = |name: &str, value: &str| {
        let length = |text: &str| u8::try_from(text.len()).unwrap();
        [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
    };
    // GET, http, /, localhost.
    let get = b"\x82\x86\x84\x41\x09localhost".to_vec();
    for (fields, kind) in [
        (get.clone(), HEADERS),
        ([get.clone(), field("te", "trailers")].concat(), HEADERS),
        // A path without a slash is rejected like other invalid targets.
        ([b"\x82\x86\x41\x09localhost".to_vec(), field(":path", "?x")].concat(), HEADERS),
        ([get.clone(), field("transfer-encoding", "chunked")].concat(), RST_STREAM),
        ([get.clone(), field("connection", "close")].concat(), RST_STREAM),
        ([get.clone(), field("keep-alive", "5")].concat(), RST_STREAM),
        ([get.clone(), field("upgrade", "h2c")].concat(), RST_STREAM),
        ([get.clone(), field("te", "gzip")].concat(), RST_STREAM),
        ([get.clone(), field("content-length", "5")].concat(), RST_STREAM),
        ([get.clone(), field("content-length", "0"), field("content-length", "5")].concat(), RST_STREAM),
        ([get.clone(), field("content-length", "x")].concat(), RST_STREAM),
        ([get.clone(), field(":path", "/version")].concat(), RST_STREAM),
        ([field("x", "y"), get.clone()].concat(), RST_STREAM),
        (b"\x82\x84\x41\x09localhost".to_vec(), RST_STREAM),
    ] {
        let (answered, _) = first_frame(&server, &fields).await;
        assert_eq!(answered, kind, "{}", fields.escape_ascii());
    }
}

/// h2 itself would cut the fragment off, and the service would answer for another target than the next hop may.
#[tokio::test]
async fn path_with_a_fragment_gets_400_over_http2() {
    // `:status` 200 and 400 in the static table.
    const OK: u8 = 0x88;
    const BAD_REQUEST: u8 = 0x8c;
    let server = Server::start(&[]).await;
    // `/a#b` in Huffman codes.
    let coded: &[u8] = &[0x84, 0b0110_0000, 0b0111_1111, 0b1111_0101, 0b0001_1111];
    for (path, status) in [
        (&b"\x44\x08/healthz"[..], OK),
        (b"\x44\x0a/healthz?x", OK),
        (b"\x44\x0a/healthz#x", BAD_REQUEST),
        (b"\x04\x0b/healthz?#x", BAD_REQUEST),
        (b"\x14\x02/#", BAD_REQUEST),
        (b"\x00\x05:path\x0a/healthz#x", BAD_REQUEST),
        (&[b"\x44", coded].concat(), BAD_REQUEST),
    ] {
        let fields = [&b"\x82\x86\x41\x09localhost"[..], path].concat();
        let (_, answered) = first_frame(&server, &fields).await;
        assert_eq!(answered[0], status, "{}", path.escape_ascii());
    }
}
