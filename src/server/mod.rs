//! The server: accepts connections, serves HTTP/1 and HTTP/2 on them within the limits, and drains so that no client
//! notices.

mod attended;
mod bind;
mod budget;
mod connection;
mod farewell;
mod frames;
mod head;
mod pressure;
mod pulse;
mod reclaim;
mod slots;
mod streams;
mod transport;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use prometheus::IntGauge;
use tokio::net::{TcpListener, TcpStream};
use tower::Service;

use crate::config::Limits;
use crate::lifecycle::{Lifecycle, Phase};
use crate::metrics::Metrics;
use attended::House;
use bind::KERNEL_BUFFER_BYTES;
pub use bind::bind;
pub use budget::Budget;
use connection::Connections;
use farewell::Farewells;
pub use pressure::Pressure;
use slots::Slots;

/// The log line that names an address for clients. Whoever starts the service as a process waits for it.
pub const SERVING: &str = "serving";

/// The log line that names an ops address.
pub const SERVING_OPS: &str = "probes and scrapes are served";

/// Connections to the ops address at once: the kubelet, a few Prometheus servers, and somebody with curl.
const OPS_CONNECTIONS: usize = 16;

/// What the server needs of a service: any axum router with its layers has it.
pub trait HttpService:
    Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> HttpService for S where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Logs where clients, and where the kubelet and Prometheus, are served: those who start the service as a process on a free
/// port wait for these lines.
pub fn announce(listeners: &[TcpListener], ops_listeners: &[TcpListener]) -> io::Result<()> {
    for (listeners, message) in [(listeners, SERVING), (ops_listeners, SERVING_OPS)] {
        for listener in listeners {
            tracing::info!(address = %listener.local_addr()?, "{message}");
        }
    }
    Ok(())
}

/// Where clients come in, and what each of them is given.
pub struct Entrance<S> {
    /// Where they connect.
    pub listeners: Vec<TcpListener>,
    /// What answers them.
    pub service: S,
    /// The bounds on one client.
    pub limits: Limits,
    /// The bounds on all of them.
    pub budget: Budget,
    /// Told when room is scarce; the service's layers share it.
    pub pressure: Pressure,
}

/// Serves until the lifecycle says `Stopping`, then finishes what is in flight within `shutdown_timeout`.
///
/// Moves the lifecycle to `Ready` once connections are accepted. Fails only where a listener cannot be used at all.
pub async fn serve<S: HttpService>(
    entrance: Entrance<S>,
    shutdown_timeout: Duration,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
) -> io::Result<()> {
    let Entrance { listeners, service, limits, budget, pressure } = entrance;
    let open = metrics.connections().clone();
    let doors = Doors::new(service, limits, budget, &pressure, lifecycle.clone(), metrics, open);
    tokio::spawn(reclaim::after_clients(Arc::clone(&doors.slots)));
    lifecycle.advance(Phase::Ready);
    let mut turn = 0;
    for phase in [Phase::Draining, Phase::Stopping] {
        let mut reached = std::pin::pin!(lifecycle.reached(phase));
        loop {
            tokio::select! {
                stream = accept(&listeners, &mut turn) => doors.let_in(stream),
                () = &mut reached => break,
            }
        }
        // The connections look at the phase when the bell rings.
        pressure.ring();
    }
    let rest = async {
        // Clients that the kernel has already connected are owed an answer; closing the listener would reset them.
        // Unconstrained, or tokio would feign an empty queue after a hundred.
        for listener in &listeners {
            while let Some(Ok((stream, _))) = tokio::task::unconstrained(listener.accept()).now_or_never() {
                doors.let_in(stream);
            }
        }
        drop(listeners);
        doors.slots.all_free().await;
    };
    if tokio::time::timeout(shutdown_timeout, rest).await.is_ok() {
        tracing::info!("stopped: every connection has ended");
    } else {
        tracing::warn!(connections = doors.slots.taken(), "stopped: the shutdown timeout cut connections off");
    }
    Ok(())
}

/// Serves the ops address on a thread of its own, to the end of the process: probes and scrapes do not wait behind
/// clients, neither for a slot nor for a worker thread, and are answered while the service drains.
pub fn serve_ops<S: HttpService>(
    listeners: Vec<TcpListener>,
    service: S,
    limits: Limits,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
) -> io::Result<()> {
    let listeners = listeners.into_iter().map(TcpListener::into_std).collect::<io::Result<Vec<_>>>()?;
    let serving = async move {
        let listeners = listeners.into_iter().map(TcpListener::from_std).collect::<io::Result<Vec<_>>>();
        let listeners = listeners.expect("the listeners were tokio's before");
        // The kubelet and Prometheus are no clients.
        let open = IntGauge::new("open", "not shown").expect("a name is valid");
        let doors = Doors::new(service, limits, Budget::of_ops(), &Pressure::default(), lifecycle, metrics, open);
        let mut turn = 0;
        loop {
            doors.let_in(accept(&listeners, &mut turn).await);
        }
    };
    let thread = std::thread::Builder::new().name("ops".to_owned());
    let served = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(serving),
        Err(error) => tracing::error!(%error, "no probes and scrapes are served at the ops address"),
    };
    thread.spawn(served).map(drop)
}

/// What every accepted connection passes.
struct Doors<S> {
    connections: Arc<Connections<S>>,
    slots: Arc<Slots>,
    farewells: Farewells,
}

impl<S: HttpService> Doors<S> {
    fn new(
        service: S,
        limits: Limits,
        budget: Budget,
        pressure: &Pressure,
        lifecycle: Lifecycle,
        metrics: Arc<Metrics>,
        open: IntGauge,
    ) -> Self {
        let slots = Slots::new(budget, pressure.clone());
        let farewells = Farewells::new(budget.farewells, Arc::clone(&metrics));
        let house = House { lifecycle, pressure: pressure.clone() };
        Self { connections: Arc::new(Connections::new(service, limits, house, metrics, open)), slots, farewells }
    }

    /// Serves a client, or tells it that there is no room: those who are here already come first.
    fn let_in(&self, stream: TcpStream) {
        let Some(slot) = self.slots.take() else { return self.farewells.turn_away(stream) };
        let (connections, farewells) = (Arc::clone(&self.connections), self.farewells.clone());
        tokio::spawn(async move { connections.serve(stream, slot, &farewells).await });
    }
}

/// Takes the next connection. An error that only concerns that client is passed over; one that concerns the process
/// (no descriptor is free) is waited out, since closing the listener would turn a shortage into an outage.
async fn accept(listeners: &[TcpListener], turn: &mut usize) -> TcpStream {
    loop {
        // Each begins in turn: a flood at one does not keep the others waiting.
        *turn = (*turn + 1) % listeners.len();
        let (before, after) = listeners.split_at(*turn);
        let accepted = poll_fn(|cx| {
            let ready = after.iter().chain(before).map(|listener| listener.poll_accept(cx)).find(Poll::is_ready);
            ready.unwrap_or(Poll::Pending)
        });
        match accepted.await {
            Ok((stream, _)) => return stream,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again in 100 ms");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
