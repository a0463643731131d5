//! The address of a remote Mover, and its token.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use ureq::http::Uri;

use crate::tls::{Certificates, authorities, read_secret};

use super::error::TargetError;

/// The environment variable with the token.
const TOKEN_VARIABLE: &str = "MOVER_TOKEN";

/// A remote Mover. Debug does not show the token.
pub struct Target {
    url: String,
    token: String,
    /// The authorities that may sign its certificate, in DER; `None` for http.
    authorities: Option<Vec<Vec<u8>>>,
}

impl Target {
    /// Reads the arguments; sends no request.
    pub fn new(url: &str, token_file: Option<&Path>, ca_file: Option<&Path>) -> Result<Self, TargetError> {
        let url = url.trim_end_matches('/');
        let is_encrypted = is_encrypted(url)?;
        let authorities = match is_encrypted {
            true => Some(authorities(ca_file.map(Certificates::read).transpose()?.as_ref())?),
            false => None,
        };
        Ok(Self { url: url.to_owned(), token: token(token_file)?, authorities })
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn authorities(&self) -> Option<&[Vec<u8>]> {
        self.authorities.as_deref()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Whether the connection is encrypted. Without encryption it must not leave this machine.
fn is_encrypted(url: &str) -> Result<bool, TargetError> {
    let wrong = |problem| TargetError::Url { url: url.to_owned(), problem };
    let uri: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
    let Some(authority) = uri.authority() else { return Err(wrong("it names no host")) };
    if authority.as_str().contains('@') {
        return Err(wrong("a token or a password has no place in it"));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(wrong("nothing comes after the host and the port"));
    }
    match uri.scheme_str() {
        Some("https") => Ok(true),
        Some("http") if is_this_machine(authority.host()) => Ok(false),
        Some("http") => Err(TargetError::InClear { url: url.to_owned() }),
        _ => Err(wrong("it begins with https:// or http://")),
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// From a file or the environment: every local user can read a command line.
fn token(file: Option<&Path>) -> Result<String, TargetError> {
    let (text, from) = match file {
        Some(file) => (String::from_utf8_lossy(&read_secret(file)?).into_owned(), format!("in {}", file.display())),
        None => (std::env::var(TOKEN_VARIABLE).unwrap_or_default(), format!("in {TOKEN_VARIABLE}")),
    };
    let token = text.trim();
    match token {
        "" if file.is_none() => Err(TargetError::NoToken),
        // A text that cannot be a token is not sent anywhere, and not shown either.
        _ if token.is_empty() || !token.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
            Err(TargetError::BadToken { from })
        }
        _ => Ok(token.to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{TargetError, is_encrypted};

    #[test]
    fn without_encryption_a_token_stays_on_this_machine() {
        for url in ["http://127.0.0.1:7070", "http://localhost:7070", "http://[::1]:7070", "http://127.8.8.8"] {
            assert!(!is_encrypted(url).unwrap(), "{url}");
        }
        for url in ["https://mover.example.com", "https://10.0.0.1:7070", "https://[::1]"] {
            assert!(is_encrypted(url).unwrap(), "{url}");
        }
        for url in
            ["http://mover.example.com", "http://10.0.0.1:7070", "http://0.0.0.0:7070", "http://localhost.evil.com"]
        {
            assert!(matches!(is_encrypted(url), Err(TargetError::InClear { .. })), "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in
            ["", "mover.example.com", "ftp://x", "http://127.0.0.1@evil.com", "https://x/api", "https://x?token=1"]
        {
            assert!(matches!(is_encrypted(url), Err(TargetError::Url { .. })), "{url}");
        }
    }
}
