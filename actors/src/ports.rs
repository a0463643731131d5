//! The interfaces of the tree to Postgres, Redis and the stores. The crate `mover` implements these for Postgres and Redis; the
//! simulation implements them in memory, and both pass the same contract suite.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::try_join;
use thiserror::Error;

use crate::domain::campaign::{Campaign, CampaignPlan, Control, Selection};
use crate::domain::flags::{Fields, FlagImage, FlagKey, FoundFlags, Routing};
use crate::domain::ids::{CampaignId, Epoch, MigrationName, MoveId, NodeId, OrgName};
use crate::domain::record::{Advance, Backup, Lease, MoveRecord, Place};
use crate::domain::state::{Refused, Way};
use crate::domain::verified::{Mismatch, Tally};

/// Why the move log refused or failed.
#[derive(Debug, Clone, Error)]
pub enum LogError {
    /// It is unreachable, or the connection was lost: whether the change was made is unknown. Retry.
    #[error("the move log cannot be reached while {doing}: {cause}")]
    Unreachable {
        /// What was being done.
        doing: String,
        /// The message of the driver.
        cause: String,
    },
    /// The move has another owner, or is in another state.
    #[error("move {id} is no longer ours: our epoch is {ours}")]
    Fenced {
        /// The move.
        id: MoveId,
        /// Our epoch.
        ours: Epoch,
    },
    /// A campaign is live already.
    #[error("campaign {campaign} of migration {migration} is still live on a running node")]
    Busy {
        /// The live campaign.
        campaign: CampaignId,
        /// Its migration.
        migration: MigrationName,
    },
    /// No campaign is live.
    #[error("no campaign is running; `status` shows which orgs are ready, and `migrate MIGRATION all` moves them")]
    NoCampaign,
    /// A transition that the state machine does not know.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What is stored or requested makes no sense.
    #[error("{doing}: {problem}")]
    Invalid {
        /// What was being done.
        doing: String,
        /// What is wrong.
        problem: String,
    },
}

impl LogError {
    /// Whether a retry can help.
    pub fn is_transient(&self) -> bool {
        matches!(self, LogError::Unreachable { .. })
    }
}

/// A change of the desired content of one flag hash.
#[derive(Debug, Clone, PartialEq)]
pub struct Desire {
    /// The hash.
    pub key: FlagKey,
    /// The lease of the move that asks; checked inside the same transaction. `None` for an operator.
    pub lease: Option<(MoveId, Epoch)>,
    /// What Redis holds now for the fields of `base` and `overlay`, if the caller read it. For fields in `overlay` it becomes
    /// the base while there is no overlay, if Redis is at the stored epoch (so it lost nothing) or the hash was never stored;
    /// so an operator's own 503 comes back after the block.
    pub found: FoundFlags,
    /// Fields to set permanently.
    pub base: Fields,
    /// Replaces the fields that cover the base while the org is blocked; `None` leaves them as they are.
    pub overlay: Option<Fields>,
}

/// Stores moves, campaigns, nodes and desired flags. It is the source of truth (P10).
#[async_trait]
pub trait MoveLog: Send + Sync + 'static {
    /// Registers this process, or renews it: the same name gets the same id.
    async fn join(&self, name: &str, lease: Duration) -> Result<NodeId, LogError>;
    /// Renews the node for another lease.
    async fn heartbeat(&self, node: NodeId, lease: Duration) -> Result<(), LogError>;
    /// Signs the node off; its moves may be taken over at once.
    async fn leave(&self, node: NodeId) -> Result<(), LogError>;
    /// Takes over at most `limit` started moves of dead nodes, each with a new epoch.
    async fn adopt_orphans(&self, node: NodeId, limit: u32) -> Result<Vec<MoveRecord>, LogError>;
    /// The started moves that this node owns, at most `limit`: each should have a state machine here.
    async fn held(&self, node: NodeId, limit: u32) -> Result<Vec<MoveId>, LogError>;

    /// Opens a campaign. A live one whose node is dead is ended as interrupted; of a living node: [`LogError::Busy`].
    async fn open_campaign(&self, node: NodeId, plan: &CampaignPlan) -> Result<Campaign, LogError>;
    /// A campaign with its counts.
    async fn campaign(&self, id: CampaignId) -> Result<Campaign, LogError>;
    /// The live campaign, if there is one.
    async fn live_campaign(&self) -> Result<Option<Campaign>, LogError>;
    /// Makes this node drive the live campaign of a dead node, running; `None` if there is no such campaign.
    async fn adopt_campaign(&self, node: NodeId) -> Result<Option<Campaign>, LogError>;
    /// Changes the live campaign; [`LogError::NoCampaign`] if none is live.
    async fn control(&self, change: Control, reason: Option<&str>) -> Result<Campaign, LogError>;
    /// Ends a campaign.
    async fn close_campaign(&self, id: CampaignId, reason: Option<&str>) -> Result<(), LogError>;
    /// Claims at most `limit` ready orgs of the campaign's selection: they are `started` at their first step then, each with a
    /// new epoch. An org that is in flight in another migration is left out. Empty: no org can be claimed now.
    async fn claim(&self, campaign: CampaignId, node: NodeId, limit: u32) -> Result<Vec<MoveRecord>, LogError>;

    /// One move.
    async fn load(&self, id: MoveId) -> Result<MoveRecord, LogError>;
    /// Replaces the epoch of a started move that this node owns by a new one, under which nothing was sent to a store yet, and
    /// returns it. A repetition after a lost answer returns the same. [`LogError::Fenced`] if the move has another owner.
    async fn renew(&self, node: NodeId, id: MoveId, epoch: Epoch) -> Result<Epoch, LogError>;
    /// Writes many transitions in one transaction, each on its own merits: a result for each, in order. The outer error means
    /// that none was written, or that it is unknown. A transition that was already written with the same epoch is Ok (so a
    /// retry is harmless).
    async fn advance(&self, node: NodeId, advances: &[Advance]) -> Result<Vec<Result<(), LogError>>, LogError>;
    /// Renames a started org, in all migrations that know it by its name and key, and moves its desired flags to the new name.
    /// [`LogError::Invalid`] if another org has that name there. A repetition after a lost answer is Ok.
    async fn rename(&self, id: MoveId, epoch: Epoch, name: &OrgName) -> Result<(), LogError>;
    /// Notes that writers of these started orgs have been shut out of both stores since then, by a switch that did not come to
    /// its end. An earlier note of the same switch stays; its end is written with the transition.
    async fn note_shut_out(&self, orgs: &[(MoveId, Epoch)], since: SystemTime) -> Result<(), LogError>;
    /// Releases captured orgs; returns how many.
    async fn make_ready(&self, migration: &MigrationName, selection: &Selection) -> Result<u64, LogError>;
    /// Makes failed orgs ready again; returns how many.
    async fn retry(&self, migration: &MigrationName, selection: &Selection) -> Result<u64, LogError>;

    /// Changes the desired content of flag hashes in one transaction; a result for each, in order, with the hash's new image.
    async fn desire(&self, desires: &[Desire]) -> Result<Vec<Result<FlagImage, LogError>>, LogError>;
    /// The desired content of hashes, in the order in which they must be written after a loss: orgs first, `dl_override`, and
    /// `dl_default` last. Paged: those after `after`.
    async fn desired(&self, after: Option<&FlagKey>, limit: u32) -> Result<Vec<FlagImage>, LogError>;
    /// The desired content of these hashes, in order; `None` for one that Mover does not manage.
    async fn desired_of(&self, keys: &[FlagKey]) -> Result<Vec<Option<FlagImage>>, LogError>;
    /// Makes every new epoch higher than this one.
    async fn raise_epoch(&self, above: Epoch) -> Result<(), LogError>;
}

/// Why the flags could not be read or written.
#[derive(Debug, Clone, Error)]
pub enum FlagsError {
    /// Redis cannot be reached.
    #[error("Redis cannot be reached while {doing}: {cause}")]
    Unreachable {
        /// What was being done.
        doing: String,
        /// The message of the driver.
        cause: String,
    },
    /// Redis answered with an error, e.g. a wrong type or no permission.
    #[error("Redis refused {doing}: {cause}")]
    Rejected {
        /// What was being done, with the key.
        doing: String,
        /// Its message.
        cause: String,
    },
}

/// The result of writing one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is as desired.
    Applied,
    /// It already carries this newer epoch; nothing was changed.
    Stale {
        /// The epoch found.
        found: Epoch,
    },
    /// It is `dl_default`, and Redis has lost its data; nothing was changed.
    Withheld,
}

/// The Redis hashes. Only the darklaunch actor writes through this.
#[async_trait]
pub trait Flags: Send + Sync + 'static {
    /// The named fields and the epoch of each hash; a result for each, in order. A field that does not exist is `None`.
    async fn read(&self, wanted: &[(FlagKey, Vec<String>)]) -> Result<Vec<FoundFlags>, FlagsError>;
    /// Makes hashes match their images, each hash atomically and only if it has no newer epoch. `dl_default` lets applications
    /// work, so it waits for all others: it is written only while Redis is whole, or has lost nothing since [`Flags::is_whole`]
    /// last returned `false`; checked atomically.
    async fn write(&self, images: &[FlagImage]) -> Result<Vec<Written>, FlagsError>;
    /// Whether Redis still has all flags: false after it lost its data, until [`Flags::mark_whole`]. A caller that gets `false`
    /// writes everything again, `dl_default` last.
    async fn is_whole(&self) -> Result<bool, FlagsError>;
    /// Marks in Redis that all desired flags were written since [`Flags::is_whole`] last returned `false`. Does nothing if
    /// Redis has lost its data again since then, or if it returned `true`.
    async fn mark_whole(&self) -> Result<(), FlagsError>;
    /// Whether Redis takes writes: tries one that changes no flag.
    async fn try_write(&self) -> Result<(), FlagsError>;
    /// Leaves a mark in each hash that carries this epoch now; for each, in order, whether it does.
    async fn witness(&self, hashes: &[(FlagKey, Epoch)]) -> Result<Vec<bool>, FlagsError>;
    /// Whether each hash has kept its mark of this epoch, in the same server: then it was there, as it is, all the time since.
    async fn is_witnessed(&self, hashes: &[(FlagKey, Epoch)]) -> Result<Vec<bool>, FlagsError>;
}

/// Why a store refused or failed.
#[derive(Debug, Clone, Error)]
#[error("{reason}")]
pub struct EngineError {
    /// Whether a retry may work (connection lost, deadlock, lock timeout).
    pub transient: bool,
    /// What went wrong, as a sentence for the operator.
    pub reason: String,
    /// Where.
    pub place: Box<Place>,
}

/// One of the two stores of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The store that the org comes from.
    Source,
    /// The store that it goes to.
    Target,
}

/// How much was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Rows over all orgs and tables.
    pub rows: i64,
    /// Bytes sent to the target.
    pub bytes: i64,
}

/// The stores. Every call may be repeated after a crash at any instant, and the store itself refuses it if it has seen a newer
/// epoch.
///
/// Calls with several leases are about a cohort: at least one org, all of one migration. A call takes effect for all of them or, as far
/// as the result tells, for none: to find the org behind a permanent fault, ask again for a part of them.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// How the migration routes its orgs; an error if there is no such migration.
    fn routing(&self, migration: &MigrationName) -> Result<Routing, EngineError>;
    /// The limits of online moves of this migration, and of its cohorts.
    fn limits(&self, migration: &MigrationName) -> Result<Limits, EngineError>;
    /// About how many rows each org has in the source, in order: used to pack cohorts.
    async fn sizes(&self, leases: &[Lease]) -> Result<Vec<i64>, EngineError>;

    /// How the directory of orgs lists these orgs now, where they live in this store; in order.
    async fn listings(&self, leases: &[Lease], _: Side) -> Result<Vec<Listing>, EngineError> {
        Ok(vec![Listing::Same; leases.len()])
    }

    /// Waits until the transactions have ended that may still write to the orgs in the source.
    async fn drain(&self, leases: &[Lease]) -> Result<(), EngineError>;
    /// Copies the orgs' rows in one transaction; returns the total. Rows of an earlier try are replaced, foreign rows refused
    /// (P6).
    async fn copy(&self, leases: &[Lease]) -> Result<Copied, EngineError>;
    /// Counts and hashes the orgs' rows in one snapshot; in order.
    async fn tally(&self, leases: &[Lease], side: Side) -> Result<Vec<Tally>, EngineError>;
    /// Counts and hashes the orgs' rows in the source and in the target, while there are no writes; in order.
    async fn verify(&self, leases: &[Lease]) -> Result<Vec<(Tally, Tally)>, EngineError> {
        let (source, target) = try_join!(self.tally(leases, Side::Source), self.tally(leases, Side::Target))?;
        Ok(source.into_iter().zip(target).collect())
    }
    /// Finds the rows and columns behind a mismatch.
    async fn explain(&self, lease: &Lease, mismatch: &Mismatch) -> Result<Place, EngineError>;
    /// The orgs may have been written since they were compared: [`Engine::settle`] compares them again.
    async fn doubt_proofs(&self, leases: &[Lease]) -> Result<(), EngineError>;
    /// Makes the copied rows live: from now on they are never replaced or removed.
    async fn settle(&self, leases: &[Lease]) -> Result<(), EngineError>;
    /// Removes the rows that [`Engine::copy`] or [`Engine::copy_live`] wrote, unless they are live.
    async fn discard(&self, lease: &Lease) -> Result<(), EngineError>;

    /// Makes the source log the keys of all rows of the orgs that are written, and waits for the writers that began before.
    async fn capture(&self, leases: &[Lease]) -> Result<(), EngineError>;
    /// Copies the orgs' rows while they are written; returns the same as [`Engine::copy`]. Continues an interrupted try of the
    /// same move.
    async fn copy_live(&self, leases: &[Lease]) -> Result<Copied, EngineError>;
    /// One round: brings all rows whose keys are logged now up to date in the receiving store, compares them there, and deletes
    /// the keys from the log.
    async fn catch_up(&self, leases: &[Lease], way: Way) -> Result<CaughtUp, EngineError>;
    /// Counts and hashes each org's rows in the leaving and in the receiving store, without those whose keys are logged at that
    /// instant: [`Engine::catch_up`] compares these. In order.
    async fn compare(&self, leases: &[Lease], way: Way) -> Result<Vec<(Tally, Tally)>, EngineError>;
    /// Whether the point of no return has been passed. The call makes both stores refuse all older epochs: with an epoch under
    /// which nothing was sent before, the result `false` stays true.
    async fn has_moved(&self, lease: &Lease, way: Way) -> Result<bool, EngineError>;
    /// Makes the orgs' writers wait, once the running ones have committed. The call waits for the writers of a single org; of
    /// several orgs, it leaves out those that have running writers.
    async fn block(&self, leases: &[Lease], way: Way) -> Result<BlockOutcome, EngineError>;
    /// Makes the orgs live in the receiving store, after they have left the other.
    async fn complete(&self, leases: &[Lease], way: Way) -> Result<(), EngineError>;
    /// Undoes [`Engine::capture`]; refused if the org has moved.
    async fn release(&self, lease: &Lease) -> Result<(), EngineError>;
    /// How much longer the target keeps the copy of an org that was rolled back. Until then [`Engine::discard_rolled_back`] is refused.
    async fn copy_kept_for(&self, _: &Lease) -> Result<Duration, EngineError> {
        Ok(Duration::ZERO)
    }
    /// Removes the rows of an org that was rolled back from the target.
    async fn discard_rolled_back(&self, lease: &Lease) -> Result<(), EngineError>;
    /// Writes the org's rows in the source to a file that can be restored. Refused unless the target still holds the copy, with
    /// every row that was not written there since.
    async fn back_up(&self, lease: &Lease) -> Result<BackedUp, EngineError>;
    /// Makes the target stop logging writes of the org. Refused unless the backup is as it was written, and the target still holds
    /// the copy.
    async fn close(&self, lease: &Lease, backup: &Backup) -> Result<(), EngineError>;
    /// Removes the org's rows from the source, a few at a time; returns how many. Only after [`Engine::close`], and only rows that
    /// the backup has.
    async fn purge(&self, lease: &Lease, backup: &Backup) -> Result<i64, EngineError>;
}

/// How a directory lists an org. Its rows are found by its key and its flags by its name, so both must be of one org.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Listing {
    /// With this name and this key.
    #[error("the directory lists it")]
    Same,
    /// Its key has another name.
    #[error("the directory of orgs has renamed it to {0:?}: its flags would be set under its former name")]
    Renamed(String),
    /// Its name has another key.
    #[error("the directory of orgs lists another org under its name, with key {0}: the flags of that org would be set")]
    Taken(String),
    /// Its name is listed more than once.
    #[error("the directory of orgs lists its name more than once")]
    Twice,
    /// Neither its name nor its key is listed.
    #[error("the directory of orgs does not list it any more")]
    Gone,
}

/// The result of [`Engine::block`] for one org.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its writers wait.
    Held,
    /// Its writers hold the lock; no writer waits for us.
    Busy,
    /// It has moved already: [`Engine::complete`] continues from there.
    Moved,
}

/// The result of [`Engine::block`].
pub struct BlockOutcome {
    /// The result for each org, in order.
    pub orgs: Vec<Access>,
    /// The block of the orgs that are held; `None` if none is.
    pub block: Option<Box<dyn WriteBlock>>,
}

/// The writers of some orgs wait while this lives. When it is dropped, they continue in whichever store their org is live then;
/// the store does the same by itself if the process dies.
#[async_trait]
pub trait WriteBlock: Send {
    /// Carries over the last writes and commits the point of no return in the leaving store. After an error
    /// [`Engine::has_moved`] finds out whether it was committed. Writers still wait.
    async fn leave(&mut self) -> Result<CaughtUp, EngineError>;
    /// Makes the orgs live in the other store. After an error [`Engine::complete`] does that. Writers still wait.
    async fn arrive(&mut self) -> Result<(), EngineError>;
    /// The earliest time since when writers may wait: no lock was requested before.
    fn since(&self) -> SystemTime;
    /// Lets the writers continue; returns since when they do.
    async fn release(self: Box<Self>) -> Result<SystemTime, EngineError>;
}

/// The limits of online moves and cohorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most orgs in a cohort.
    pub cohort_orgs: usize,
    /// The most rows of a cohort of more than one org.
    pub cohort_rows: i64,
    /// How long writers of an org may wait at the switch, in milliseconds.
    pub max_block_ms: u64,
    /// An org with more logged keys than this, and no end in sight, is parked.
    pub max_change_backlog: i64,
}

/// The result of one round of catch-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaughtUp {
    /// Keys that were brought up to date.
    pub keys: i64,
    /// Entries that were logged meanwhile.
    pub left: i64,
}

/// The backup of an org.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// The file.
    pub file: Backup,
    /// Rows over all tables.
    pub rows: i64,
}
