//! Darklaunch flags: hashes of text fields that applications read.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{Epoch, OrgName};

/// The field that carries the epoch of the last write to a hash.
pub const EPOCH_FIELD: &str = "mover_epoch";

/// The field of an org's hash that tells that the hash has been there, as it was written, since its org was blocked. It goes with
/// the hash, and with each write of it.
pub const WITNESS_FIELD: &str = "mover_witness";

/// The key of the hash in which Redis keeps Mover's notes about itself.
pub const NOTES_KEY: &str = "mover:whole";

/// A key that is only written to see whether Redis takes writes.
pub const PROBE_KEY: &str = "mover:probe";

/// What the key of an org's own flags begins with.
const ORG_PREFIX: &str = "dl_org_";

/// The org name under which requests without an org look up their flags.
pub const NO_ORG: &str = "_OC_INTERNAL_NO_ORG";

/// Whether a field is written by Mover for itself, and means nothing to applications.
pub fn is_internal(field: &str) -> bool {
    field == EPOCH_FIELD || field == WITNESS_FIELD
}

/// Field names and the text each must have; `None` means that the field must not exist.
pub type Fields = BTreeMap<String, Option<String>>;

/// Fields that must exist, each with its text.
pub fn present(fields: &BTreeMap<String, String>) -> Fields {
    fields.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect()
}

/// The Redis key of one flag hash. Built here and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlagKey(String);

impl FlagKey {
    /// Applies to every org without flags of its own.
    pub fn default_hash() -> Self {
        Self("dl_default".into())
    }

    /// Overrides everything.
    pub fn override_hash() -> Self {
        Self("dl_override".into())
    }

    /// One org's own flags.
    pub fn org(name: &OrgName) -> Self {
        Self(format!("{ORG_PREFIX}{name}"))
    }

    /// The flags of requests that belong to no org.
    pub fn no_org() -> Self {
        Self(format!("{ORG_PREFIX}{NO_ORG}"))
    }

    /// The hash in which Redis keeps Mover's notes about itself.
    pub fn notes() -> Self {
        Self(NOTES_KEY.into())
    }

    /// The field of the notes that says that a hash was written, for hashes that hold for all orgs.
    pub fn note_of(key: &FlagKey) -> String {
        format!("written:{key}")
    }

    /// The org whose own flags the hash holds.
    pub fn org_name(&self) -> Option<OrgName> {
        let name = self.0.strip_prefix(ORG_PREFIX).filter(|name| *name != NO_ORG)?;
        OrgName::new(name).ok()
    }

    /// Whether the hash holds for all orgs, or for requests without one.
    pub fn is_of_all(&self) -> bool {
        [Self::default_hash(), Self::override_hash(), Self::no_org()].contains(self)
    }

    /// A key as the move log has it.
    pub fn from_stored(key: String) -> Self {
        Self(key)
    }

    /// The key itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FlagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a migration routes an org: fields of the org's flag hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Routing {
    /// Fields of an org that lives in the source.
    pub on_source: BTreeMap<String, String>,
    /// Fields of an org that lives in the target.
    pub on_target: BTreeMap<String, String>,
    /// Fields added while the org must not be written.
    pub blocked: BTreeMap<String, String>,
}

/// What one hash should look like, as decided in the move log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagImage {
    /// Which hash.
    pub key: FlagKey,
    /// The epoch of this decision; Redis refuses to go back to an older one.
    pub epoch: Epoch,
    /// Every field that Mover manages in this hash; other fields are left alone.
    pub fields: Fields,
}

/// Some fields of one hash as Redis has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundFlags {
    /// The epoch that the hash carries, if Mover ever wrote it.
    pub epoch: Option<Epoch>,
    /// The fields asked for.
    pub fields: Fields,
}
