//! A service with a certificate of its own, and clients that verify it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use rcgen::{CertificateParams, DnType, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{PATIENCE, Server};

/// A certificate for `localhost` that is its own authority, and its key.
pub struct Pair {
    pub certificate: String,
    pub key: String,
    der: CertificateDer<'static>,
}

static NUMBER: AtomicUsize = AtomicUsize::new(1);

impl Pair {
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("ring has randomness");
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("the name is valid");
        // Another authority each time: its name is how a client looks for it.
        let number = NUMBER.fetch_add(1, SeqCst);
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        let certificate = params.self_signed(&key).expect("the key signs");
        Self { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().clone() }
    }

    /// Writes both files as a Secret has them.
    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("tls.crt"), &self.certificate).unwrap();
        std::fs::write(folder.join("tls.key"), &self.key).unwrap();
    }
}

/// The service with a certificate, on free ports.
pub struct TlsServer {
    pub server: Server,
    pub address: SocketAddr,
    pub pair: Pair,
    pub files: TempDir,
}

impl TlsServer {
    pub async fn start(flags: &[&str]) -> Self {
        let (pair, files) = (Pair::new(), tempfile::tempdir().unwrap());
        pair.write(files.path());
        Self::start_in(pair, files, PathBuf::new().as_path(), flags).await
    }

    /// Starts it with the files in a folder below that of the test.
    pub async fn start_in(pair: Pair, files: TempDir, folder: &Path, flags: &[&str]) -> Self {
        let path = |name| files.path().join(folder).join(name).to_str().expect("the path is UTF-8").to_owned();
        let (certificate, key) = (path("tls.crt"), path("tls.key"));
        let flags = [&["--tls-cert", &certificate, "--tls-key", &key][..], flags].concat();
        let mut server = Server::start(&flags).await;
        let line = server.logged("https is served").await;
        let address = line["address"].as_str().unwrap().parse().unwrap();
        Self { server, address, pair, files }
    }

    /// Connects a client that accepts this service's certificate alone.
    pub async fn connect(&self, alpn: &[&str]) -> TlsStream<TcpStream> {
        connect(self.address, &self.pair, alpn).await.expect("the handshake succeeds")
    }

    /// Sends a request on a new connection, and reads until the service closes.
    pub async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect(&["http/1.1"]).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    }
}

/// A request that is the last of its connection.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

pub async fn connect(address: SocketAddr, trusted: &Pair, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
    let connector = connector(trusted, alpn, &[&TLS13, &TLS12]);
    let stream = TcpStream::connect(address).await?;
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
}

pub fn connector(
    trusted: &Pair,
    alpn: &[&str],
    versions: &[&'static tokio_rustls::rustls::SupportedProtocolVersion],
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// Reads until the other side closes. It has to do that by TLS's own close, too.
pub async fn read_to_end(stream: &mut TlsStream<TcpStream>) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("the service closes the connection").expect("it sends close_notify first");
    String::from_utf8_lossy(&answer).into_owned()
}
