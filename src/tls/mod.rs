//! Encryption of the connections to Postgres and to Redis, with rustls.
//!
//! - `mode`: the requested mode, with the names of libpq.
//! - `files`: certificates and keys, read and checked before anything connects.
//! - `roots`: the trusted authorities of this machine.
//! - `verifier`: the checks of a server's certificate, for each mode.
//! - `postgres`: opens every connection of Mover to a configured Postgres.
//! - `redis`: TLS for the driver of Redis.
//! - `explain`: explains errors of rustls.
//!
//! No error and no Debug output shows a key.

mod explain;
mod files;
mod mode;
mod postgres;
mod redis;
mod roots;
mod verifier;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use self::explain::{Trouble, explain};
pub(crate) use self::files::read_secret;
pub use self::files::{Certificates, FileError, Identity, Material};
pub use self::mode::{SslMode, UnknownSslMode};
pub use self::postgres::Encryption;
pub use self::redis::encrypted as encrypted_redis;
pub(crate) use self::roots::authorities;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// This machine has no trusted authorities.
    #[error(
        "this machine trusts no certificate authority ({cause}): install its ca-certificates, or name the right one with \
         ca_file"
    )]
    NoRoots {
        /// The error of reading them.
        cause: String,
    },
    /// Each file is valid, but they do not work together.
    #[error("TLS cannot be set up: {0}")]
    Unusable(String),
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        TlsError::Unusable(error.to_string())
    }
}

/// The cryptography. Explicit, so that it does not depend on the features that other crates enable in rustls.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
