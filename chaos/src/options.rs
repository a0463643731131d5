//! What a trial is to be like.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What a trial is to be like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where all that is random comes from.
    pub seed: u64,
    /// How often Mover is killed.
    pub kills: u64,
    /// The trial ends after so long, also if there were fewer kills.
    pub limit: Duration,
    /// Orgs of the shop.
    pub shops: u32,
    /// So many more that join while the trial runs, one for each that is finalized.
    pub shops_later: u32,
    /// Branches of pgbench's bank.
    pub branches: u32,
    /// Accounts of a branch, 100,000 at most.
    pub accounts: u32,
    /// Accounts of the first branch: with more than 100,000 it is copied in ranges.
    pub big_accounts: u32,
    /// How many clients write to the orgs of each application.
    pub clients: u32,
    /// What they write together.
    pub writes_per_second: u32,
    /// After so many kills all comes to rest and is checked.
    pub kills_between_checks: u64,
    /// Something happens to a server about so often.
    pub mishap_every: Duration,
    /// The program under test.
    pub mover: PathBuf,
    /// Where what Mover said is kept.
    pub evidence: PathBuf,
}

/// The program under test is not where it should be.
#[derive(Debug)]
pub struct NoMover(PathBuf);

impl fmt::Display for NoMover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is missing; next: cargo build -p mover (with --release if this is a release)", self.0.display())
    }
}

impl std::error::Error for NoMover {}

/// The `mover` that was built with the running program or test: in the same directory, or the one above.
pub fn built_mover() -> Result<PathBuf, NoMover> {
    let here = std::env::current_exe().ok().and_then(|program| program.parent().map(PathBuf::from)).unwrap_or_default();
    let profile = if here.ends_with("deps") { here.parent().map(PathBuf::from).unwrap_or_default() } else { here };
    let mover = profile.join("mover");
    if mover.is_file() { Ok(mover) } else { Err(NoMover(mover)) }
}
