//! Why a request to a remote Mover failed.

use serde::Deserialize;
use thiserror::Error;

use crate::tls::{FileError, TlsError};

/// Why no request is sent.
#[derive(Debug, Error)]
pub enum TargetError {
    /// It is not an address.
    #[error("--connect {url:?}: {problem}; it looks like https://mover.example.com or http://127.0.0.1:7070")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An eavesdropper could use the token.
    #[error(
        "--connect {url}: the token would cross the network unencrypted. next: https://, or a tunnel \
         (ssh -L 7070:127.0.0.1:7070 HOST) and http://127.0.0.1:7070"
    )]
    InClear {
        /// As it was given.
        url: String,
    },
    /// No token was given.
    #[error(
        "there is no token: --token-file names a file that holds it, or MOVER_TOKEN has it. next: where Mover runs, mover token \
         create NAME --role operator"
    )]
    NoToken,
    /// It has characters that are not allowed in tokens.
    #[error("the token {from} is none: it is one line, and begins with mover_")]
    BadToken {
        /// Its origin.
        from: String,
    },
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no trusted authority.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why a request failed.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The request was not sent.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The server cannot be reached.
    #[error("Mover at {url} cannot be reached: {cause}. next: see that mover serve runs there{hint}")]
    Unreachable {
        /// The address.
        url: String,
        /// The reason.
        cause: String,
        /// What else to check.
        hint: &'static str,
    },
    /// The request was sent, and the connection was lost before the answer.
    #[error(
        "the connection to Mover at {url} was lost ({cause}) while it was told `{what}`: it may have been carried out, so it is \
         not said again. next: history shows whether it was"
    )]
    Unknown {
        /// The address.
        url: String,
        /// The request.
        what: String,
        /// How the connection was lost.
        cause: String,
    },
    /// The token is not valid.
    #[error(
        "Mover at {url} refuses the token: {detail}. next: give a valid token with --token-file or MOVER_TOKEN; where Mover \
         runs, mover token create NAME --role operator makes one"
    )]
    Unauthorized {
        /// The address.
        url: String,
        /// The message of the server.
        detail: String,
    },
    /// It refused. The message is the one of a local refusal.
    #[error("{}", .0.detail)]
    Refused(Box<Refusal>),
    /// The server there is not a Mover, or of another version.
    #[error("{url} answers {status}, but not as Mover does: {problem}. next: see that --connect leads to mover serve")]
    Strange {
        /// The address.
        url: String,
        /// The status of the answer.
        status: u16,
        /// What is wrong with it.
        problem: String,
    },
    /// The Mover that carried it out has ended, and another one runs there now.
    #[error(
        "Mover at {url} was restarted while it carried out command {command}, and its outcome is unknown. next: status"
    )]
    Abandoned {
        /// The address.
        url: String,
        /// Its number in the audit.
        command: i64,
    },
    /// A second person refused it.
    #[error("command {command} was not approved by {by}; nothing was done")]
    NotApproved {
        /// Its number in the audit.
        command: i64,
        /// The user who decided.
        by: String,
    },
}

/// A refusal, as `application/problem+json` has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// `urn:mover:problem:NAME`
    #[serde(rename = "type")]
    pub kind: String,
    /// The details, and what to do.
    pub detail: String,
    /// What a dangerous command would do.
    pub what: Option<String>,
    /// The word to send as confirmation.
    pub word: Option<String>,
    /// The command's number in the audit, if it has one.
    pub command: Option<i64>,
    /// The run that is in conflict.
    pub run: Option<i64>,
    /// The user who has it, or began it.
    pub by: Option<String>,
}

impl Refusal {
    /// Whether it is of this kind.
    pub fn is(&self, name: &str) -> bool {
        self.kind.strip_prefix("urn:mover:problem:") == Some(name)
    }
}

impl RemoteError {
    /// The refusal, if it is one of this kind.
    pub fn refusal(&self, name: &str) -> Option<&Refusal> {
        match self {
            RemoteError::Refused(refusal) if refusal.is(name) => Some(refusal),
            _ => None,
        }
    }

    /// The problem code.
    pub fn problem(&self) -> &str {
        match self {
            RemoteError::Refused(refusal) => refusal.kind.strip_prefix("urn:mover:problem:").unwrap_or("conflict"),
            RemoteError::Target(_) => "malformed",
            RemoteError::Unauthorized { .. } => "unauthorized",
            RemoteError::Unreachable { .. } | RemoteError::Strange { .. } => "unavailable",
            RemoteError::Unknown { .. } | RemoteError::Abandoned { .. } => "unknown-outcome",
            RemoteError::NotApproved { .. } => "not-approved",
        }
    }

    /// Whether there was no valid answer: the connection was lost, there is none, or Mover itself waits for its servers.
    pub fn is_lost(&self) -> bool {
        matches!(self, RemoteError::Unknown { .. }) || self.is_transient()
    }

    /// Whether a retry may help.
    pub fn is_transient(&self) -> bool {
        match self {
            RemoteError::Unreachable { .. } => true,
            // From a proxy.
            RemoteError::Strange { status, .. } => *status >= 500,
            RemoteError::Refused(refusal) => refusal.is("unavailable") || refusal.is("too-many"),
            _ => false,
        }
    }
}
