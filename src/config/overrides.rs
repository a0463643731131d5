//! Settings from outside `mover.toml`: environment variables such as `MOVER__REDIS__URL`, and flags of the command line.

use std::ffi::OsString;

use super::mistake::Place;

/// Two underscores, so that `MOVER_…` stays free for other uses and keys may have underscores themselves.
const PREFIX: &str = "MOVER__";

/// One setting that overrides the file.
#[derive(Clone)]
pub struct Override {
    /// The first part of the name, e.g. `redis`.
    pub(super) section: String,
    /// The other parts, e.g. `url`.
    pub(super) keys: Vec<String>,
    pub(super) value: String,
    pub(super) place: Place,
}

impl Override {
    /// A setting such as `redis.url`, and its origin, e.g. `--redis-url`.
    pub fn new(key: &str, value: impl Into<String>, from: &str) -> Self {
        Self::at(key.split('.'), value.into(), from)
    }

    fn at<'a>(mut parts: impl Iterator<Item = &'a str>, value: String, from: &str) -> Self {
        let section = parts.next().unwrap_or_default().to_owned();
        Self { section, keys: parts.map(str::to_owned).collect(), value, place: Place::Outside(from.into()) }
    }

    /// The variables that begin with `MOVER__`: pass [`std::env::vars_os`].
    pub fn from_environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<Self> {
        let mut overrides: Vec<_> = variables.into_iter().filter_map(|(name, value)| variable(name, value)).collect();
        // Sorted, so that mistakes are reported in a stable order.
        overrides.sort_by(|one, other| one.place.cmp(&other.place));
        overrides
    }
}

fn variable(name: OsString, value: OsString) -> Option<Override> {
    let name = name.into_string().ok()?;
    let parts = name.strip_prefix(PREFIX)?.split("__");
    Some(Override::at(parts, value.to_string_lossy().into_owned(), &name))
}

/// Without the value: it may be a password.
impl std::fmt::Debug for Override {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { section, keys, place, value: _ } = self;
        f.debug_struct("Override")
            .field("section", section)
            .field("keys", keys)
            .field("place", place)
            .finish_non_exhaustive()
    }
}
