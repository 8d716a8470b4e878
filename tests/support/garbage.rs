//! Invalid requests: a list of known mistakes, and random bytes.

use super::random::Random;

/// The first bytes of an HTTP/2 client.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Heads in which a line ends with a line feed alone.
const BARE_LINE_FEEDS: [&[u8]; 3] = [
    b"GET / HTTP/1.1\nhost: localhost\n\n",
    b"GET / HTTP/1.1\r\nhost: localhost\n\r\n",
    b"GET / HTTP/1.1\r\nhost: localhost\r\n\n",
];

/// One request for each way to break HTTP/1.1.
pub fn malformed() -> Vec<Vec<u8>> {
    const BEGINNINGS: [&[u8]; 45] = [
        b"G\x01T / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"G(T / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b" GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET  / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/2.0\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1 \r\nhost: localhost\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n host: localhost\r\n\r\n",
        b"GET / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost, localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: u@localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost/x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost:x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost:80:80\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost:65536\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: :80\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: ::1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: [::1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: caf\xc3\xa9\r\n\r\n",
        b"GET ftp://localhost/ HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET http://u:p@localhost/ HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET http://localhost:x/ HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET http:///healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET http://localhost/#frag HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET http://localhost/ HTTP/1.1\r\n\r\n",
        b"GET http://localhost/ HTTP/1.1\r\nhost: a b\r\n\r\n",
        b"GET /healthz#frag HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /caf\xc3\xa9 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /<script> HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET * HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"CONNECT / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"CONNECT http://localhost/ HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"CONNECT localhost: HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"\x80\x2e\x01\0\x02\0\x15\0\0\0\x10",
    ];
    const HEADER_LINES: [&[u8]; 36] = [
        b"no colon\r\n\r\n",
        b": no name\r\n\r\n",
        b"x\0y: z\r\n\r\n",
        b"x: a\0b\r\n\r\n",
        b"x: a\rb\r\n\r\n",
        b"x: a\r\n folded\r\n\r\n",
        b"x : y\r\n\r\n",
        b"content-length:\r\n\r\n",
        b"content-length: -1\r\n\r\n",
        b"content-length: +1\r\n\r\na",
        b"content-length: 0x1\r\n\r\na",
        b"content-length: 1, 2\r\n\r\nab",
        b"content-length: 18446744073709551616\r\n\r\n",
        b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"transfer-encoding: gzip\r\n\r\n",
        b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"content-length: 0\r\ntransfer-encoding: xchunked\r\n\r\n",
        b"content-length: 18446744073709551615\r\n\r\n",
        b"content-length: 18446744073709551614\r\n\r\n",
        b"content-length: 1, 1\r\n\r\na",
        b"content-length: 1\r\ncontent-length: \r\n\r\na",
        b"content-length: 0\r\ncontent-length: 1\r\n\r\na",
        b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: x\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: ,chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked,\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked;x=y\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: gzip chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding\xa0: chunked\r\n\r\n0\r\n\r\n",
    ];
    const BODIES: [&[u8]; 8] = [
        b"zz\r\n",
        b"-1\r\na\r\n0\r\n\r\n",
        b"\r\n\r\n",
        b"ffffffffffffffffff\r\n",
        b"1\na\n0\n\n",
        b"1\r\nab\r\n0\r\n\r\n",
        b"1;x\ny\r\na\r\n0\r\n\r\n",
        b"0\r\nno colon\r\n\r\n",
    ];
    let get: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n";
    let chunked = [get, b"transfer-encoding: chunked\r\n\r\n"].concat();
    let wrong = BEGINNINGS.into_iter().chain(BARE_LINE_FEEDS).map(<[u8]>::to_vec);
    let wrong = wrong.chain(HEADER_LINES.into_iter().map(|lines| [get, lines].concat()));
    wrong.chain(BODIES.into_iter().map(|body| [&chunked, body].concat())).collect()
}

/// Requests that are unusual, but have only one meaning.
pub const ODD: [&str; 17] = [
    "\r\n\r\nGET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "GET http://localhost/nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n",
    // The target's host overrides `Host`.
    "GET http://localhost/ HTTP/1.1\r\nhost: elsewhere\r\n\r\n",
    "GET http://localhost?x HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "GET https://localhost:443/ HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: localhost:\r\n\r\n",
    "GET / HTTP/1.1\r\nhost:\r\n\r\n",
    "GET /../../etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "GET // HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "GET /?a[]={b|c}&100% HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "BREW / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: localhost\r\naccept: \u{ff}\u{fe}\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na",
    "GET / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\nx: y\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
];

/// An HTTP/2 frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

impl Random {
    /// Random bytes, or valid requests with a random change.
    pub fn garbage(&mut self) -> Vec<u8> {
        const SEEDS: [&[u8]; 5] = [
            b"GET / HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n\r\n",
            b"POST /nowhere HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            b"GET /metrics HTTP/1.0\r\ncontent-length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x0e\x01\x05\0\0\0\x01\x82\x84\x86\x41\x09localhost",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0\0\0\x08\x06\0\0\0\0\0abcdefgh",
        ];
        if self.below(3) == 0 {
            let count = self.below(600);
            return self.bytes(count);
        }
        let mut bytes = SEEDS[self.below(SEEDS.len())].to_vec();
        for _ in 0..=self.below(4) {
            let place = self.below(bytes.len());
            match self.below(4) {
                0 => bytes[place] ^= 1 << self.below(8),
                1 => bytes.truncate(place + 1),
                2 => bytes = [&bytes[..place], &bytes].concat(),
                _ => {
                    let count = self.below(40);
                    let noise = self.bytes(count);
                    bytes.splice(place..place, noise);
                }
            }
        }
        bytes
    }
}
