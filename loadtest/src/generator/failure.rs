//! How errors of sockets, TLS and HTTP/2 become a [`Failure`].

use std::error::Error as _;
use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error as TlsError};

pub use crate::journal::Failure;

/// A failure, and what the system or a library says of it, which becomes a text only if it is an example.
#[derive(Debug)]
pub(super) struct Failed {
    pub class: Failure,
    pub detail: Detail,
}

/// What is known besides the class.
#[derive(Debug)]
pub(super) enum Detail {
    Nothing,
    Io(io::Error),
    Http2(String),
}

impl From<Failure> for Failed {
    fn from(class: Failure) -> Self {
        Self { class, detail: Detail::Nothing }
    }
}

impl Failed {
    /// Why connecting failed.
    pub fn connecting(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        /// `EMFILE` and `ENFILE`, for which the standard library has no kind.
        const NO_DESCRIPTORS: [i32; 2] = [24, 23];
        let class = match error.kind() {
            Kind::ConnectionRefused => Failure::Refused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => Failure::Unreachable,
            Kind::TimedOut => Failure::NoConnection,
            Kind::AddrNotAvailable | Kind::AddrInUse => Failure::NothingLeft,
            Kind::ConnectionReset => Failure::Reset,
            _ if error.raw_os_error().is_some_and(|number| NO_DESCRIPTORS.contains(&number)) => Failure::NothingLeft,
            _ => Failure::NotConnected,
        };
        Self { class, detail: Detail::Io(error) }
    }

    /// Why a TLS handshake failed.
    pub fn handshake(error: io::Error) -> Self {
        let tls = error.get_ref().and_then(|error| error.downcast_ref::<TlsError>());
        let class = match tls {
            Some(TlsError::InvalidCertificate(certificate)) => match certificate {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Failure::CertificateExpired,
                // The second is that of an authority with the same name and another key.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => Failure::UnknownAuthority,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    Failure::CertificateName
                }
                _ => Failure::CertificateUnusable,
            },
            Some(TlsError::AlertReceived(AlertDescription::NoApplicationProtocol)) => Failure::NoHttp2,
            Some(_) => Failure::TlsFailed,
            None => match class_of(&error) {
                // A server that hangs up on a handshake does not want it.
                Failure::Closed => Failure::TlsFailed,
                other => other,
            },
        };
        Self { class, detail: Detail::Io(error) }
    }

    /// Why an established connection failed.
    pub fn talking(error: io::Error) -> Self {
        Self { class: class_of(&error), detail: Detail::Io(error) }
    }

    /// Why hyper's HTTP/2 failed.
    pub fn http2(error: &hyper::Error) -> Self {
        let mut source = error.source();
        let mut deepest = error.to_string();
        while let Some(error) = source {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return Self { class: class_of(io), detail: Detail::Http2(io.to_string()) };
            }
            deepest = error.to_string();
            source = error.source();
        }
        let class = if error.is_canceled() || error.is_closed() { Failure::Closed } else { Failure::BrokenOff };
        Self { class, detail: Detail::Http2(deepest) }
    }
}

/// What an error of an established connection is.
fn class_of(error: &io::Error) -> Failure {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => Failure::Reset,
        Kind::TimedOut => Failure::NoAnswer,
        Kind::InvalidData => Failure::Malformed,
        _ => Failure::Closed,
    }
}
