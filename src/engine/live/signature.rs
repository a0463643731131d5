//! Signatures of backups: only who can read the move log can make one.

use std::fmt::{self, Write};
use std::sync::Arc;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use mover_actors::ports::EngineError;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Keeps the key that backups are signed with.
#[async_trait]
pub trait BackupKeys: Send + Sync {
    /// The key; always the same.
    async fn key(&self) -> Result<[u8; 32], EngineError>;
}

#[async_trait]
impl BackupKeys for [u8; 32] {
    async fn key(&self) -> Result<[u8; 32], EngineError> {
        Ok(*self)
    }
}

/// Where the key is asked for when it is needed.
#[derive(Clone)]
pub(in crate::engine) struct KeySource(pub(in crate::engine) Arc<dyn BackupKeys>);

impl KeySource {
    pub(super) async fn key(&self) -> Result<BackupKey, EngineError> {
        self.0.key().await.map(BackupKey)
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySource")
    }
}

/// Stands for a key that was not given.
pub(in crate::engine) struct NoKey;

#[async_trait]
impl BackupKeys for NoKey {
    async fn key(&self) -> Result<[u8; 32], EngineError> {
        let reason = "there is no key to sign backups with".into();
        Err(EngineError { transient: false, reason, place: Box::default() })
    }
}

/// A signature cannot be made.
#[derive(Debug, Error)]
#[error("the key of the move log cannot sign: {0}")]
pub(super) struct SignatureError(hmac::digest::InvalidLength);

/// The key that backups are signed with. It is never shown.
pub(super) struct BackupKey([u8; 32]);

impl BackupKey {
    /// Tells keys apart without giving anything of the key away.
    pub(super) fn id(&self) -> String {
        let digest = Sha256::new().chain_update(b"mover backup key\0").chain_update(self.0).finalize();
        hex(&digest[..8])
    }

    pub(super) fn begin(&self) -> Result<Sums, SignatureError> {
        let keyed = Hmac::new_from_slice(&self.0).map_err(SignatureError)?;
        Ok(Sums { plain: Sha256::new(), keyed: Some(keyed) })
    }
}

impl fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupKey")
    }
}

/// Sums over a file that is being written or read.
#[derive(Debug)]
pub(super) struct Sums {
    /// Finds damage. Anyone can compute it.
    plain: Sha256,
    /// Finds changes; `None` if the file was signed with another key, or not at all.
    keyed: Option<Hmac<Sha256>>,
}

impl Sums {
    pub(super) fn without_key() -> Self {
        Self { plain: Sha256::new(), keyed: None }
    }

    /// Whether there is a sum with the key.
    pub(super) fn is_keyed(&self) -> bool {
        self.keyed.is_some()
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        Digest::update(&mut self.plain, bytes);
        if let Some(keyed) = &mut self.keyed {
            Mac::update(keyed, bytes);
        }
    }

    /// The sum without and with the key, in hexadecimal digits.
    pub(super) fn digits(self) -> (String, Option<String>) {
        (hex(&self.plain.finalize()), self.keyed.map(|keyed| hex(&keyed.finalize().into_bytes())))
    }

    /// Whether these are the sums; how long that takes says nothing about the digits of the one with the key.
    pub(super) fn are(self, plain: &str, keyed: Option<&str>) -> bool {
        let is_signed = match (self.keyed, keyed) {
            (None, _) => true,
            (Some(mac), Some(keyed)) => unhex(keyed).is_some_and(|bytes| mac.verify_slice(&bytes).is_ok()),
            (Some(_), None) => false,
        };
        hex(&self.plain.finalize()) == plain && is_signed
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok());
    pairs.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2, with the key padded to 32 bytes, which HMAC does as well.
    #[test]
    fn the_sum_with_the_key_is_that_of_hmac_sha256() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let sums = |parts: &[&[u8]]| {
            let mut sums = BackupKey(key).begin().unwrap();
            parts.iter().for_each(|part| sums.add(part));
            sums
        };
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let (plain, keyed) = sums(&[b"what do ya want ", b"for nothing?"]).digits();
        assert_eq!(keyed.as_deref(), Some(expected));
        let are = |plain: &str, keyed: Option<&str>| sums(&[b"what do ya want for nothing?"]).are(plain, keyed);
        assert!(are(&plain, Some(expected)));
        assert!(!are("00", Some(expected)) && !are(&plain, None));
        for other in ["", "5b", "zz", "ä", &expected.replace('5', "6"), &expected[..62]] {
            assert!(!are(&plain, Some(other)), "{other}");
        }
    }
}
