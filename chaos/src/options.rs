//! Options of a trial.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Options of a trial.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed of everything that is random.
    pub seed: u64,
    /// How often Mover is killed.
    pub kills: u64,
    /// The trial ends after this time, even with fewer kills.
    pub limit: Duration,
    /// Orgs of the shop.
    pub shops: u32,
    /// More orgs of the shop that join while the trial runs, one for each that is finalized.
    pub shops_later: u32,
    /// Branches of pgbench's bank.
    pub branches: u32,
    /// Accounts of a branch, 100,000 at most.
    pub accounts: u32,
    /// Accounts of the first branch: with more than 100,000 it is copied in ranges.
    pub big_accounts: u32,
    /// How many clients write to the orgs of each application.
    pub clients: u32,
    /// Their writes per second in all.
    pub writes_per_second: u32,
    /// After this many kills everything comes to rest and is checked.
    pub kills_between_checks: u64,
    /// The mean time between faults of servers.
    pub mishap_every: Duration,
    /// The directories with the programs of Postgres for the stores `old` and `new`, instead of the system's.
    pub postgres: Option<[PathBuf; 2]>,
    /// The program under test.
    pub mover: PathBuf,
    /// The directory for Mover's output.
    pub evidence: PathBuf,
}

/// The program under test was not found.
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
