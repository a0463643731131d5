//! The standing of an org in a store.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::domain::ids::{Epoch, OrgKey};
use crate::domain::record::Lease;
use crate::domain::state::Way;
use crate::ports::EngineError;

use super::cohort::Cohort;
use super::doing::Doing;

/// The role of an org's rows in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Live, and nothing is logged.
    Settled,
    /// Live, and writes are logged.
    Capturing,
    /// Left behind: writes are refused.
    Moved,
    /// A copy in progress: other writes are refused.
    Incoming,
    /// A copy that was removed.
    Discarded,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 5] = [Mode::Settled, Mode::Capturing, Mode::Moved, Mode::Incoming, Mode::Discarded];

    /// The name that stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Settled => "settled",
            Mode::Capturing => "capturing",
            Mode::Moved => "moved",
            Mode::Incoming => "incoming",
            Mode::Discarded => "discarded",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Mode::ALL.into_iter().find(|mode| mode.as_str() == text);
        known.ok_or_else(|| format!("a mode that this Mover does not know: {text:?}"))
    }
}

/// What a store remembers of an org.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The role of its rows.
    pub mode: Mode,
    /// The newest epoch seen.
    pub epoch: Epoch,
}

impl Standing {
    /// Refuses unless all orgs of a cohort are `wanted`, and none has a newer epoch.
    pub fn all_must_be(
        found: &HashMap<OrgKey, Self>,
        wanted: Mode,
        cohort: &Cohort,
        doing: Doing<'_>,
    ) -> Result<(), EngineError> {
        cohort.leases().iter().try_for_each(|lease| Self::must_be(found.get(&lease.key), wanted, lease, doing))
    }

    /// Refuses a lease with an older epoch, and an org that is not `wanted`.
    pub fn must_be(found: Option<&Self>, wanted: Mode, lease: &Lease, doing: Doing<'_>) -> Result<(), EngineError> {
        match found {
            Some(standing) if standing.epoch <= lease.epoch && standing.mode == wanted => Ok(()),
            found => Err(refusal(found, lease, doing)),
        }
    }
}

/// The mode of an org in the receiving store until the switch.
pub fn before_arrival(way: Way) -> Mode {
    match way {
        Way::Forward => Mode::Incoming,
        Way::Back => Mode::Moved,
    }
}

/// The mode of an org in the receiving store after the switch.
pub fn after_arrival(way: Way) -> Mode {
    match way {
        // Writes there are logged, so that there is a way back.
        Way::Forward => Mode::Capturing,
        Way::Back => Mode::Settled,
    }
}

/// Why an org's standing does not allow the request.
pub fn refusal(found: Option<&Standing>, lease: &Lease, doing: Doing<'_>) -> EngineError {
    let Some(Standing { mode, epoch }) = found else {
        return doing.refused("nothing is known of the org here");
    };
    if *epoch > lease.epoch {
        let ours = lease.epoch;
        return doing.refused(format!("the org has the newer epoch {epoch}, ours is {ours}"));
    }
    doing.refused(match mode {
        Mode::Settled => "the org lives here, and its writes are not logged",
        Mode::Capturing => "the org lives here",
        Mode::Moved => "the org has moved away",
        Mode::Incoming => "the org is still being copied here",
        Mode::Discarded => "the copy of the org was removed",
    })
}
