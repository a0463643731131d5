//! Whom to trust: those in a file, or those whom this machine trusts.

use rustls::RootCertStore;

use super::TlsError;
use super::files::Certificates;

/// The authorities that may sign a server's certificate.
pub(super) fn roots(named: Option<&Certificates>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(named) = named {
        for certificate in named.each() {
            roots.add(certificate.clone())?;
        }
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    // Among hundreds there is often one that is too old to be understood; the others are still good.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let cause = found.errors.first().map_or_else(|| "none is installed".into(), ToString::to_string);
        return Err(TlsError::NoRoots { cause });
    }
    Ok(roots)
}
