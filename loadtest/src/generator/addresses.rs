//! The target's addresses: looked up in the background, and taken in turn.

#[cfg(test)]
mod names;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::generator::endpoint::Endpoint;
use crate::generator::failure::Failure;
use crate::journal::ObservedEvent;

/// Between two lookups, and for how much longer where no connection has failed since.
const AT_LEAST: Duration = Duration::from_secs(1);
const UNDOUBTED: Duration = Duration::from_secs(4);

/// How long an address has to itself, before the next one is tried beside it: RFC 8305's recommendation.
const HEAD_START: Duration = Duration::from_millis(250);

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
    pub async fn keep_up(&self, tell: impl Fn(ObservedEvent)) {
        if self.endpoint.ip().is_none() {
            let (host, port) = (self.endpoint.host(), self.endpoint.port());
            self.follow(async || Ok(lookup_host((host, port)).await?.collect()), tell).await;
        }
    }

    /// The same, by whatever looks the name up.
    async fn follow(&self, look_up: impl AsyncFn() -> io::Result<Vec<SocketAddr>>, tell: impl Fn(ObservedEvent)) {
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
                        tell(ObservedEvent::HostResolved { host: host.to_owned() });
                    }
                    *self.known.borrow_mut() = addresses;
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tell(ObservedEvent::HostUnresolved {
                            host: host.to_owned(),
                            why: error.to_string(),
                            keeps_addresses: !self.known.borrow().is_empty(),
                        });
                    }
                }
            }
            self.looked_up.set(true);
            self.first.notify_waiters();
            tokio::time::sleep(AT_LEAST).await;
            let _ = tokio::time::timeout(UNDOUBTED, self.doubted.notified()).await;
        }
    }

    /// A connection to the address whose turn it is; where that one is refused, or says nothing for [`HEAD_START`], to
    /// whichever is first of it and the next ones. Those that came off worse have no turn until the next lookup.
    pub async fn connect(&self) -> Result<TcpStream, Failure> {
        if !self.looked_up.get() {
            self.first.notified().await;
        }
        let only = match self.known.borrow().as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        let connected = match only {
            // Nothing to choose from, and nothing to pay for choosing.
            Some(only) => TcpStream::connect(only).await.map_err(|error| Failure::connecting(&error)),
            None => Box::pin(self.race()).await,
        };
        if connected.is_err() {
            self.doubted.notify_one();
        }
        connected
    }

    async fn race(&self) -> Result<TcpStream, Failure> {
        let all = self.in_turn();
        let mut left = all.iter().copied().enumerate();
        let mut attempts = FuturesUnordered::new();
        let mut failure = Failure::NoSuchHost;
        loop {
            if let Some((place, address)) = left.next() {
                attempts.push(async move { (place, TcpStream::connect(address).await) });
            }
            let last = left.len() == 0;
            let ended = if last { Ok(attempts.next().await) } else { timeout(HEAD_START, attempts.next()).await };
            match ended {
                Ok(Some((place, Ok(stream)))) => {
                    let mut known = self.known.borrow_mut();
                    // Another request may have found the winner the worse one meanwhile: one of them is left.
                    if known.contains(&all[place]) {
                        known.retain(|known| !all[..place].contains(known));
                    }
                    return Ok(stream);
                }
                Ok(Some((_, Err(error)))) => failure = Failure::connecting(&error),
                Ok(None) => break,
                // It goes on, beside the next one.
                Err(_) => {}
            }
        }
        Err(failure)
    }

    /// All of them once, from the one whose turn it is on: one request's own, as others take their turns meanwhile.
    fn in_turn(&self) -> Vec<SocketAddr> {
        let mut all = self.known.borrow().clone();
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        if let Some(first) = turn.checked_rem(all.len()) {
            all.rotate_left(first);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Instant;

    use tokio::net::TcpSocket;

    use super::*;

    /// A listener that never accepts, and whose queue is full: whoever connects gets no answer.
    async fn black_hole() -> (tokio::net::TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let hole = socket.listen(0).unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = timeout(HEAD_START, TcpStream::connect(hole.local_addr().unwrap())).await {
            waiting.push(stream.unwrap());
            assert!(waiting.len() < 100, "its queue never fills");
        }
        (hole, waiting)
    }

    pub(super) fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    fn addresses(known: &[SocketAddr]) -> Addresses {
        let addresses = Addresses::new("http://shop.example/".parse().unwrap());
        addresses.looked_up.set(true);
        addresses.known.replace(known.to_vec());
        addresses
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_costs_one_head_start() {
        let (hole, _waiting) = black_hole().await;
        let (_listener, good) = listener();
        let addresses = addresses(&[hole.local_addr().unwrap(), good]);
        let begun = Instant::now();
        let stream = timeout(Duration::from_secs(20), addresses.connect()).await.expect("in time").unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(begun.elapsed() >= HEAD_START, "the first had its time: {:?}", begun.elapsed());
        assert_eq!(*addresses.known.borrow(), [good], "no other request has to find out");
    }

    #[tokio::test]
    async fn a_request_that_comes_during_the_head_start_takes_no_address_from_the_one_that_waits() {
        let (hole, _waiting) = black_hole().await;
        let (_listener, good) = listener();
        let addresses = addresses(&[hole.local_addr().unwrap(), good]);
        let both = async { tokio::join!(addresses.connect(), addresses.connect()) };
        let (waited, other) = timeout(Duration::from_secs(20), both).await.expect("in time");
        for connected in [waited, other] {
            assert_eq!(connected.unwrap().peer_addr().unwrap(), good);
        }
        assert_eq!(*addresses.known.borrow(), [good]);
    }

    #[tokio::test]
    async fn an_address_that_is_slow_is_not_given_up_for_the_next() {
        let (hole, mut waiting) = black_hole().await;
        let slow = hole.local_addr().unwrap();
        let (other, _others) = black_hole().await;
        let addresses = addresses(&[slow, other.local_addr().unwrap()]);
        let mut connecting = Box::pin(timeout(Duration::from_secs(20), addresses.connect()));
        assert!(timeout(2 * HEAD_START, &mut connecting).await.is_err(), "neither has room, though both were asked");
        let room = async {
            // The queue has room again, and a connection that still asks for it gets it.
            while let Some(stream) = waiting.pop() {
                drop(hole.accept().await.unwrap());
                drop(stream);
            }
        };
        let (connected, ()) = tokio::join!(connecting, room);
        assert_eq!(connected.expect("in time").unwrap().peer_addr().unwrap(), slow);
        assert_eq!(addresses.known.borrow().len(), 2, "the other had no time to prove itself");
    }

    #[tokio::test]
    async fn where_nobody_listens_the_last_failure_is_told() {
        let closed = || listener().1;
        let addresses = addresses(&[closed(), closed()]);
        assert_eq!(addresses.connect().await.unwrap_err(), Failure::Refused);
        assert_eq!(addresses.known.borrow().len(), 2, "they are all there is");
    }
}
