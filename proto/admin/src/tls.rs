//! Keys and certificates of the interface, and the names in those of its clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{Error, RootCertStore, ServerConfig, crypto};

use crate::options::CertificateFiles;

/// Why keys and certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file.
    #[error("cannot read {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: pem::Error,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("the certificate and the key cannot be used: {0}")]
    Pair(#[from] Error),
    /// The authorities of clients.
    #[error("the client authorities cannot be used: {0}")]
    Authorities(#[from] VerifierBuilderError),
}

/// The settings in force, and where they come from.
#[derive(Debug)]
pub struct Tls {
    chain: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub fn load(files: CertificateFiles<'_>) -> Result<Self, TlsError> {
        let config = config(files)?;
        Ok(Self {
            chain: files.chain.to_owned(),
            key: files.key.to_owned(),
            client_ca: files.client_ca.map(Path::to_owned),
            config: ArcSwap::from_pointee(config),
        })
    }

    /// The files.
    pub fn paths(&self) -> Vec<PathBuf> {
        let own = [self.chain.clone(), self.key.clone()];
        own.into_iter().chain(self.client_ca.clone()).collect()
    }

    /// Reads the files again; connections from now on see them. Broken ones leave everything as it
    /// was: a key may have been written before its certificate.
    pub fn reload(&self) {
        let files = CertificateFiles {
            chain: &self.chain,
            key: &self.key,
            client_ca: self.client_ca.as_deref(),
        };
        match config(files) {
            Ok(config) => {
                self.config.store(Arc::new(config));
                tracing::info!(file = %self.chain.display(), "a certificate was read again");
            }
            Err(error) => {
                tracing::error!(
                    "the renewed certificate is refused, the last good one stays: {error}"
                );
            }
        }
    }

    /// What accepts the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }
}

fn config(files: CertificateFiles<'_>) -> Result<ServerConfig, TlsError> {
    let chain = certificates(files.chain)?;
    let key = PrivateKeyDer::from_pem_file(files.key)
        .map_err(|error| TlsError::File { path: files.key.to_owned(), error })?;
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match files.client_ca {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path)? {
                roots.add(authority)?;
            }
            // Callers without a certificate may have a token; and health checks need neither.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = |error| TlsError::File { path: path.to_owned(), error };
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(file)?.collect();
    let all = all.map_err(file)?;
    if all.is_empty() { Err(file(pem::Error::NoItemsFound)) } else { Ok(all) }
}

/// The DNS names and URIs that a client's verified certificate is for (RFC 5280, 4.2.1.6).
pub(crate) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(entity) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    entity.valid_dns_names().chain(entity.valid_uri_names()).map(str::to_owned).collect()
}
