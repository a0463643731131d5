//! The TLS mode of a connection to Postgres, with the names of libpq.

use std::fmt;
use std::str::FromStr;

use crate::nearest::did_you_mean;

/// How much a connection must be protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server has it. Protects against eavesdroppers, not against a man in the middle.
    Prefer,
    /// TLS, or no connection. Any certificate is accepted.
    Require,
    /// TLS with a certificate of a trusted authority, for whatever name.
    VerifyCa,
    /// TLS with a certificate of a trusted authority for the host that the address names.
    VerifyFull,
}

/// Not a mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sslmode is {}{meant}", known())]
pub struct UnknownSslMode {
    meant: String,
}

impl SslMode {
    const ALL: [SslMode; 5] =
        [SslMode::Disable, SslMode::Prefer, SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull];

    /// Its name in addresses and in mover.toml.
    pub fn as_str(self) -> &'static str {
        match self {
            SslMode::Disable => "disable",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        }
    }

    /// Whether the server's certificate is looked at.
    pub fn verifies(self) -> bool {
        matches!(self, SslMode::VerifyCa | SslMode::VerifyFull)
    }
}

impl FromStr for SslMode {
    type Err = UnknownSslMode;

    /// The text is not repeated: in an address it may be a part of something secret.
    fn from_str(text: &str) -> Result<Self, UnknownSslMode> {
        let known = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        known.ok_or_else(|| UnknownSslMode { meant: did_you_mean(text, Self::ALL.map(Self::as_str)) })
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn known() -> String {
    let words = SslMode::ALL.map(SslMode::as_str);
    let [first @ .., last] = &words;
    format!("{} or {last}", first.join(", "))
}
