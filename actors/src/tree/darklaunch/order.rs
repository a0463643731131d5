//! Requests to the darklaunch actor, and their answers.

use thiserror::Error;

use crate::domain::flags::FoundFlags;
use crate::domain::flags::{Fields, FlagKey};
use crate::domain::ids::{Epoch, MoveId};
use crate::ports::{Desire, FlagsError, LogError};

/// A change of one flag hash.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagOrder {
    /// The hash.
    pub key: FlagKey,
    /// The lease of the move that asks; `None` for an operator.
    pub lease: Option<(MoveId, Epoch)>,
    /// Fields to set permanently.
    pub base: Fields,
    /// Fields that cover the base while the org is blocked; an empty set removes them.
    pub overlay: Option<Fields>,
    /// Where a crash test may end the process between the decision and Redis.
    pub desired_failpoint: Option<&'static str>,
}

/// Why flags were not changed or not read.
#[derive(Debug, Clone, Error)]
pub enum DarklaunchError {
    /// The decision could not be stored.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Redis could not be read or written.
    #[error(transparent)]
    Flags(#[from] FlagsError),
    /// Redis has decisions that the move log does not know.
    #[error(
        "{key} in Redis carries epoch {found}, but the newest that the move log knows is {known}: \
         the move log is older than Redis (restored from a backup, or new). Nothing was changed; \
         `flags repair` makes Redis follow this move log"
    )]
    Ahead {
        /// The hash.
        key: FlagKey,
        /// The epoch in Redis.
        found: Epoch,
        /// The newest decision stored.
        known: Epoch,
    },
    /// `dl_default` lets applications work, so it waits until all other hashes are there.
    #[error("{key} is not written yet: Redis has lost its memory and is being filled again; {key} comes last")]
    Refilling {
        /// The hash.
        key: FlagKey,
    },
    /// The darklaunch actor is being restarted.
    #[error("the darklaunch actor is not running: {0}")]
    Gone(String),
}

impl DarklaunchError {
    /// Whether a retry can help.
    pub fn is_transient(&self) -> bool {
        match self {
            DarklaunchError::Log(error) => error.is_transient(),
            // A refusal by Redis (no permission, read-only, out of memory) ends when an operator fixes it.
            DarklaunchError::Flags(_) | DarklaunchError::Refilling { .. } | DarklaunchError::Gone(_) => true,
            DarklaunchError::Ahead { .. } => false,
        }
    }
}

impl FlagOrder {
    /// An operator's order.
    pub fn of_operator(key: FlagKey, base: Fields) -> Self {
        Self { key, lease: None, base, overlay: None, desired_failpoint: Some("operator.desired") }
    }

    /// Sets fields permanently.
    pub(crate) fn set(mut self, base: Fields) -> Self {
        self.base = base;
        self
    }

    /// Covers the base with fields.
    pub(crate) fn lay_over(mut self, overlay: Fields) -> Self {
        self.overlay = Some(overlay);
        self
    }

    /// The fields whose present value in Redis matters.
    pub(crate) fn fields_to_read(&self) -> Vec<String> {
        self.overlay.iter().flat_map(|fields| fields.keys()).chain(self.base.keys()).cloned().collect()
    }

    pub(crate) fn desire(&self, found: FoundFlags) -> Desire {
        Desire {
            key: self.key.clone(),
            lease: self.lease,
            found,
            base: self.base.clone(),
            overlay: self.overlay.clone(),
        }
    }
}
