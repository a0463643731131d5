//! Trusted authorities: those of a file, or those of this machine.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::TlsError;
use super::files::Certificates;

/// The same in DER, for a library that stores them itself.
pub(crate) fn authorities(named: Option<&Certificates>) -> Result<Vec<Vec<u8>>, TlsError> {
    let certificates = match named {
        Some(named) => named.each().to_vec(),
        None => of_this_machine()?,
    };
    Ok(certificates.iter().map(|certificate| certificate.to_vec()).collect())
}

fn of_this_machine() -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let cause = found.errors.first().map_or_else(|| "none is installed".into(), ToString::to_string);
        return Err(TlsError::NoRoots { cause });
    }
    Ok(found.certs)
}

/// The authorities that may sign a server's certificate.
pub(super) fn roots(named: Option<&Certificates>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(named) = named {
        for certificate in named.each() {
            roots.add(certificate.clone())?;
        }
        return Ok(roots);
    }
    // Among hundreds there is often one that is too old to be parsed; the others are still good.
    roots.add_parsable_certificates(of_this_machine()?);
    if roots.is_empty() {
        return Err(TlsError::NoRoots { cause: "none that is installed can be understood".into() });
    }
    Ok(roots)
}
