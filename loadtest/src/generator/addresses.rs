//! The target's addresses: resolved in the background, and used in turn.

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

use crate::generator::endpoint::Place;
use crate::generator::failure::{Failed, Failure};
use crate::journal::ObservedEvent;

/// Between two lookups, and how much longer if no connection has failed since.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
const UNLESS_FAILED: Duration = Duration::from_secs(4);

/// How long one address is tried alone before the next is tried as well: RFC 8305's recommendation.
const HEAD_START: Duration = Duration::from_millis(250);

/// The addresses of a host name. A load balancer's name has several, which change.
pub(super) struct Addresses {
    place: Place,
    known: RefCell<Vec<SocketAddr>>,
    turn: Cell<usize>,
    /// A lookup has ended, with or without an address.
    resolved: Cell<bool>,
    first: Notify,
    /// A connection has failed.
    failed: Notify,
}

impl Addresses {
    pub fn new(place: Place) -> Self {
        let fixed: Vec<_> = place.ip().map(|ip| SocketAddr::new(ip, place.port)).into_iter().collect();
        Self {
            place,
            resolved: Cell::new(!fixed.is_empty()),
            known: RefCell::new(fixed),
            turn: Cell::new(0),
            first: Notify::new(),
            failed: Notify::new(),
        }
    }

    /// Resolves the name again and again, and reports when it loses its address and when it has one again. Its last
    /// addresses stay in use meanwhile. Ends at once if the host is an address.
    pub async fn refresh(&self, report: impl Fn(ObservedEvent)) {
        if self.place.ip().is_none() {
            let (host, port) = (self.place.host.as_str(), self.place.port);
            self.refresh_with(async || Ok(lookup_host((host, port)).await?.collect()), report).await;
        }
    }

    /// The same with this resolver.
    async fn refresh_with(
        &self,
        resolve: impl AsyncFn() -> io::Result<Vec<SocketAddr>>,
        report: impl Fn(ObservedEvent),
    ) {
        let host = self.place.host.as_str();
        let mut failing = false;
        loop {
            match resolve().await {
                Ok(found) => {
                    let mut addresses: Vec<SocketAddr> = Vec::new();
                    for address in found {
                        if !addresses.contains(&address) {
                            addresses.push(address);
                        }
                    }
                    if std::mem::take(&mut failing) {
                        report(ObservedEvent::HostResolved { host: host.to_owned() });
                    }
                    *self.known.borrow_mut() = addresses;
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        report(ObservedEvent::HostUnresolved {
                            host: host.to_owned(),
                            why: error.to_string(),
                            keeps_addresses: !self.known.borrow().is_empty(),
                        });
                    }
                }
            }
            self.resolved.set(true);
            self.first.notify_waiters();
            tokio::time::sleep(MIN_INTERVAL).await;
            let _ = tokio::time::timeout(UNLESS_FAILED, self.failed.notified()).await;
        }
    }

    /// A connection to the next address in turn. If that refuses, or does not answer within [`HEAD_START`], the next
    /// ones are tried as well, and the first to answer is used. The slower ones are left out until the next lookup.
    pub async fn connect(&self) -> Result<(TcpStream, SocketAddr), Failed> {
        if !self.resolved.get() {
            self.first.notified().await;
        }
        let only = match self.known.borrow().as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        let connected = match only {
            // Without a choice, there is nothing to pay for choosing.
            Some(only) => TcpStream::connect(only).await.map(|stream| (stream, only)).map_err(Failed::connecting),
            None => Box::pin(self.race()).await,
        };
        if connected.is_err() {
            self.failed.notify_one();
        }
        connected
    }

    async fn race(&self) -> Result<(TcpStream, SocketAddr), Failed> {
        let all = self.in_turn();
        let mut left = all.iter().copied().enumerate();
        let mut attempts = FuturesUnordered::new();
        let mut failure = Failed::from(Failure::NoSuchHost);
        loop {
            if let Some((place, address)) = left.next() {
                attempts.push(async move { (place, TcpStream::connect(address).await) });
            }
            let last = left.len() == 0;
            let ended = if last { Ok(attempts.next().await) } else { timeout(HEAD_START, attempts.next()).await };
            match ended {
                Ok(Some((place, Ok(stream)))) => {
                    let mut known = self.known.borrow_mut();
                    // Another request may have left the winner out meanwhile: at least one address must stay.
                    if known.contains(&all[place]) {
                        known.retain(|known| !all[..place].contains(known));
                    }
                    return Ok((stream, all[place]));
                }
                Ok(Some((_, Err(error)))) => failure = Failed::connecting(error),
                Ok(None) => break,
                // It continues, beside the next one.
                Err(_) => {}
            }
        }
        Err(failure)
    }

    /// All addresses, from the next in turn on: one request's own list, since others take their turns meanwhile.
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

    /// A listener that never accepts and whose queue is full, so that a client gets no answer.
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
        let addresses = Addresses::new("shop.example:80".parse().unwrap());
        addresses.resolved.set(true);
        addresses.known.replace(known.to_vec());
        addresses
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_costs_one_head_start() {
        let (hole, _waiting) = black_hole().await;
        let (_listener, good) = listener();
        let addresses = addresses(&[hole.local_addr().unwrap(), good]);
        let begun = Instant::now();
        let (stream, _) = timeout(Duration::from_secs(20), addresses.connect()).await.expect("in time").unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(begun.elapsed() >= HEAD_START, "the first had its time: {:?}", begun.elapsed());
        assert_eq!(*addresses.known.borrow(), [good], "no other request has to find out");
    }

    #[tokio::test]
    async fn concurrent_requests_both_reach_the_address_that_answers() {
        let (hole, _waiting) = black_hole().await;
        let (_listener, good) = listener();
        let addresses = addresses(&[hole.local_addr().unwrap(), good]);
        let both = async { tokio::join!(addresses.connect(), addresses.connect()) };
        let (waited, other) = timeout(Duration::from_secs(20), both).await.expect("in time");
        for connected in [waited, other] {
            let (stream, address) = connected.unwrap();
            assert_eq!((stream.peer_addr().unwrap(), address), (good, good));
        }
        assert_eq!(*addresses.known.borrow(), [good]);
    }

    #[tokio::test]
    async fn a_slow_address_is_still_awaited_beside_the_next() {
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
        assert_eq!(connected.expect("in time").unwrap().0.peer_addr().unwrap(), slow);
        assert_eq!(addresses.known.borrow().len(), 2, "the other had no time to prove itself");
    }

    #[tokio::test]
    async fn if_all_addresses_refuse_the_last_failure_is_returned() {
        let closed = || listener().1;
        let addresses = addresses(&[closed(), closed()]);
        assert_eq!(addresses.connect().await.unwrap_err().class, Failure::Refused);
        assert_eq!(addresses.known.borrow().len(), 2, "they are all there is");
    }
}
