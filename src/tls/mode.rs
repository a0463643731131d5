//! The TLS mode of a connection to Postgres, with the names of libpq.

use std::str::FromStr;

use strum::VariantArray;

use crate::nearest::did_you_mean;

/// The required protection of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server has it. Protects against eavesdroppers, not against a man in the middle.
    Prefer,
    /// TLS, or no connection. Any certificate is accepted.
    Require,
    /// TLS with a certificate of a trusted authority, for any name.
    VerifyCa,
    /// TLS with a certificate of a trusted authority for the host in the address.
    VerifyFull,
}

/// An unknown mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sslmode is {}{suggestion}", known())]
pub struct UnknownSslMode {
    suggestion: String,
}

impl SslMode {
    /// Its name in addresses and in mover.toml.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the server's certificate is checked.
    pub fn verifies(self) -> bool {
        matches!(self, SslMode::VerifyCa | SslMode::VerifyFull)
    }
}

impl FromStr for SslMode {
    type Err = UnknownSslMode;

    /// The text is not repeated: in an address it may be a part of a secret.
    fn from_str(text: &str) -> Result<Self, UnknownSslMode> {
        let known = Self::VARIANTS.iter().copied();
        let mode = known.clone().find(|mode| mode.as_str() == text);
        mode.ok_or_else(|| UnknownSslMode { suggestion: did_you_mean(text, known.map(Self::as_str)) })
    }
}

fn known() -> String {
    let words: Vec<&str> = SslMode::VARIANTS.iter().map(Into::into).collect();
    let (last, first) = words.split_last().unwrap_or((&"", &[]));
    format!("{} or {last}", first.join(", "))
}
