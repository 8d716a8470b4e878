//! TLS by rustls, with the same provider of cryptography as the client of the API server.

use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{ClientConfig, Resumption};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Whose certificates are accepted.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// Those of this system's authorities.
    #[default]
    System,
    /// Those of these authorities (`--cacert`).
    Authorities(Vec<CertificateDer<'static>>),
    /// Any (`--insecure`).
    Anybody,
}

/// Why certificates cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file has another format.
    #[error("it has no certificate in PEM form, which begins with -----BEGIN CERTIFICATE-----")]
    NoPem,
    /// A certificate of the file cannot be read.
    #[error("certificate {number} of it cannot be used: {why}")]
    Certificate {
        /// Which, counted from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The system has no authorities.
    #[error("this system has no CA certificates: install the package ca-certificates, or give --cacert FILE")]
    NoSystem,
    /// rustls cannot use the provider.
    #[error("TLS cannot be used: {0}")]
    Provider(#[from] Error),
}

impl Trust {
    /// The authorities of a PEM file.
    pub fn of_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let mut certificates = Vec::new();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let number = index + 1;
            let wrong = |why: String| TrustError::Certificate { number, why };
            let certificate = certificate.map_err(|error| wrong(unread(error)))?;
            RootCertStore::empty().add(certificate.clone()).map_err(|error| wrong(error.to_string()))?;
            certificates.push(certificate);
        }
        if certificates.is_empty() { Err(TrustError::NoPem) } else { Ok(Self::Authorities(certificates)) }
    }

    /// What connects, with HTTP/2 or HTTP/1.1 as the only protocol that is offered.
    pub(super) fn connector(&self, http2: bool) -> Result<TlsConnector, TrustError> {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let roots = match self {
            Self::Anybody => None,
            Self::Authorities(certificates) => Some(certificates.clone()),
            Self::System => Some(rustls_native_certs::load_native_certs().certs),
        };
        let mut config = match roots {
            None => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))).with_no_client_auth()
            }
            Some(certificates) => {
                let mut roots = RootCertStore::empty();
                // A system's store may have certificates that rustls cannot use; those of a file were checked.
                if roots.add_parsable_certificates(certificates).0 == 0 {
                    return Err(TrustError::NoSystem);
                }
                builder.with_root_certificates(roots).with_no_client_auth()
            }
        };
        config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        // Each connection is a new client's, which has no session to resume.
        config.resumption = Resumption::disabled();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// Why a PEM file cannot be read. The library prints its bytes as numbers.
fn unread(error: pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "its last line, which begins with -----END, is missing".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "its first line is not -----BEGIN CERTIFICATE-----".to_owned(),
        pem::Error::Base64Decode(_) => "it is not in base64".to_owned(),
        other => other.to_string(),
    }
}

/// Accepts every certificate, and still verifies that the server has its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
