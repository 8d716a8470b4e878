//! The settings for https.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::socket_address;

/// The default port of the TLS address, as in podinfo's chart.
pub const TLS_PORT: u16 = 9899;

/// Where https is served, and as whom. Without a certificate and a key, it is not.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsSettings {
    /// The certificate chain for https in PEM form, the server's own certificate first. It is read again when the file changes.
    /// Needs --tls-key
    #[arg(long, env = "SHOPFRONT_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of the certificate in PEM form, without a password
    #[arg(long, env = "SHOPFRONT_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Addresses that serve https, beside --address [default: the IPs of --address, port 9899]
    #[arg(long, env = "SHOPFRONT_TLS_ADDRESS", value_name = "IP:PORT,…", value_parser = socket_address, value_delimiter = ',')]
    pub tls_address: Vec<SocketAddr>,
}

/// The files of a certificate and its key.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsSettings {
    /// The files, if https is served. An error says which setting is missing.
    pub fn files(&self) -> Result<Option<TlsFiles>, &'static str> {
        if [&self.tls_cert, &self.tls_key].into_iter().flatten().any(|file| is_content(file)) {
            return Err(
                "--tls-cert and --tls-key (or SHOPFRONT_TLS_CERT and SHOPFRONT_TLS_KEY) must be the paths of files, \
                not what is in them",
            );
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate: certificate.clone(), key: key.clone() })),
            (Some(_), None) => {
                Err("--tls-cert needs the private key of the certificate: set --tls-key (or SHOPFRONT_TLS_KEY)")
            }
            (None, Some(_)) => {
                Err("--tls-key needs the certificate of the key: set --tls-cert (or SHOPFRONT_TLS_CERT)")
            }
            (None, None) if !self.tls_address.is_empty() => {
                Err("--tls-address needs a certificate: set --tls-cert and --tls-key \
                    (or SHOPFRONT_TLS_CERT and SHOPFRONT_TLS_KEY)")
            }
            (None, None) => Ok(None),
        }
    }

    /// The addresses for https of a service at these addresses. If a port of theirs is 0, so is its TLS port.
    pub fn addresses(&self, plain: &[SocketAddr]) -> Vec<SocketAddr> {
        if self.tls_address.is_empty() { super::beside(plain, TLS_PORT) } else { self.tls_address.clone() }
    }
}

/// Whether somebody has set a variable to the content of the file: in PEM form, or in base64 as `kubectl get secret` prints it.
/// It may be the key, so no message repeats it.
fn is_content(file: &Path) -> bool {
    let text = file.to_string_lossy();
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c) || c.is_ascii_whitespace();
    text.contains("-----BEGIN") || text.len() >= LEAST_BASE64 && !text.starts_with('/') && text.chars().all(is_base64)
}

/// The shortest key is longer, and hardly any relative path without a dot, a hyphen or an underscore is.
const LEAST_BASE64: usize = 48;
