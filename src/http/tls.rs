//! TLS for those who come over a network, with a certificate that can be renewed while Mover runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;

use crate::config::TlsFiles;

/// Why a certificate cannot be used. No part of a key is ever in it.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or has no PEM of that kind in it.
    #[error("{what} of [http], {}: {problem}", file.display())]
    File {
        /// The setting.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// They do not belong together, or the key is of a kind that nobody uses.
    #[error("tls_cert_file and tls_key_file of [http] cannot be used together: {0}")]
    Pair(rustls::Error),
    /// The library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// The certificate that is shown, which can be exchanged.
#[derive(Debug)]
pub(super) struct Certificate(RwLock<Arc<CertifiedKey>>);

impl Certificate {
    /// Reads it from its files.
    pub(super) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(read(files)?)))
    }

    /// Reads it again; the old one stays if the new one cannot be used.
    pub(super) fn reload(&self, files: &TlsFiles) -> Result<(), TlsError> {
        let new = read(files)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// What a server needs.
    pub(super) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(ring::default_provider().into());
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
        Ok(builder.with_no_client_auth().with_cert_resolver(self.clone()))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn read(files: &TlsFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    let wrong = |what, file: &Path, problem: String| TlsError::File { what, file: file.to_owned(), problem };
    let of_cert = |problem: String| wrong("tls_cert_file", &files.cert, problem);
    let chain = CertificateDer::pem_file_iter(&files.cert).map_err(|error| of_cert(error.to_string()))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|error| of_cert(error.to_string()))?;
    if chain.is_empty() {
        return Err(of_cert("there is no certificate in it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key);
    let key = key.map_err(|error| wrong("tls_key_file", &files.key, error.to_string()))?;
    let pair = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(TlsError::Pair)?;
    Ok(Arc::new(pair))
}
