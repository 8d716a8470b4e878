//! Sockets: listens, accepts within bounds, and drains so that no client notices.

mod attended;
mod connection;
mod head;
mod pulse;
mod slots;
mod transport;

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tower::Service;

use crate::config::Limits;
use crate::lifecycle::{Lifecycle, Phase};
use crate::metrics::Metrics;
use attended::House;
use connection::Connections;
use slots::Slots;

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

/// Connections that the kernel holds ready until they are accepted. The usual 128 overflow in a burst of clients, each
/// of which then waits a second for its next try; the kernel's own limit (`net.core.somaxconn`) holds all the same.
const BACKLOG: u32 = 4096;

/// Takes an address. An error says which address it was, and what to do about it where that is known.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart need not wait for the last run's connections to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::AddrInUse => "the port is in use",
            ErrorKind::PermissionDenied => "ports below 1024 need a privilege",
            ErrorKind::AddrNotAvailable => "this machine has no such address",
            _ => "choose another address",
        };
        let message = format!("cannot listen on {address}: {advice} ({error}); set --address or SHOPFRONT_ADDRESS");
        io::Error::new(error.kind(), message)
    })
}

/// Serves until the lifecycle says `Stopping`, then finishes what is in flight within `shutdown_timeout`.
///
/// Moves the lifecycle to `Ready` once connections are accepted. Fails only where the listener cannot be used at all.
pub async fn serve<S: HttpService>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    shutdown_timeout: Duration,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
) -> io::Result<()> {
    let slots = Arc::new(Slots::new(limits.max_connections));
    let house = House::new(lifecycle.clone(), Arc::clone(&slots));
    let connections = Arc::new(Connections::new(service, limits, house, metrics));
    let start = |stream: TcpStream, slot: OwnedSemaphorePermit| {
        let connections = Arc::clone(&connections);
        tokio::spawn(async move {
            connections.serve(stream).await;
            drop(slot);
        })
    };

    tracing::info!(address = %listener.local_addr()?, "serving");
    lifecycle.advance(Phase::Ready);
    let mut stopping = std::pin::pin!(lifecycle.reached(Phase::Stopping));
    loop {
        let accepted = async {
            let slot = slots.acquire().await;
            (accept(&listener).await, slot)
        };
        tokio::select! {
            (stream, slot) = accepted => drop(start(stream, slot)),
            () = &mut stopping => break,
        }
    }
    let rest = async {
        // Clients that the kernel has already connected are owed an answer; closing the listener would reset them.
        // Unconstrained, or tokio would feign an empty queue after a hundred.
        while let Some(Ok((stream, _))) = tokio::task::unconstrained(listener.accept()).now_or_never() {
            drop(start(stream, slots.acquire().await));
        }
        drop(listener);
        slots.all_free().await;
    };
    if tokio::time::timeout(shutdown_timeout, rest).await.is_ok() {
        tracing::info!("stopped: every connection has ended");
    } else {
        tracing::warn!(connections = slots.taken(), "stopped: the shutdown timeout cut connections off");
    }
    Ok(())
}

/// Takes the next connection. An error that only concerns that client is passed over; one that concerns the process
/// (no descriptor is free) is waited out, since closing the listener would turn a shortage into an outage.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
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
