//! TLS: the handshake, and the certificate that it shows.

mod certificate;

use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::config::TlsFiles;
use certificate::Pair;

/// The names of the protocols in ALPN (RFC 7301, section 6; RFC 9113, section 3.2).
pub(super) const HTTP2: &[u8] = b"h2";
pub(super) const HTTP1: &[u8] = b"http/1.1";

/// The first byte of a TLS client: the type of a record with a handshake (RFC 8446, section 5.1).
pub(super) const HANDSHAKE: u8 = 22;

/// The alert `internal_error` in a record of its own, before there are keys (RFC 8446, section 6.2).
pub(super) const INTERNAL_ERROR: &[u8] = &[21, 3, 3, 0, 2, 2, 80];

/// The maximum that waits to be sent, in plain text. rustls' own is four times as much.
const MAX_UNSENT_BYTES: usize = 16 * 1024;

/// What a TLS connection may hold beyond one without: 64 KiB of a handshake message that has not ended (rustls' limit), what has
/// been decrypted, what waits to be sent, and the session.
pub(super) const TLS_BYTES: usize = (64 + 16 + 16 + 16) * 1024;

/// How often the files are compared with what is served. The kubelet takes up to a minute to update a mounted Secret.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// How often failed handshakes are logged.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// What the TLS address serves with. Its clones are the same.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    config: RwLock<Arc<ServerConfig>>,
    failures: Mutex<Failures>,
}

/// Handshakes that failed since the last line about them.
#[derive(Default)]
struct Failures {
    count: u64,
    logged: Option<Instant>,
}

impl Tls {
    /// Reads the files, and follows their changes until the process ends. An error says what to change.
    pub fn start(files: TlsFiles) -> io::Result<Self> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
        let pair = Pair::read(&files).map_err(invalid)?;
        let config = RwLock::new(pair.server_config().map_err(invalid)?);
        let served = pair.digest();
        let tls = Self(Arc::new(Shared { config, failures: Mutex::default() }));
        let following = tls.clone();
        // A thread, because a file system may be slow, and no client should wait for it.
        let thread = std::thread::Builder::new().name("certificate".to_owned());
        thread.spawn(move || following.follow(&files, served))?;
        Ok(tls)
    }

    /// Serves with the new pair each time the files have changed. A pair that cannot be used changes nothing.
    fn follow(&self, files: &TlsFiles, mut served: [u8; 32]) {
        // What is wrong, and whether it was logged. It is logged when it is seen for the second time: whoever writes the files
        // one after the other leaves a pair for a moment that does not belong together.
        let mut problem: Option<(String, bool)> = None;
        loop {
            std::thread::sleep(RELOAD_INTERVAL);
            match changed(files, served) {
                Ok(None) => problem = None,
                Ok(Some(Change { digest, config })) => {
                    *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
                    (served, problem) = (digest, None);
                    tracing::info!(certificate = %files.certificate.display(), "the certificate has changed; new connections get the new one");
                }
                Err(message) => {
                    let (is_known, was_logged) =
                        problem.as_ref().map_or((false, false), |(known, logged)| (*known == message, *logged));
                    if is_known && !was_logged {
                        tracing::warn!("still serving the previous certificate: {message}");
                    }
                    problem = Some((message, is_known));
                }
            }
        }
    }

    /// Completes a client's handshake. If it fails, the stream is returned, on which the client has been told why.
    pub(super) async fn accept(&self, stream: TcpStream) -> Result<Box<TlsStream<TcpStream>>, TcpStream> {
        let config = Arc::clone(&self.0.config.read().unwrap_or_else(PoisonError::into_inner));
        let accepting = TlsAcceptor::from(config)
            .accept_with(stream, |session| session.set_buffer_limit(Some(MAX_UNSENT_BYTES)))
            .into_fallible();
        match accepting.await {
            Ok(stream) => Ok(Box::new(stream)),
            Err((error, stream)) => {
                self.failed(&error.to_string());
                Err(stream)
            }
        }
    }

    /// Counts a failed handshake. The first is logged, and then one line a minute, whatever clients do.
    pub(super) fn failed(&self, why: &str) {
        let mut failures = self.0.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.count += 1;
        if failures.logged.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL) {
            tracing::warn!(failed = failures.count, latest = why, "TLS handshakes failed");
            *failures = Failures { count: 0, logged: Some(Instant::now()) };
        }
    }
}

/// Another pair than the one that is served.
struct Change {
    digest: [u8; 32],
    config: Arc<ServerConfig>,
}

/// What the files contain, if it is another pair than the one that is served.
fn changed(files: &TlsFiles, served: [u8; 32]) -> Result<Option<Change>, String> {
    let pair = Pair::read(files)?;
    let digest = pair.digest();
    if digest == served { Ok(None) } else { Ok(Some(Change { digest, config: pair.server_config()? })) }
}
