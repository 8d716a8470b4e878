//! Why a request got no answer: a closed set, so that a journal stays small whatever a target does.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
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
    /// The certificate has expired, or is not valid yet.
    CertificateExpired,
    /// No authority that is trusted has issued the certificate.
    UnknownAuthority,
    /// The certificate is for other names.
    CertificateName,
    /// The certificate is none that a server can have.
    CertificateUnusable,
    /// No TLS connection, for any other reason.
    TlsFailed,
    /// The TLS handshake did not end within the timeout.
    NoHandshake,
    /// The server does not speak HTTP/2.
    NoHttp2,
    /// The connection was reset before the answer's end.
    Reset,
    /// The connection was closed before the answer's end.
    Closed,
    /// The answer is not HTTP.
    Malformed,
    /// One side ended an HTTP/2 stream or connection with an error, for example because the other does not support it.
    BrokenOff,
    /// No answer within the timeout.
    NoAnswer,
    /// An answer that began, and did not end within the timeout.
    Unfinished,
}

impl Failure {
    /// All failures, each at its own index.
    pub const ALL: [Self; 19] = [
        Self::NoSuchHost,
        Self::Refused,
        Self::Unreachable,
        Self::NoConnection,
        Self::NothingLeft,
        Self::NotConnected,
        Self::CertificateExpired,
        Self::UnknownAuthority,
        Self::CertificateName,
        Self::CertificateUnusable,
        Self::TlsFailed,
        Self::NoHandshake,
        Self::NoHttp2,
        Self::Reset,
        Self::Closed,
        Self::Malformed,
        Self::BrokenOff,
        Self::NoAnswer,
        Self::Unfinished,
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
            Self::CertificateExpired => "TLS certificate expired or not valid yet".to_owned(),
            Self::UnknownAuthority => "TLS certificate of an unknown authority".to_owned(),
            Self::CertificateName => "TLS certificate for another name".to_owned(),
            Self::CertificateUnusable => "TLS certificate cannot be used".to_owned(),
            Self::TlsFailed => "TLS handshake failed".to_owned(),
            Self::NoHandshake => format!("no TLS handshake in {}", humantime::format_duration(timeout)),
            Self::NoHttp2 => "no HTTP/2 at the target".to_owned(),
            Self::Reset => "connection reset".to_owned(),
            Self::Closed => "closed before the answer's end".to_owned(),
            Self::Malformed => "malformed answer".to_owned(),
            Self::BrokenOff => "HTTP/2 broken off".to_owned(),
            Self::NoAnswer => format!("no answer in {}", humantime::format_duration(timeout)),
            Self::Unfinished => format!("answer not complete in {}", humantime::format_duration(timeout)),
        }
    }

    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::NoSuchHost => "Check the name in the URL, or give the address with --connect-to",
            Self::Refused => "Check the port, and that the target listens on it",
            Self::Unreachable => {
                "Check the route, the firewall and the network policies between this machine and the target"
            }
            Self::NoConnection => {
                "A firewall may drop the packets, or the target's queue of connections is full: check both, and the target's CPU"
            }
            Self::NothingLeft => {
                "Keep connections with --requests-per-connection, raise the limit of open files, or share the load with --generators"
            }
            Self::NotConnected => "Check the network between this machine and the target",
            Self::CertificateExpired => "Renew the target's certificate, or check this machine's clock",
            Self::UnknownAuthority => {
                "Give the authority's certificate with --cacert, or add the intermediate ones to the target"
            }
            Self::CertificateName => {
                "Use a host name of the certificate in the URL; --connect-to sends it to another address"
            }
            Self::CertificateUnusable => {
                "An authority's own certificate, as `openssl req -x509` makes it, is no server certificate: issue one with \
                 CA:FALSE, or use --insecure"
            }
            Self::TlsFailed => "Check that the port speaks TLS, and which versions it allows",
            Self::NoHandshake => {
                "The target is too slow for so many new connections: check its CPU, or keep connections; if it never answers, check the port, or use http://"
            }
            Self::NoHttp2 => "Leave out --http2, or enable HTTP/2 at the target",
            Self::Reset => "The target or a proxy ended the connection: check its log, restarts and limits",
            Self::Closed => {
                "The target closed the connection: check its log, restarts and keep-alive timeout, or use the other of http:// and https://"
            }
            Self::Malformed => "Check that the port speaks HTTP, and whether it expects https:// or --http2",
            Self::BrokenOff => "Check that the target speaks HTTP/2, and its limits of streams",
            Self::NoAnswer => {
                "The target is too slow for this load: check its CPU and what it waits for, or raise --timeout"
            }
            Self::Unfinished => {
                "The target sends its answer too slowly: check its size and the network, or raise --timeout"
            }
        }
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
