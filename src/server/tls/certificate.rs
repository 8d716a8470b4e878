//! The certificate and its key: reads the files, checks that they belong together, and reads them again when they change.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{Error, ServerConfig};

use super::{HTTP1, HTTP2};
use crate::config::TlsFiles;

/// A chain is a few KiB long. Whatever else a path leads to must not fill the memory.
const MAX_FILE_BYTES: u64 = 1 << 20;

const CERTIFICATE_SETTING: &str = "set --tls-cert or SHOPFRONT_TLS_CERT";
const KEY_SETTING: &str = "set --tls-key or SHOPFRONT_TLS_KEY";

/// What the files contain.
pub(super) struct Pair<'a> {
    files: &'a TlsFiles,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl<'a> Pair<'a> {
    /// Reads both files. An error says what to change, and so do those of [`Pair::server_config`].
    pub(super) fn read(files: &'a TlsFiles) -> Result<Self, String> {
        Ok(Self {
            files,
            certificate: read(&files.certificate).map_err(|error| format!("{error}; {CERTIFICATE_SETTING}"))?,
            key: read(&files.key).map_err(|error| format!("{error}; {KEY_SETTING}"))?,
        })
    }

    /// A digest of both: two pairs with the same one are the same.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.certificate.len().to_be_bytes());
        digest.update(&self.certificate);
        digest.update(&self.key);
        digest.finalize().into()
    }

    /// What rustls serves with this pair, if the key is that of the certificate.
    pub(super) fn server_config(&self) -> Result<Arc<ServerConfig>, String> {
        let (certificate, key) = (self.files.certificate.display(), self.files.key.display());
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be used: {error}"))?
            .with_no_client_auth();
        let mut config = builder.with_single_cert(self.chain()?, self.private_key()?).map_err(|error| match error {
            Error::InconsistentKeys(_) => {
                format!(
                    "the private key in {key} is not that of the first certificate in {certificate}; put the server's \
                     certificate first, and set --tls-cert and --tls-key to a pair"
                )
            }
            Error::General(_) => {
                format!(
                    "the private key in {key} is of a kind that is not supported; use ECDSA (P-256 or P-384), RSA with \
                     2048 bits or more, or Ed25519, or {KEY_SETTING}"
                )
            }
            error => format!("the certificate in {certificate} cannot be used: {error}; {CERTIFICATE_SETTING}"),
        })?;
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        Ok(Arc::new(config))
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let file = self.files.certificate.display();
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        match chain {
            Ok(chain) if chain.is_empty() => Err(format!(
                "{file} has no certificate in PEM form, which begins with -----BEGIN CERTIFICATE-----; {CERTIFICATE_SETTING}"
            )),
            Ok(chain) => Ok(chain),
            Err(error) => Err(format!("{file} cannot be read as PEM: {}; {CERTIFICATE_SETTING}", described(&error))),
        }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, String> {
        let file = self.files.key.display();
        PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| match error {
            pem::Error::NoItemsFound | pem::Error::Base64Decode(_) if self.has_encrypted_key() => {
                format!("the private key in {file} has a password; store it without one (`openssl pkey`), or {KEY_SETTING}")
            }
            pem::Error::NoItemsFound => {
                format!("{file} has no private key in PEM form, which begins with -----BEGIN PRIVATE KEY-----; {KEY_SETTING}")
            }
            error => format!("{file} cannot be read as PEM: {}; {KEY_SETTING}", described(&error)),
        })
    }

    fn has_encrypted_key(&self) -> bool {
        let key = String::from_utf8_lossy(&self.key);
        ENCRYPTED.iter().any(|mark| key.contains(mark))
    }
}

/// In PKCS #8, and in OpenSSL's older form (RFC 1421).
const ENCRYPTED: [&str; 2] = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];

/// Reads a file, and nothing else: a pipe would wait for its writer.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let unread = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => format!("{shown} does not exist"),
        ErrorKind::PermissionDenied => format!("the service's user may not read {shown}"),
        _ => format!("cannot read {shown}: {error}"),
    };
    if !path.metadata().map_err(unread)?.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(unread)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).map_err(unread)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("{shown} is longer than 1 MiB"));
    }
    Ok(content)
}

/// Why a PEM file cannot be read. The library prints parts of the file, which may be the key's.
fn described(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a line that begins with -----END is missing",
        pem::Error::IllegalSectionStart { .. } => "a line that begins with -----BEGIN is incomplete",
        pem::Error::Base64Decode(_) => "it is not in base64",
        _ => "it has another form",
    }
}
