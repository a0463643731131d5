//! The interfaces of the tree to Postgres, Redis and the stores. The crate `mover` implements these for Postgres and Redis; the
//! simulation implements them in memory, and both pass the same contract suite.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::try_join;
use thiserror::Error;

use crate::domain::campaign::{Campaign, CampaignPlan, Control, Selection};
use crate::domain::flags::{Fields, FlagImage, FlagKey, FoundFlags, Routing};
use crate::domain::ids::{CampaignId, Epoch, MigrationName, MoveId, NodeId};
use crate::domain::record::{Advance, Lease, MoveRecord, Place};
use crate::domain::state::{Refused, Way};
use crate::domain::verified::{Mismatch, Tally};

/// Why the move log did not do what it was asked.
#[derive(Debug, Clone, Error)]
pub enum LogError {
    /// It is unreachable, or the connection was lost: whether the change was made is unknown. Try again.
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
        /// Which move.
        id: MoveId,
        /// The token we came with.
        ours: Epoch,
    },
    /// A campaign is live already.
    #[error("campaign {campaign} of migration {migration} is still live on a running node")]
    Busy {
        /// Which one.
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
    /// What is stored or asked makes no sense.
    #[error("{doing}: {problem}")]
    Invalid {
        /// What was being done.
        doing: String,
        /// What is wrong.
        problem: String,
    },
}

impl LogError {
    /// Whether trying the same again later can help.
    pub fn is_transient(&self) -> bool {
        matches!(self, LogError::Unreachable { .. })
    }
}

/// A change of what one flag hash should look like.
#[derive(Debug, Clone, PartialEq)]
pub struct Desire {
    /// Which hash.
    pub key: FlagKey,
    /// The lease under which a move asks for it; checked inside the same transaction. `None` for an operator.
    pub lease: Option<(MoveId, Epoch)>,
    /// What Redis holds now for the fields of `base` and `overlay`, where the caller read it. Becomes the
    /// base of fields in `overlay` while there is no overlay, if Redis is at the stored epoch (so it lost nothing)
    /// or the hash was never stored; so an operator's own 503 comes back after the block.
    pub found: FoundFlags,
    /// Fields to set for good.
    pub base: Fields,
    /// Replaces the fields laid over the base while the org is blocked; `None` leaves them as they are.
    pub overlay: Option<Fields>,
}

/// Where moves, campaigns, nodes and desired flags are kept. Its answers are the truth (P10).
#[async_trait]
pub trait MoveLog: Send + Sync + 'static {
    /// Registers this process, or renews it: the same name gets the same id.
    async fn join(&self, name: &str, lease: Duration) -> Result<NodeId, LogError>;
    /// Says that the node lives, for another lease.
    async fn heartbeat(&self, node: NodeId, lease: Duration) -> Result<(), LogError>;
    /// Says that the node is gone; whatever it still holds may be taken over at once.
    async fn leave(&self, node: NodeId) -> Result<(), LogError>;
    /// Takes over at most `limit` started moves of dead nodes, each with a new epoch.
    async fn adopt_orphans(&self, node: NodeId, limit: u32) -> Result<Vec<MoveRecord>, LogError>;
    /// The started moves that this node holds, at most `limit`: each should have a state machine here.
    async fn held(&self, node: NodeId, limit: u32) -> Result<Vec<MoveId>, LogError>;

    /// Opens a campaign. A live one whose node is dead is ended as interrupted; of a living node: [`LogError::Busy`].
    async fn open_campaign(&self, node: NodeId, plan: &CampaignPlan) -> Result<Campaign, LogError>;
    /// A campaign with its counts.
    async fn campaign(&self, id: CampaignId) -> Result<Campaign, LogError>;
    /// The live campaign, if there is one.
    async fn live_campaign(&self) -> Result<Option<Campaign>, LogError>;
    /// Makes this node drive the live campaign of a dead one, running; nothing if there is no such campaign.
    async fn adopt_campaign(&self, node: NodeId) -> Result<Option<Campaign>, LogError>;
    /// Changes the live campaign; [`LogError::NoCampaign`] if none is live.
    async fn control(&self, change: Control, reason: Option<&str>) -> Result<Campaign, LogError>;
    /// Ends a campaign.
    async fn close_campaign(&self, id: CampaignId, reason: Option<&str>) -> Result<(), LogError>;
    /// Claims at most `limit` ready orgs of the campaign's selection: now `started` at their first step, each with a new
    /// epoch. An org that is in flight in another migration is left out. Empty: no org can be claimed now.
    async fn claim(&self, campaign: CampaignId, node: NodeId, limit: u32) -> Result<Vec<MoveRecord>, LogError>;

    /// One move.
    async fn load(&self, id: MoveId) -> Result<MoveRecord, LogError>;
    /// Gives a started move that this node holds with this epoch a new one, under which nothing has been sent to a store;
    /// answers it. Repeated after a lost answer, it answers the same. [`LogError::Fenced`] if the move has another owner.
    async fn renew(&self, node: NodeId, id: MoveId, epoch: Epoch) -> Result<Epoch, LogError>;
    /// Writes many transitions in one transaction, each on its own merits: an answer for each, in order.
    /// The outer error means that none was written, or that it is unknown. A transition that was
    /// already written with the same epoch is answered with Ok (so that trying again is harmless).
    async fn advance(&self, node: NodeId, advances: &[Advance]) -> Result<Vec<Result<(), LogError>>, LogError>;
    /// Releases captured orgs; answers how many.
    async fn make_ready(&self, migration: &MigrationName, selection: &Selection) -> Result<u64, LogError>;
    /// Makes failed orgs ready again; answers how many.
    async fn retry(&self, migration: &MigrationName, selection: &Selection) -> Result<u64, LogError>;

    /// Changes what flag hashes should look like, in one transaction; an answer for each, in order, with the hash's new image.
    async fn desire(&self, desires: &[Desire]) -> Result<Vec<Result<FlagImage, LogError>>, LogError>;
    /// What hashes should look like, in the order in which they should be written after a loss: orgs first,
    /// `dl_override`, and `dl_default` last. Pages: those after `after`.
    async fn desired(&self, after: Option<&FlagKey>, limit: u32) -> Result<Vec<FlagImage>, LogError>;
    /// What these hashes should look like, in order; nothing for one that Mover does not manage.
    async fn desired_of(&self, keys: &[FlagKey]) -> Result<Vec<Option<FlagImage>>, LogError>;
    /// Makes every epoch from now on higher than this one.
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

/// What became of one written hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is as wanted.
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
    /// The named fields and the epoch of each hash; an answer for each, in order. A field that does not exist is `None`.
    async fn read(&self, wanted: &[(FlagKey, Vec<String>)]) -> Result<Vec<FoundFlags>, FlagsError>;
    /// Makes hashes look like their images, each hash atomically and only if it carries no newer epoch. `dl_default`
    /// lets applications work, so it waits for all others: it is written only while Redis is whole, or has lost nothing
    /// since [`Flags::is_whole`] last answered `false`; checked atomically.
    async fn write(&self, images: &[FlagImage]) -> Result<Vec<Written>, FlagsError>;
    /// Whether Redis still has all flags: false after it lost its data, until [`Flags::mark_whole`]. A caller that receives
    /// `false` writes everything again, `dl_default` last.
    async fn is_whole(&self) -> Result<bool, FlagsError>;
    /// Marks in Redis that all desired flags were written since [`Flags::is_whole`] last answered `false`. Does nothing if
    /// Redis has lost its data again since then, or if it answered `true`.
    async fn mark_whole(&self) -> Result<(), FlagsError>;
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, Error)]
#[error("{reason}")]
pub struct EngineError {
    /// Whether the same may work later (connection lost, deadlock, lock timeout).
    pub transient: bool,
    /// What went wrong, as a sentence for the operator.
    pub reason: String,
    /// Where.
    pub place: Box<Place>,
}

/// Which store of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Where the org comes from.
    Source,
    /// Where it goes.
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

/// The stores. Every call may be repeated after a crash at any instant, and is refused by the store itself if a newer
/// epoch was there.
///
/// Calls that take several leases are about a cohort: at least one org, all of one migration. What they do is done for all of them or, as
/// far as the answer tells, for none: a fault that stays is found by asking again for a part of them.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// How the migration routes its orgs; an error if there is no such migration.
    fn routing(&self, migration: &MigrationName) -> Result<Routing, EngineError>;
    /// How patient online moves of this migration are, and how large cohorts may be.
    fn limits(&self, migration: &MigrationName) -> Result<Limits, EngineError>;
    /// About how many rows each org has in the source, in order: used to pack cohorts.
    async fn sizes(&self, leases: &[Lease]) -> Result<Vec<i64>, EngineError>;

    /// Waits until the transactions that may still write to the orgs in the source have ended.
    async fn drain(&self, leases: &[Lease]) -> Result<(), EngineError>;
    /// Copies the orgs' rows in one transaction; answers how much that was over all of them. Rows of an earlier try are replaced,
    /// foreign rows refused (P6).
    async fn copy(&self, leases: &[Lease]) -> Result<Copied, EngineError>;
    /// Counts and hashes the orgs' rows in one snapshot; in order.
    async fn tally(&self, leases: &[Lease], side: Side) -> Result<Vec<Tally>, EngineError>;
    /// Counts and hashes the orgs' rows in the source and in the target, while nobody writes to them; in order.
    async fn verify(&self, leases: &[Lease]) -> Result<Vec<(Tally, Tally)>, EngineError> {
        let (source, target) = try_join!(self.tally(leases, Side::Source), self.tally(leases, Side::Target))?;
        Ok(source.into_iter().zip(target).collect())
    }
    /// Finds the rows and columns behind a mismatch.
    async fn explain(&self, lease: &Lease, mismatch: &Mismatch) -> Result<Place, EngineError>;
    /// Declares the copied rows to be live: from now on they are never replaced or removed.
    async fn settle(&self, leases: &[Lease]) -> Result<(), EngineError>;
    /// Removes the rows that [`Engine::copy`] or [`Engine::copy_live`] brought, unless they are live.
    async fn discard(&self, lease: &Lease) -> Result<(), EngineError>;

    /// Lets the source log the keys of all that is written of the orgs, and waits until nobody is left who began to write
    /// before.
    async fn capture(&self, leases: &[Lease]) -> Result<(), EngineError>;
    /// Copies the orgs' rows while they are written; answers as [`Engine::copy`] does. Continues where an earlier try of the same
    /// move was interrupted.
    async fn copy_live(&self, leases: &[Lease]) -> Result<Copied, EngineError>;
    /// One round: brings all rows whose keys are logged now to their present state in the receiving store, compares
    /// them there, and forgets the keys.
    async fn catch_up(&self, leases: &[Lease], way: Way) -> Result<CaughtUp, EngineError>;
    /// Counts and hashes each org's rows in the store it leaves and in the one that receives it, without those whose keys are
    /// logged at that instant: [`Engine::catch_up`] compares these. In order.
    async fn compare(&self, leases: &[Lease], way: Way) -> Result<Vec<(Tally, Tally)>, EngineError>;
    /// Whether the point of no return has been passed. Whoever asks has both stores refuse all with an older epoch from
    /// then on: asked with an epoch under which nothing was sent before, the answer `false` stays true.
    async fn has_moved(&self, lease: &Lease, way: Way) -> Result<bool, EngineError>;
    /// Lets the orgs' writers wait, once those at work have committed. A single org is waited for; of several, those whose writers are
    /// at work are left out.
    async fn block(&self, leases: &[Lease], way: Way) -> Result<Blocked, EngineError>;
    /// Makes the orgs live in the receiving store, after they have left the other.
    async fn complete(&self, leases: &[Lease], way: Way) -> Result<(), EngineError>;
    /// Undoes [`Engine::capture`]; refused if the org has moved.
    async fn release(&self, lease: &Lease) -> Result<(), EngineError>;
    /// Removes the rows of an org that was rolled back from the target.
    async fn discard_rolled_back(&self, lease: &Lease) -> Result<(), EngineError>;
    /// Writes the org's rows in the source to a file that can be restored.
    async fn back_up(&self, lease: &Lease) -> Result<BackedUp, EngineError>;
    /// Lets the target stop logging what is written of the org.
    async fn close(&self, lease: &Lease) -> Result<(), EngineError>;
    /// Removes the org's rows from the source, a few at a time; answers how many. Only after [`Engine::close`].
    async fn purge(&self, lease: &Lease) -> Result<i64, EngineError>;
}

/// How far [`Engine::block`] got with one org.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its writers wait.
    Held,
    /// Its writers hold the lock; no writer waits.
    Busy,
    /// It has moved already: [`Engine::complete`] continues from there.
    Moved,
}

/// What [`Engine::block`] answers.
pub struct Blocked {
    /// How far it got with each org, in order.
    pub orgs: Vec<Access>,
    /// Over the orgs that are held; nothing if none is.
    pub block: Option<Box<dyn WriteBlock>>,
}

/// The writers of some orgs wait while this lives. Dropped, it lets them continue wherever their org is live then; the store does the
/// same by itself if the process dies.
#[async_trait]
pub trait WriteBlock: Send {
    /// Brings over what was written last and commits the point of no return in the store that the orgs leave. After an
    /// error [`Engine::has_moved`] knows how far it came. Writers still wait.
    async fn leave(&mut self) -> Result<CaughtUp, EngineError>;
    /// Makes the orgs live in the other store. After an error [`Engine::complete`] does. Writers still wait.
    async fn arrive(&mut self) -> Result<(), EngineError>;
    /// Since when writers wait, at most: no lock was requested before.
    fn since(&self) -> SystemTime;
    /// Lets the writers continue; answers since when they do.
    async fn release(self: Box<Self>) -> Result<SystemTime, EngineError>;
}

/// How patient online moves are, and how much is carried together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most orgs in a cohort.
    pub cohort_orgs: usize,
    /// The most rows of a cohort of more than one org.
    pub cohort_rows: i64,
    /// For how long writers of an org may wait at the switch, in milliseconds.
    pub max_block_ms: u64,
    /// More logged keys than this, and no end in sight, park the org.
    pub max_change_backlog: i64,
}

/// What one round of catching up did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaughtUp {
    /// Keys that were brought up to date.
    pub keys: i64,
    /// Entries that were logged meanwhile.
    pub left: i64,
}

/// Where an org's rows were written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// The file, on the node that wrote it.
    pub path: PathBuf,
    /// Rows over all tables.
    pub rows: i64,
}
