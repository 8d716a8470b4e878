//! HTTP/2 by hyper: with prior knowledge, or agreed by ALPN.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes as Data;
use http_body_util::{BodyExt, Full};
use hyper::body::Body as _;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::generator::client::{Origin, Progress, Stage};
use crate::generator::failure::{Failed, Failure};
use crate::generator::pod_name::PodNameScanner;
use crate::generator::request::Message2;
use crate::generator::stream::{Counted, Stream, Traffic};
use crate::generator::template::Numbers;
use crate::generator::window::{Answer, SAMPLED_BYTES};
use crate::journal::Bytes;

/// Concurrent requests on a connection: the minimum that RFC 9113 recommends to servers. Beyond that, another
/// connection is opened, so that no request waits in the generator.
const STREAMS: u64 = 100;

/// The connections to a server.
pub(super) struct Http2 {
    requests_per_connection: u64,
    /// Connections with requests left, of each client.
    open: RefCell<Box<[Vec<Rc<Shared>>]>>,
    traffic: Arc<Traffic>,
}

/// A connection for concurrent requests.
struct Shared {
    sender: SendRequest<Full<Data>>,
    address: Option<SocketAddr>,
    left: Cell<u64>,
    streams: Cell<u64>,
}

/// A request's place on a connection.
struct Seat(Rc<Shared>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
    }
}

impl Http2 {
    pub fn new(requests_per_connection: u64, clients: usize) -> Self {
        let open = RefCell::new((0..clients).map(|_| Vec::new()).collect());
        Self { requests_per_connection, open, traffic: Arc::default() }
    }

    /// One request and its answer. If it is cancelled, the stage shows how far it came.
    pub async fn exchange(
        &self,
        origin: &Origin,
        message: &Message2,
        numbers: Numbers,
        pod_header: Option<&str>,
        progress: Progress<'_>,
    ) -> Result<Answer, Failed> {
        let mut request = message.make(numbers);
        let body_bytes = request.body().size_hint().lower();
        loop {
            let open = self.seat(progress.client);
            let was_open = open.is_some();
            let seat = match open {
                Some(seat) => seat,
                None => self.connect(origin, progress).await?,
            };
            progress.stage.set(Stage::Waiting);
            progress.goes_to(seat.0.address);
            let mut sender = seat.0.sender.clone();
            match sender.try_send_request(request).await {
                Ok(response) => {
                    progress.stage.set(Stage::Reading);
                    progress.count(Bytes { sent: body_bytes, received: 0 });
                    let answer = read(response, pod_header, progress).await;
                    self.traffic.move_to(&mut progress.window.borrow_mut());
                    return answer;
                }
                Err(mut error) => match error.take_message() {
                    // Closed just now: nothing of the request was sent, so another connection may take it.
                    Some(unsent) if was_open => request = unsent,
                    _ => return Err(Failed::http2(error.error())),
                },
            }
            progress.stage.set(Stage::Connecting);
        }
    }

    /// A place on a connection that is open.
    fn seat(&self, client: usize) -> Option<Seat> {
        let mut open = self.open.borrow_mut();
        let open = &mut open[client];
        open.retain(|shared| !shared.sender.is_closed());
        let index = open.iter().position(|shared| shared.streams.get() < STREAMS)?;
        let seat = take(&open[index]);
        if seat.0.left.get() == 0 {
            open.swap_remove(index);
        }
        Some(seat)
    }

    async fn connect(&self, origin: &Origin, progress: Progress<'_>) -> Result<Seat, Failed> {
        let stream = origin.connect(progress).await?;
        if let Stream::Tls(stream) = &stream
            && stream.get_ref().1.alpn_protocol() != Some(b"h2")
        {
            return Err(Failure::NoHttp2.into());
        }
        // Its frames are many and small.
        stream.socket().set_nodelay(true).map_err(Failed::talking)?;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(Counted::new(stream, &self.traffic))).await;
        let (sender, connection) = handshake.map_err(|error| Failed::http2(&error))?;
        // Its requests report how it ends.
        tokio::task::spawn_local(async { drop(connection.await) });
        let address = progress.exchange.get().address;
        let shared =
            Rc::new(Shared { sender, address, left: Cell::new(self.requests_per_connection), streams: Cell::new(0) });
        let seat = take(&shared);
        if shared.left.get() > 0 {
            self.open.borrow_mut()[progress.client].push(shared);
        }
        Ok(seat)
    }
}

fn take(shared: &Rc<Shared>) -> Seat {
    shared.left.set(shared.left.get() - 1);
    shared.streams.set(shared.streams.get() + 1);
    Seat(Rc::clone(shared))
}

async fn read(
    response: http::Response<hyper::body::Incoming>,
    pod_header: Option<&str>,
    progress: Progress<'_>,
) -> Result<Answer, Failed> {
    let window = progress.window;
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).map(http::HeaderValue::as_bytes);
    let mut answer = Answer { status, ..Answer::default() };
    if (300..400).contains(&status) {
        answer.location = header("location").map(Box::from);
    }
    if let Some(name) = pod_header {
        answer.pod = header(name).and_then(|name| window.borrow_mut().pods.of_header(name));
    }
    answer.sample = window.borrow_mut().takes_sample().then(Vec::new);
    let mut body = response.into_body();
    let mut scanner = pod_header.is_none().then(PodNameScanner::default);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failed::http2(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        progress.count(Bytes { sent: 0, received: data.len() as u64 });
        if let Some(scanner) = &mut scanner {
            scanner.scan(data, false, &mut window.borrow_mut().pods);
        }
        if let Some(sample) = &mut answer.sample {
            sample.extend_from_slice(&data[..data.len().min(SAMPLED_BYTES - sample.len())]);
        }
    }
    if let Some(scanner) = &mut scanner {
        scanner.scan(&[], true, &mut window.borrow_mut().pods);
        answer.pod = scanner.found();
    }
    Ok(answer)
}
