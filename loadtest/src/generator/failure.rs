//! Why a request got no answer: a closed set, so that a journal stays small whatever a target does.

use std::error::Error as _;
use std::io;
use std::time::Duration;

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The host's name has no address.
    NoSuchHost,
    /// No process listens there.
    Refused,
    /// The network has no route to the host.
    Unreachable,
    /// No connection within the timeout.
    NoConnection,
    /// This machine has no free port or file descriptor left.
    NothingLeft,
    /// No connection, for any other reason.
    NotConnected,
    /// The connection was reset before the answer's end.
    Reset,
    /// The connection was closed before the answer's end.
    Closed,
    /// The answer is not HTTP.
    Malformed,
    /// One side ended an HTTP/2 stream or connection with an error, for example because the other does not support it.
    BrokenOff,
    /// No complete answer within the timeout.
    NoAnswer,
}

impl Failure {
    /// All failures, each at its own index.
    pub const ALL: [Self; 11] = [
        Self::NoSuchHost,
        Self::Refused,
        Self::Unreachable,
        Self::NoConnection,
        Self::NothingLeft,
        Self::NotConnected,
        Self::Reset,
        Self::Closed,
        Self::Malformed,
        Self::BrokenOff,
        Self::NoAnswer,
    ];

    /// Its name in a journal, with this timeout.
    pub fn text(self, timeout: Duration) -> String {
        match self {
            Self::NoSuchHost => "no such host".to_owned(),
            Self::Refused => "connection refused".to_owned(),
            Self::Unreachable => "host unreachable".to_owned(),
            Self::NoConnection => format!("no connection in {}", humantime::format_duration(timeout)),
            Self::NothingLeft => "no local port or file descriptor left".to_owned(),
            Self::NotConnected => "no connection".to_owned(),
            Self::Reset => "connection reset".to_owned(),
            Self::Closed => "closed before the answer's end".to_owned(),
            Self::Malformed => "malformed answer".to_owned(),
            Self::BrokenOff => "HTTP/2 broken off".to_owned(),
            Self::NoAnswer => format!("no answer in {}", humantime::format_duration(timeout)),
        }
    }

    /// Why connecting failed.
    pub(super) fn connecting(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        /// `EMFILE` and `ENFILE`, for which the standard library has no kind.
        const NO_DESCRIPTORS: [i32; 2] = [24, 23];
        match error.kind() {
            Kind::ConnectionRefused => Self::Refused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => Self::Unreachable,
            Kind::TimedOut => Self::NoConnection,
            Kind::AddrNotAvailable | Kind::AddrInUse => Self::NothingLeft,
            Kind::ConnectionReset => Self::Reset,
            _ if error.raw_os_error().is_some_and(|number| NO_DESCRIPTORS.contains(&number)) => Self::NothingLeft,
            _ => Self::NotConnected,
        }
    }

    /// Why an established connection failed.
    pub(super) fn talking(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => Self::Reset,
            Kind::TimedOut => Self::NoAnswer,
            Kind::InvalidData => Self::Malformed,
            _ => Self::Closed,
        }
    }

    /// Why hyper's HTTP/2 failed.
    pub(super) fn http2(error: &hyper::Error) -> Self {
        let mut source = error.source();
        while let Some(error) = source {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return Self::talking(io);
            }
            source = error.source();
        }
        if error.is_canceled() || error.is_closed() { Self::Closed } else { Self::BrokenOff }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_index_and_text() {
        let timeout = Duration::from_secs(10);
        let mut texts: Vec<String> = Failure::ALL.iter().map(|failure| failure.text(timeout)).collect();
        for (place, failure) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, place);
        }
        assert!(texts.contains(&"no answer in 10s".to_owned()));
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), Failure::ALL.len());
    }
}
