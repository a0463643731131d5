//! The text of a token.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::state::TokenHash;

const PREFIX: &str = "mover_";

/// 256 random bits, written `mover_…`, so that scanners for leaked secrets can detect them. Debug does not show them.
pub struct Secret(String);

impl Secret {
    /// A new token.
    pub fn generate() -> Self {
        let bytes: [u8; 32] = rand::random();
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{PREFIX}{digits}"))
    }

    /// The hash that is stored.
    pub fn hash(&self) -> TokenHash {
        hash(&self.0)
    }

    /// The text that is shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The hash of a text that may be a token.
pub(in crate::http) fn hash(text: &str) -> TokenHash {
    Sha256::digest(text.as_bytes()).into()
}
