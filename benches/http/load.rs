//! The load: one thread with blocking sockets, which needs little CPU time for a request.
//!
//! It goes through its connections in turn: it waits for the response, then sends the next request. Unless the load is paced,
//! requests are always waiting on all other connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The timeout of a request.
const PATIENCE: Duration = Duration::from_secs(20);

/// When a run ends.
#[derive(Clone, Copy)]
pub enum Until {
    Elapsed(Duration),
    Answered(u32),
}

/// The request, the server, and the pace.
pub struct Load {
    address: SocketAddr,
    request: String,
    connections: usize,
    kept: bool,
    pace: Duration,
}

impl Load {
    /// GETs a path on kept connections, flat out.
    pub fn new(address: SocketAddr, path: &str, connections: usize) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: bench\r\naccept: */*\r\n\r\n");
        Self { address, request, connections, kept: true, pace: Duration::ZERO }
    }

    /// Takes a connection for each request, which the server closes.
    pub fn unkept(mut self) -> Self {
        self.request.insert_str(self.request.len() - 2, "connection: close\r\n");
        Self { kept: false, ..self }
    }

    /// Sends a request each so often, answered or not.
    pub fn paced(self, pace: Duration) -> Self {
        Self { pace, ..self }
    }

    pub fn open(self) -> OpenLoad {
        let connections = (0..self.connections).map(|_| Connection::open(&self)).collect();
        OpenLoad { load: self, connections }
    }
}

/// A load with its connections.
pub struct OpenLoad {
    load: Load,
    connections: Vec<Connection>,
}

impl OpenLoad {
    /// Asks once, on the first connection, and returns the answer as it comes over the wire.
    pub fn first_answer(&mut self) -> Vec<u8> {
        let connection = &mut self.connections[0];
        connection.send(&self.load);
        connection.receive();
        connection.answer.clone()
    }

    /// Asks until the end. Returns how many answers came, each to the end and each a 200.
    pub fn run(&mut self, until: Until) -> u32 {
        let started = Instant::now();
        let mut due = started;
        let mut sent = 0;
        let mut answered = 0;
        let goes_on = |sent| match until {
            Until::Elapsed(time) => started.elapsed() < time,
            Until::Answered(count) => sent < count,
        };
        while goes_on(sent) {
            for connection in &mut self.connections {
                answered += connection.settle(&self.load);
                if !self.load.pace.is_zero() {
                    due += self.load.pace;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                connection.send(&self.load);
                sent += 1;
            }
        }
        let last: u32 = self.connections.iter_mut().map(|connection| connection.settle(&self.load)).sum();
        answered + last
    }
}

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    awaits_answer: bool,
}

impl Connection {
    fn open(load: &Load) -> Self {
        let stream = TcpStream::connect_timeout(&load.address, PATIENCE).expect("the server accepts");
        stream.set_nodelay(true).expect("TCP has no delay");
        stream.set_read_timeout(Some(PATIENCE)).expect("sockets have timeouts");
        Self { stream, answer: Vec::new(), awaits_answer: false }
    }

    fn send(&mut self, load: &Load) {
        self.stream.write_all(load.request.as_bytes()).expect("the server keeps its connection");
        self.awaits_answer = true;
    }

    /// Takes the answer to what was sent, if anything was, and makes ready for the next request. Returns the answers
    /// taken.
    fn settle(&mut self, load: &Load) -> u32 {
        if !self.awaits_answer {
            return 0;
        }
        self.receive();
        if !load.kept {
            *self = Self::open(load);
        }
        1
    }

    /// Reads one whole answer, by its head's content-length.
    fn receive(&mut self) {
        let mut part = [0; 16 * 1024];
        self.answer.clear();
        while whole_length(&self.answer).is_none_or(|length| self.answer.len() < length) {
            let count = self.stream.read(&mut part).expect("the server answers in time");
            assert!(count > 0, "the server closed its connection: {}", String::from_utf8_lossy(&self.answer));
            self.answer.extend_from_slice(&part[..count]);
        }
        assert!(self.answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&self.answer));
        self.awaits_answer = false;
    }
}

/// The length of an answer with its head, once its head is there.
fn whole_length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).expect("a head is ASCII");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("an answer has a length");
    Some(end + length.parse::<usize>().expect("a length is a number"))
}
