//! The server: accepts connections, serves HTTP/1 and HTTP/2 on them within the limits, and drains them without losing a
//! request.

mod bind;
mod budget;
mod connection;
mod connection_state;
mod frames;
mod guarded_body;
mod head;
mod overload;
mod path_guard;
mod pressure;
mod slots;
mod stream;
mod takeover;
mod tls;
mod tracked_service;
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

use crate::allocator;
use crate::config::Limits;
use crate::lifecycle::{Lifecycle, Phase};
use crate::metrics::Metrics;
use bind::KERNEL_BUFFER_BYTES;
pub use bind::bind;
pub use budget::Budget;
use connection::Connections;
use connection_state::ServerState;
pub use guarded_body::guarded;
use overload::OverloadResponder;
pub use pressure::Pressure;
use slots::Slots;
pub use stream::ClientStream;
pub use takeover::Takeover;
pub use tls::Tls;
pub(crate) use transport::respond_and_close;

/// The log message with an address for clients. Programs that start the service wait for it.
pub const SERVING: &str = "serving";

/// The log message with a TLS address.
pub const SERVING_TLS: &str = "https is served";

/// The log message with an ops address.
pub const SERVING_OPS: &str = "probes and scrapes are served";

/// Concurrent connections to the ops address: the kubelet, a few Prometheus servers, and a person with curl.
const OPS_CONNECTIONS: usize = 16;

/// The service that the server needs: an axum router with its layers.
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

/// Logs the addresses for clients, those for https, and those for probes and scrapes. Programs that start the service on a free
/// port wait for these lines.
pub fn log_addresses(
    listeners: &[TcpListener],
    tls_listeners: &[TcpListener],
    ops_listeners: &[TcpListener],
) -> io::Result<()> {
    for (listeners, message) in [(listeners, SERVING), (tls_listeners, SERVING_TLS), (ops_listeners, SERVING_OPS)] {
        for listener in listeners {
            tracing::info!(address = %listener.local_addr()?, "{message}");
        }
    }
    Ok(())
}

/// What [`serve`] needs.
pub struct ServerConfig<S> {
    /// Where clients connect.
    pub listeners: Vec<TcpListener>,
    /// What responds to them.
    pub service: S,
    /// Where they connect with TLS, if they can.
    pub tls: Option<TlsEndpoint<S>>,
    /// The limits on each client.
    pub limits: Limits,
    /// The limits on all clients together.
    pub budget: Budget,
    /// Set when slots are scarce; the service's layers share it.
    pub pressure: Pressure,
    /// Whether the service needs the addresses of its clients.
    pub records_peers: bool,
}

/// Where clients connect with TLS. They share the limits with those that connect without.
pub struct TlsEndpoint<S> {
    /// Where they connect.
    pub listeners: Vec<TcpListener>,
    /// What responds to them.
    pub service: S,
    /// Their handshake.
    pub tls: Tls,
}

/// Serves until the lifecycle is `Stopping`, then finishes the requests in flight within `shutdown_timeout`.
///
/// Moves the lifecycle to `Ready` when it accepts connections. Fails only if a listener cannot be used at all.
pub async fn serve<S: HttpService>(
    config: ServerConfig<S>,
    shutdown_timeout: Duration,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
) -> io::Result<()> {
    let ServerConfig { mut listeners, service, tls, limits, budget, pressure, records_peers } = config;
    let open = metrics.connections().clone();
    let state = ServerState { lifecycle: lifecycle.clone(), pressure: pressure.clone(), records_peers };
    let mut acceptor = Acceptor::new(service, limits, budget, state, metrics, open);
    if let Some(TlsEndpoint { listeners: tls_listeners, service, tls }) = tls {
        acceptor.add_tls(listeners.len(), service, tls);
        listeners.extend(tls_listeners);
    }
    let slots = Arc::clone(&acceptor.slots);
    tokio::spawn(allocator::trim_after_connections(move || slots.take_ended()));
    lifecycle.advance(Phase::Ready);
    let mut turn = 0;
    for phase in [Phase::Draining, Phase::Stopping] {
        let mut reached = std::pin::pin!(lifecycle.reached(phase));
        loop {
            tokio::select! {
                (stream, listener) = accept(&listeners, &mut turn) => acceptor.serve(stream, listener),
                () = &mut reached => break,
            }
        }
        // The connections check the phase when they are notified.
        pressure.notify_all();
    }
    let finished = async {
        // Clients that the kernel has already connected get a response: closing the listener would reset them.
        // Unconstrained, because tokio would report an empty queue after a hundred.
        for (index, listener) in listeners.iter().enumerate() {
            while let Some(Ok((stream, _))) = tokio::task::unconstrained(listener.accept()).now_or_never() {
                acceptor.serve(stream, index);
            }
        }
        drop(listeners);
        acceptor.slots.all_closed().await;
    };
    if tokio::time::timeout(shutdown_timeout, finished).await.is_ok() {
        tracing::info!("stopped: every connection has ended");
    } else {
        tracing::warn!(connections = acceptor.slots.open(), "stopped: the shutdown timeout cut connections off");
    }
    Ok(())
}

/// Serves the ops address on a thread of its own, until the process ends. Probes and scrapes do not wait behind clients,
/// neither for a slot nor for a worker thread, and get responses while the service drains.
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
        // The gauge of client connections excludes the kubelet and Prometheus.
        let open = IntGauge::new("open", "not exported").expect("a name is valid");
        let state = ServerState { lifecycle, pressure: Pressure::default(), records_peers: false };
        let acceptor = Acceptor::new(service, limits, Budget::for_ops(), state, metrics, open);
        let mut turn = 0;
        loop {
            let (stream, listener) = accept(&listeners, &mut turn).await;
            acceptor.serve(stream, listener);
        }
    };
    let thread = std::thread::Builder::new().name("ops".to_owned());
    let run = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(serving),
        Err(error) => tracing::error!(%error, "cannot serve the ops address"),
    };
    thread.spawn(run).map(drop)
}

/// Hands accepted connections to tasks, or rejects them.
struct Acceptor<S> {
    connections: Arc<Connections<S>>,
    /// The connections of the listeners from this one on, which have TLS.
    tls: Option<(usize, Arc<Connections<S>>)>,
    slots: Arc<Slots>,
    overload: OverloadResponder,
}

impl<S: HttpService> Acceptor<S> {
    fn new(
        service: S,
        limits: Limits,
        budget: Budget,
        state: ServerState,
        metrics: Arc<Metrics>,
        open: IntGauge,
    ) -> Self {
        let slots = Slots::new(budget, state.pressure.clone());
        let overload = OverloadResponder::new(budget.pending_rejections, Arc::clone(&metrics));
        let connections = Arc::new(Connections::new(service, limits, Arc::new(state), metrics, open));
        Self { connections, tls: None, slots, overload }
    }

    /// Makes the listeners from this one on those of TLS.
    fn add_tls(&mut self, first: usize, service: S, tls: Tls) {
        self.tls = Some((first, Arc::new(self.connections.with_tls(service, tls))));
    }

    /// Serves a client of a listener if a slot is free. Otherwise it rejects it: connected clients come first.
    fn serve(&self, stream: TcpStream, listener: usize) {
        let tls = self.tls.as_ref().filter(|(first, _)| listener >= *first);
        let Some(slot) = self.slots.take(tls.is_some()) else {
            return self.overload.reject(stream, tls.is_some());
        };
        let connections = Arc::clone(tls.map_or(&self.connections, |(_, connections)| connections));
        let overload = self.overload.clone();
        tokio::spawn(async move { connections.serve(stream, slot, &overload).await });
    }
}

/// Accepts the next connection, of any of the listeners, and returns which. It ignores errors of a single client. If the
/// process has run out of descriptors, it waits: closing the listener would turn a shortage into an outage.
pub(crate) async fn accept(listeners: &[TcpListener], turn: &mut usize) -> (TcpStream, usize) {
    loop {
        // Each listener comes first in turn, so a flood at one does not block the others.
        *turn = (*turn + 1) % listeners.len();
        let accepted = poll_fn(|cx| {
            let indices = (*turn..listeners.len()).chain(0..*turn);
            for index in indices {
                if let Poll::Ready(accepted) = listeners[index].poll_accept(cx) {
                    return Poll::Ready(accepted.map(|(stream, _)| (stream, index)));
                }
            }
            Poll::Pending
        });
        match accepted.await {
            Ok(accepted) => return accepted,
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
