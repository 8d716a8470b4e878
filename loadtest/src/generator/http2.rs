//! HTTP/2 with prior knowledge, by hyper.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::client;
use crate::generator::addresses::Addresses;
use crate::generator::client::Stage;
use crate::generator::endpoint::Endpoint;
use crate::generator::failure::Failure;
use crate::generator::pod_name::PodNameScanner;
use crate::generator::window::{Answer, Window};

/// Concurrent requests on a connection: the minimum that RFC 9113 recommends to servers. Beyond that, another
/// connection is opened, so that no request waits in the generator.
const STREAMS: u64 = 100;

/// Connections, and what is sent on them.
pub(super) struct Http2 {
    request: Request<()>,
    requests_per_connection: u64,
    /// Connections with requests left.
    open: RefCell<Vec<Rc<Shared>>>,
}

/// A connection for concurrent requests.
struct Shared {
    sender: SendRequest<Empty<Bytes>>,
    left: Cell<u64>,
    streams: Cell<u64>,
}

/// A request's place on a connection.
struct Place(Rc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
    }
}

impl Http2 {
    pub fn new(endpoint: &Endpoint, requests_per_connection: u64) -> Self {
        let request = Request::get(endpoint.uri().clone())
            .header(header::USER_AGENT, client::USER_AGENT)
            .header(header::ACCEPT, client::ACCEPT)
            .body(())
            .expect("the URL was parsed, and the headers are constants");
        Self { request, requests_per_connection, open: RefCell::default() }
    }

    /// One request and its answer. If it is cancelled, the stage shows how far it came.
    pub async fn exchange(
        &self,
        addresses: &Addresses,
        stage: &Cell<Stage>,
        window: &RefCell<Window>,
    ) -> Result<Answer, Failure> {
        let mut request = self.request.clone().map(|()| Empty::new());
        loop {
            let open = self.place();
            let was_open = open.is_some();
            let place = match open {
                Some(place) => place,
                None => self.connect(addresses).await?,
            };
            stage.set(Stage::Connected);
            let mut sender = place.0.sender.clone();
            match sender.try_send_request(request).await {
                Ok(response) => return read(response, window).await,
                Err(mut error) => match error.take_message() {
                    // Closed just now: nothing of the request was sent, so another connection may take it.
                    Some(unsent) if was_open => request = unsent,
                    _ => return Err(Failure::http2(error.error())),
                },
            }
            stage.set(Stage::Connecting);
        }
    }

    /// A place on a connection that is open.
    fn place(&self) -> Option<Place> {
        let mut open = self.open.borrow_mut();
        open.retain(|shared| !shared.sender.is_closed());
        let index = open.iter().position(|shared| shared.streams.get() < STREAMS)?;
        let place = take(&open[index]);
        if place.0.left.get() == 0 {
            open.swap_remove(index);
        }
        Some(place)
    }

    async fn connect(&self, addresses: &Addresses) -> Result<Place, Failure> {
        let stream = addresses.connect().await?;
        // Its frames are many and small.
        stream.set_nodelay(true).map_err(|error| Failure::talking(&error))?;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| Failure::http2(&error))?;
        // Its requests report how it ends.
        tokio::task::spawn_local(async { drop(connection.await) });
        let shared = Rc::new(Shared { sender, left: Cell::new(self.requests_per_connection), streams: Cell::new(0) });
        let place = take(&shared);
        if shared.left.get() > 0 {
            self.open.borrow_mut().push(shared);
        }
        Ok(place)
    }
}

fn take(shared: &Rc<Shared>) -> Place {
    shared.left.set(shared.left.get() - 1);
    shared.streams.set(shared.streams.get() + 1);
    Place(Rc::clone(shared))
}

async fn read(response: http::Response<hyper::body::Incoming>, window: &RefCell<Window>) -> Result<Answer, Failure> {
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut scanner = PodNameScanner::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::http2(&error))?;
        if let Some(data) = frame.data_ref() {
            scanner.scan(data, false, &mut window.borrow_mut().pods);
        }
    }
    scanner.scan(&[], true, &mut window.borrow_mut().pods);
    Ok(Answer { status, pod: scanner.found() })
}
