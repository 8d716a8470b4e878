//! The target's addresses: looked up in the background, and taken in turn.

#[cfg(test)]
mod names;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Notify;

use super::endpoint::Endpoint;
use super::failure::Failure;

/// Between two lookups, and for how much longer where no connection has failed since.
const AT_LEAST: Duration = Duration::from_secs(1);
const UNDOUBTED: Duration = Duration::from_secs(4);

/// What a host's name stands for. A load balancer's has several addresses, which change.
pub(super) struct Addresses {
    endpoint: Endpoint,
    known: RefCell<Vec<SocketAddr>>,
    turn: Cell<usize>,
    /// A lookup came to its end, whatever that was.
    looked_up: Cell<bool>,
    first: Notify,
    /// A connection has failed.
    doubted: Notify,
}

impl Addresses {
    pub fn new(endpoint: Endpoint) -> Self {
        let fixed: Vec<_> = endpoint.ip().map(|ip| SocketAddr::new(ip, endpoint.port())).into_iter().collect();
        Self {
            endpoint,
            looked_up: Cell::new(!fixed.is_empty()),
            known: RefCell::new(fixed),
            turn: Cell::new(0),
            first: Notify::new(),
            doubted: Notify::new(),
        }
    }

    /// Looks the name up again and again, and tells of a name that has no address any more, or has one again. Its last
    /// addresses stay in use meanwhile. Ends at once where there is nothing to look up.
    pub async fn keep_up(&self, tell: impl Fn(Result<String, String>)) {
        if self.endpoint.ip().is_none() {
            let (host, port) = (self.endpoint.host(), self.endpoint.port());
            self.follow(async || Ok(lookup_host((host, port)).await?.collect()), tell).await;
        }
    }

    /// The same, by whatever looks the name up.
    async fn follow(
        &self,
        look_up: impl AsyncFn() -> io::Result<Vec<SocketAddr>>,
        tell: impl Fn(Result<String, String>),
    ) {
        let host = self.endpoint.host();
        let mut failing = false;
        loop {
            match look_up().await {
                Ok(found) => {
                    let mut addresses: Vec<SocketAddr> = Vec::new();
                    for address in found {
                        if !addresses.contains(&address) {
                            addresses.push(address);
                        }
                    }
                    if std::mem::take(&mut failing) {
                        tell(Ok(format!("{host} has an address again")));
                    }
                    *self.known.borrow_mut() = addresses;
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tell(Err(match self.known.borrow().len() {
                            0 => format!("{host} has no address: {error}"),
                            _ => format!("{host} has no address any more, its last ones stay in use: {error}"),
                        }));
                    }
                }
            }
            self.looked_up.set(true);
            self.first.notify_waiters();
            tokio::time::sleep(AT_LEAST).await;
            let _ = tokio::time::timeout(UNDOUBTED, self.doubted.notified()).await;
        }
    }

    /// A connection to the address whose turn it is, or to the next one that accepts it. Those that did not have no
    /// turn until the next lookup.
    pub async fn connect(&self) -> Result<TcpStream, Failure> {
        if !self.looked_up.get() {
            self.first.notified().await;
        }
        let mut failed: Vec<SocketAddr> = Vec::new();
        let mut failure = Failure::NoSuchHost;
        let tries = self.known.borrow().len();
        for _ in 0..tries {
            let Some(address) = self.next() else { break };
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    if !failed.is_empty() {
                        self.known.borrow_mut().retain(|known| !failed.contains(known));
                    }
                    return Ok(stream);
                }
                Err(error) => {
                    failure = Failure::connecting(&error);
                    failed.push(address);
                }
            }
        }
        self.doubted.notify_one();
        Err(failure)
    }

    fn next(&self) -> Option<SocketAddr> {
        let known = self.known.borrow();
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        known.get(turn.checked_rem(known.len())?).copied()
    }
}
