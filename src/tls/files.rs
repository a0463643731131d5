//! Certificates and keys in files: read once, and refused before anything connects if they cannot be used.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::provider;

/// The files of one server's TLS settings.
#[derive(Debug, Clone, Default)]
pub struct Material {
    /// The authorities that may sign the server's certificate; `None`: those of this machine.
    pub authorities: Option<Certificates>,
    /// Our certificate.
    pub identity: Option<Identity>,
}

/// A file of certificates.
#[derive(Clone)]
pub struct Certificates {
    path: PathBuf,
    pem: Vec<u8>,
    certificates: Vec<CertificateDer<'static>>,
}

/// Our certificate, with its chain, and its key.
pub struct Identity {
    certificates: Certificates,
    key: PrivateKeyDer<'static>,
    key_pem: Vec<u8>,
    certified: Arc<CertifiedKey>,
}

/// Why a file cannot be used. Its contents are not repeated.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{path} cannot be read: {cause}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// It contains no certificate.
    #[error("{path} holds no certificate: it should be PEM, with lines -----BEGIN CERTIFICATE-----", path = path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// It contains something other than certificates.
    #[error("{path}: certificate {number} in it cannot be understood", path = path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// The place of the certificate in it, from 1.
        number: usize,
    },
    /// It contains no key.
    #[error("{path} holds no private key: it should be PEM, with a line -----BEGIN PRIVATE KEY-----", path = path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key has a passphrase.
    #[error("{path} is encrypted, and Mover cannot ask for its passphrase: store it decrypted, readable by Mover alone", path = path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// Other users may read it.
    #[error("{path} can be read by others: chmod 600 {path} (or 640, if root owns it)", path = path.display())]
    OpenKey {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to another certificate, or is of an unknown kind.
    #[error("{path} is not the key of {certificate}: {cause}", path = path.display(), certificate = certificate.display())]
    OtherKey {
        /// The file of the key.
        path: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
        /// The error of rustls.
        cause: String,
    },
}

impl Certificates {
    /// Reads a file of one or more certificates in PEM.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let pem = std::fs::read(path).map_err(|cause| FileError::Unreadable { path: path.into(), cause })?;
        let mut certificates = Vec::new();
        for (index, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
            let bad = || FileError::BadCertificate { path: path.into(), number: index + 1 };
            let certificate = certificate.map_err(|_| bad())?;
            rustls::server::ParsedCertificate::try_from(&certificate).map_err(|_| bad())?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(FileError::NoCertificate { path: path.into() });
        }
        Ok(Self { path: path.into(), pem, certificates })
    }

    /// The single certificates.
    pub(super) fn each(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// The contents of the file.
    pub(super) fn pem(&self) -> &[u8] {
        &self.pem
    }
}

impl Identity {
    /// Reads the key that belongs to `certificates`.
    pub fn read(certificates: Certificates, path: &Path) -> Result<Self, FileError> {
        let key_pem = read_secret(path)?;
        let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| {
            // Both the new and the old form of an encrypted key have this word in their header.
            let encrypted = key_pem.windows(9).any(|word| word == b"ENCRYPTED");
            let path = path.to_owned();
            if encrypted { FileError::EncryptedKey { path } } else { FileError::NoKey { path } }
        })?;
        let certified = CertifiedKey::from_der(certificates.certificates.clone(), key.clone_key(), &provider());
        let certified = certified.map_err(|error| {
            let certificate = certificates.path.clone();
            FileError::OtherKey { path: path.into(), certificate, cause: error.to_string() }
        })?;
        Ok(Self { certificates, key, key_pem, certified: Arc::new(certified) })
    }

    /// Both, for a server of ours.
    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }

    /// The chain for the server.
    pub(super) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The key.
    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// The key as it stands in its file.
    pub(super) fn key_pem(&self) -> &[u8] {
        &self.key_pem
    }
}

/// Reads a file that, as with libpq, only its owner may read, or a group that root chose.
pub(crate) fn read_secret(path: &Path) -> Result<Vec<u8>, FileError> {
    let unreadable = |cause| FileError::Unreadable { path: path.into(), cause };
    let mut file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let others = if metadata.uid() == 0 { 0o027 } else { 0o077 };
    if metadata.mode() & others != 0 {
        return Err(FileError::OpenKey { path: path.into() });
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        let Self { certificates, key, key_pem, certified } = self;
        let (certificates, key_pem, certified) = (certificates.clone(), key_pem.clone(), certified.clone());
        Self { certificates, key: key.clone_key(), key_pem, certified }
    }
}

/// The file only.
impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Without the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}
