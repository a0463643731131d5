//! TLS for the driver of Redis, which sets rustls up by itself, and always checks chain and name.

use redis::{Client, ClientTlsConfig, ConnectionInfo, TlsCertificates};
use rustls::crypto::CryptoProvider;

use super::files::Material;
use super::roots::roots;
use super::{TlsError, provider};

/// The same address with the configured files.
pub fn encrypted(address: ConnectionInfo, material: &Material) -> Result<ConnectionInfo, TlsError> {
    if material.authorities.is_none() {
        // The driver reads the authorities itself, with every connection. Whether there are any must be known before.
        roots(None)?;
    }
    // The driver uses the default provider of the process, and panics if there is none or a choice; the first one installed
    // stays.
    let _ = CryptoProvider::clone(&provider()).install_default();
    let client_tls = material.identity.as_ref().map(|identity| ClientTlsConfig {
        client_cert: identity.certificates().pem().to_vec(),
        client_key: identity.key_pem().to_vec(),
    });
    let root_cert = material.authorities.as_ref().map(|authorities| authorities.pem().to_vec());
    let client = Client::build_with_tls(address, TlsCertificates { client_tls, root_cert });
    // The driver's own message could repeat the address.
    let client = client.map_err(|_| TlsError::Unusable("the driver refuses certificate or key".into()))?;
    Ok(client.get_connection_info().clone())
}
