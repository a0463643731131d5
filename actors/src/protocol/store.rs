//! The capabilities of a store. A kind of store implements these; the protocol is written over them.
//!
//! Every request may be repeated after a crash at any instant, and the store itself refuses it if it has seen a newer epoch. A session
//! that is dropped without [`Session::release`] ends with everything that it had begun: its transaction, its
//! snapshot and its locks.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;

use crate::domain::ids::{Epoch, OrgKey, StoreName};
use crate::domain::record::{Backup, Lease};
use crate::domain::state::Way;
use crate::domain::verified::{TableTally, Tally};
use crate::ports::{BackedUp, Copied, EngineError};

use super::cohort::Cohort;
use super::fingerprint::Glance;
use super::held::Holder;
use super::keys::RowKeys;
use super::ranges::Piece;
use super::standing::{Mode, Standing};

type Answer<T> = Result<T, EngineError>;

/// Rows on their way from one store to the other, table after table in the order of the route's outline.
pub type Rows<'a> = Pin<Box<dyn Stream<Item = Answer<Batch>> + Send + 'a>>;

/// Some rows of one table.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The table's number in the route's outline.
    pub table: usize,
    /// How many rows.
    pub rows: i64,
    /// The rows.
    pub content: Content,
    /// Count and hash of these rows, computed on the way as [`Session::tally`] would; empty if the store does not do that.
    pub tallied: Vec<Tallied>,
}

/// Rows of one org in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tallied {
    /// The org's place in the cohort.
    pub org: usize,
    /// How many rows.
    pub rows: i64,
    /// The sum of their hashes.
    pub hash: i128,
}

/// All rows of some orgs, read from one snapshot.
pub struct Snapshotted<'a> {
    /// The rows.
    pub rows: Rows<'a>,
    /// What the snapshot sees: known before the first row.
    pub seen: Pin<Box<dyn Future<Output = Answer<Seen>> + Send + 'a>>,
}

/// Rows in a form that both stores of a route understand.
#[derive(Debug, Clone)]
pub enum Content {
    /// A format that both stores know: passed on without being decoded. Whole rows.
    Opaque(Bytes),
    /// A value for each copied column of each row.
    Values(Vec<Vec<Value>>),
}

/// One value of a row, for stores that have no format in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

/// What a store must be able to keep before it can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Standings: enough to move orgs while there are no writes.
    Standings,
    /// Also change logs, and the progress of copies.
    Changes,
}

/// Remembers the standing of each org in one store. These requests move no rows, and do not depend on a schema.
#[async_trait]
pub trait Guard: Send + Sync {
    /// The store.
    fn store(&self) -> &StoreName;
    /// Creates what is needed to keep these, if it is missing; refused with the statement to run if Mover has no right to.
    async fn ensure(&self, keeps: Keeps) -> Answer<()>;
    /// Whether everything is there, and so whether anything of an online move can be there.
    async fn exists(&self) -> Answer<bool>;
    /// The standings of the orgs; none for unknown orgs.
    async fn standings(&self, cohort: &Cohort) -> Answer<HashMap<OrgKey, Standing>>;
    /// Makes settled or capturing orgs `capturing`: their writes are logged. An error names an org for which that was refused;
    /// others of the cohort may be capturing then.
    async fn capture(&self, cohort: &Cohort) -> Answer<()>;
    /// Makes the store refuse older epochs, for unknown orgs too; returns the mode of each org. An org with a newer epoch is an
    /// error.
    async fn fence(&self, cohort: &Cohort) -> Answer<HashMap<OrgKey, Mode>>;
    /// Makes the store refuse older epochs, if it knows the org. If it does not, it must record nothing that could be taken for
    /// a decision.
    async fn refuse_older(&self, lease: &Lease) -> Answer<()>;
    /// How long ago the org left this store, by the clock of the store; `None` unless it has moved away from here.
    async fn left_ago(&self, lease: &Lease) -> Answer<Option<Duration>>;
    /// Makes the orgs live here, and forgets how they were copied. Repeating it is harmless.
    async fn arrive(&self, cohort: &Cohort, way: Way) -> Answer<()>;
    /// Settles the org here: once its running writers have committed, nothing is logged any more, and the log is emptied.
    /// `what` names the operation.
    async fn stop_capture(&self, lease: &Lease, what: &'static str) -> Answer<()>;
    /// Makes copies live: they are never replaced or removed any more. Repeating it is harmless.
    async fn settle(&self, cohort: &Cohort) -> Answer<()>;
}

/// A store on one side of a route.
#[async_trait]
pub trait StoreSide: Send + Sync {
    /// The store.
    fn store(&self) -> &StoreName;
    /// Waits until the transactions that are writing now have ended.
    async fn drain(&self) -> Answer<()>;
    /// What other migrations that guard some of the same tables here have decided about the orgs, unless they live here by it and do not
    /// move.
    async fn held_by_others(&self, cohort: &Cohort) -> Answer<Vec<Holder>>;
}

/// The leaving store of a migration.
#[async_trait]
pub trait Leaving: StoreSide {
    /// Refuses orgs whose key is not written as in their rows, if the store would treat both as equal; and all orgs as long as one of
    /// the stores would change what is written to it.
    async fn must_be_movable(&self, cohort: &Cohort) -> Answer<()>;
    /// About how many rows each org has; nothing for orgs without rows.
    async fn sizes(&self, cohort: &Cohort) -> Answer<HashMap<OrgKey, i64>>;
    /// A session that reads.
    async fn reader(&self) -> Answer<Box<dyn Reader>>;
}

/// The receiving store of a migration.
#[async_trait]
pub trait Receiving: StoreSide {
    /// A session that writes.
    async fn receiver(&self) -> Answer<Box<dyn Receiver>>;
}

/// A session with a store on either side.
#[async_trait]
pub trait Session: Send + Sync {
    /// Counts and hashes the rows of each org in one snapshot, or in the transaction that is open.
    async fn tally(&self, cohort: &Cohort) -> Answer<HashMap<OrgKey, Tally>>;
    /// The present state of the store.
    async fn glance(&self) -> Answer<Glance>;
    /// Gives the session back, idle.
    fn release(self: Box<Self>);
}

/// The rows of an org in one table, some time after they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// So many, each of which was counted and hashed on its way and not written since.
    Unwritten(i64),
    /// Read again: rows of this table are not hashed on their way.
    Tallied(TableTally),
}

/// Reads rows of orgs.
#[async_trait]
pub trait Reader: Session {
    /// All rows of the orgs in one snapshot. The snapshot is taken by the time this returns.
    async fn rows<'a>(&'a self, cohort: &'a Cohort) -> Answer<Snapshotted<'a>>;
    /// Looks for rows that were written after the snapshot `seen`. Returns what each org has in each table, without the orgs that
    /// have such a row; a deleted row shows only in the number of rows. In one snapshot, or in the one that is open.
    async fn tally_since(&self, cohort: &Cohort, seen: &Seen) -> Answer<HashMap<OrgKey, BTreeMap<usize, Since>>>;
}

/// The answer of the receiving store when orgs enter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entered {
    /// The orgs that were `incoming` before: an earlier try may have left rows.
    pub again: HashSet<OrgKey>,
    /// Whether any of the orgs has rows.
    pub has_rows: bool,
}

/// Writes rows of orgs, in a transaction of its own.
#[async_trait]
pub trait Receiver: Session {
    /// Begins a transaction in which the orgs are `incoming`; refused if one lives here or has a newer epoch. No other
    /// process can enter them until it ends.
    async fn enter(&self, cohort: &Cohort) -> Answer<Entered>;
    /// Removes the orgs' rows.
    async fn clear(&self, cohort: &Cohort) -> Answer<()>;
    /// Refuses orgs that have rows: Mover did not write them.
    async fn refuse_foreign(&self, cohort: &Cohort) -> Answer<()>;
    /// Writes rows, and remembers what [`Receiver::prove`] has to check.
    async fn write(&self, rows: Rows<'_>) -> Answer<Copied>;
    /// Verifies all constraints on the orgs' rows that were not checked while they were written, unless that is left for later,
    /// and makes sure that later writes do not collide with them.
    async fn prove(&self, cohort: &Cohort, prove: Prove) -> Answer<()>;
    /// Ends the transaction, durably.
    async fn commit(&self) -> Answer<()>;
    /// Rolls the transaction back.
    async fn roll_back(&self) -> Answer<()>;
}

/// A store on one side of a route that observes writes.
#[async_trait]
pub trait Watching: StoreSide {
    /// Refuses unless every write would be observed.
    async fn must_watch(&self) -> Answer<()>;
    /// Makes the store watch writes of the orgs, whose standings are set already.
    async fn watch(&self, cohort: &Cohort) -> Answer<()>;
    /// The largest number of sessions at once.
    fn sessions_max(&self) -> usize;
}

/// The leaving store of orgs that are written.
#[async_trait]
pub trait LiveLeaving: Leaving + Watching {
    /// A session for everything that is done with an org that is written.
    async fn session(&self) -> Answer<Box<dyn LeavingSession>>;
    /// Writes the org's rows to a file from which they can be restored; the org must have moved away. The file remembers `live`,
    /// the tables of which the other store has rows of the org. With `instead_of`, the file takes the place of that backup, and
    /// counts as it.
    async fn back_up(&self, lease: &Lease, live: &BTreeSet<String>, instead_of: Option<&Backup>) -> Answer<BackedUp>;
    /// Reads a backup of the org to its end. Refused if it is missing, is not as it was written, or is of something else.
    async fn read_backup(&self, lease: &Lease, backup: &Backup) -> Answer<Kept>;
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The epoch under which the org was backed up.
    pub epoch: Epoch,
    /// Rows by table.
    pub rows: BTreeMap<String, i64>,
    /// Count and hash of these rows, as [`Session::tally`] had them; `None` if an earlier version wrote the backup.
    pub tally: Option<Tally>,
    /// The tables of which the other store had rows of the org; none if an earlier version wrote the backup.
    pub live: BTreeSet<String>,
    /// A column that would be removed now and that the backup lacks, with its table.
    pub lacks: Option<String>,
}

/// The receiving store of orgs that are written.
#[async_trait]
pub trait LiveReceiving: Receiving + Watching {
    /// A session for everything that is done with an org that is written.
    async fn session(&self) -> Answer<Box<dyn ReceivingSession>>;
    /// Removes the org's rows, a few at a time; returns how many. The org must have moved away. With a backup only rows that are in
    /// it are removed, and it is refused if there are others.
    async fn purge(&self, lease: &Lease, backup: Option<&Backup>) -> Answer<i64>;
}

/// How long a snapshot is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshot {
    /// For a few requests.
    Short,
    /// As long as a large org is copied: hours.
    Long,
}

/// One snapshot of a log.
#[derive(Debug)]
pub struct Logged {
    /// The standings of the orgs.
    pub standings: HashMap<OrgKey, Standing>,
    /// The keys logged by then; only of orgs that have any.
    pub by_org: BTreeMap<OrgKey, RowKeys>,
    /// What the snapshot sees, for [`Capture::forget`] and [`Gate::move_away`].
    pub seen: Seen,
}

/// What a snapshot sees, in the format of its store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen(pub String);

/// Single rows, found by their keys, in a store on either side.
#[async_trait]
pub trait SingleRows: Send + Sync {
    /// Counts and hashes the rows with these keys, table by table.
    async fn tally_of(&self, cohort: &Cohort, keys: &RowKeys) -> Answer<BTreeMap<usize, TableTally>>;
    /// The hash of each row of one table with one of these keys, by its key as text.
    async fn hashes_of(&self, cohort: &Cohort, keys: &RowKeys, table: usize) -> Answer<BTreeMap<String, i64>>;
    /// The rows that are found through rows of `table` with one of the keys `parents`: their tables and keys.
    async fn branches_of(&self, table: usize, parents: &[Vec<String>]) -> Answer<Vec<(usize, Vec<String>)>>;
    /// The hash of each row of one org and table whose key falls into one part, by its key as text.
    async fn hashes_in(&self, lease: &Lease, table: usize, part: Part) -> Answer<HashMap<String, i64>>;
}

/// Knows which rows were written, and reads them.
#[async_trait]
pub trait Capture: Send + Sync {
    /// Takes a snapshot, which stays open until [`Capture::end_snapshot`], and reads the log in it.
    async fn log(&self, cohort: &Cohort, snapshot: Snapshot) -> Answer<Logged>;
    /// Ends the snapshot.
    async fn end_snapshot(&self) -> Answer<()>;
    /// The rows with these keys in the open snapshot. The request is sent by the time this returns.
    async fn rows_of<'a>(&'a self, cohort: &'a Cohort, keys: &'a RowKeys) -> Answer<Rows<'a>>;
    /// Logs keys as if their rows had been written.
    async fn note(&self, lease: &Lease, table: usize, keys: &[String]) -> Answer<()>;
    /// Refuses orgs with values that the receiving store has no place for: in any of their rows, or in those with these keys.
    async fn refuse_lost(&self, cohort: &Cohort, keys: Option<&RowKeys>) -> Answer<()>;
    /// Deletes the entries that a snapshot has seen, unless there is a newer epoch; returns how many were logged since.
    async fn forget(&self, cohort: &Cohort, seen: &Seen) -> Answer<i64>;
}

/// One of several parts of a table, by the hash of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The number of the part, from 0.
    pub number: i64,
    /// The number of parts.
    pub of: i64,
}

/// How long to wait for a lock, and how long an idle session keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// How long to wait for it.
    pub wait: Duration,
    /// If Mover hangs, or the network to it does, the store ends the session after this, and writers go on.
    pub idle: Duration,
}

/// Closes orgs for their writers for a moment. The session holds the locks.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Prepares and plans every statement that may run while writers wait; from then on no wait for a lock is longer than
    /// `wait`.
    async fn rehearse(&self, cohort: &Cohort, wait: Duration) -> Answer<()>;
    /// Takes the lock of one org, after its running writers. Returns whether it got the lock in that time.
    async fn try_lock(&self, lease: &Lease, hold: Hold) -> Answer<bool>;
    /// Takes the locks that are free, without waiting; returns the keys of their orgs.
    async fn lock_free(&self, cohort: &Cohort, hold: Hold) -> Answer<HashSet<OrgKey>>;
    /// The error after waiting in vain for a lock: names the transactions that hold it.
    async fn lock_refusal(&self, lease: &Lease, waited: Duration) -> Answer<EngineError>;
    /// The point of no return: all orgs are `moved`, durably, or none is. None is if the log has an entry that the snapshot has
    /// not `seen`, or an org another epoch. Ends the open snapshot before, if there is one.
    async fn move_away(&self, cohort: &Cohort, seen: &Seen, has_snapshot: bool) -> Answer<()>;
    /// Lets the writers continue.
    async fn unlock(&self, cohort: &Cohort) -> Answer<()>;
    /// Restores the lock timeout from before [`Gate::rehearse`].
    async fn reset_timeouts(&self) -> Answer<()>;
}

/// Cuts orgs that are too large for one transaction into ranges.
#[async_trait]
pub trait Ranges: Send + Sync {
    /// Whether the org has more rows than this in any table.
    async fn is_large(&self, lease: &Lease, rows: i64) -> Answer<bool>;
    /// A name by which other sessions can read from the open snapshot.
    async fn export(&self) -> Answer<String>;
    /// Cuts all tables of the org, as the open snapshot has them, into pieces of about this many rows.
    async fn cut(&self, lease: &Lease, rows: i64) -> Answer<Vec<Piece>>;
    /// Reads from a snapshot that was exported by another session.
    async fn join_snapshot(&self, name: &str) -> Answer<()>;
    /// The rows of one piece, as the snapshot has them.
    async fn rows_in<'a>(&'a self, lease: &'a Lease, piece: &'a Piece) -> Answer<Rows<'a>>;
}

/// Replaces single rows, inside the transaction that [`Replace::hold`] has begun.
#[async_trait]
pub trait Replace: Send + Sync {
    /// Begins a transaction and locks the orgs' guard rows, so that no other process carries over until it ends; returns the
    /// mode of each org. With `idle`, the store ends it if it is idle for so long.
    async fn hold(&self, cohort: &Cohort, idle: Option<Duration>) -> Answer<HashMap<OrgKey, Standing>>;
    /// Removes the rows with these keys, and writes `rows` in their place.
    async fn replace(&self, cohort: &Cohort, keys: &RowKeys, rows: Rows<'_>) -> Answer<()>;
    /// Verifies the same as [`Receiver::prove`] for rows with these keys, or only that later writes do not collide with them.
    async fn prove_rows(&self, cohort: &Cohort, keys: &RowKeys, prove: Prove) -> Answer<()>;
    /// Makes the store refuse older epochs, once the transaction is committed.
    async fn raise(&self, cohort: &Cohort) -> Answer<()>;
    /// Makes the orgs live here, once the transaction is committed. Begins one unless it is open.
    async fn receive(&self, cohort: &Cohort, way: Way, is_open: bool) -> Answer<()>;
    /// See [`Gate::rehearse`].
    async fn rehearse(&self, cohort: &Cohort, wait: Duration) -> Answer<()>;
    /// See [`Gate::reset_timeouts`].
    async fn reset_timeouts(&self) -> Answer<()>;
}

/// How much can be verified yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prove {
    /// Everything.
    All,
    /// Not references: the rows that they lead to may not be copied yet, or they are verified later.
    OnlyContents,
}

/// Remembers the progress of a copy in ranges.
#[async_trait]
pub trait PieceLog: Send + Sync {
    /// The pieces that an earlier try has planned.
    async fn pieces(&self, cohort: &Cohort) -> Answer<Vec<Piece>>;
    /// Records how the org is cut, in the open transaction.
    async fn plan_pieces(&self, lease: &Lease, pieces: &[Piece]) -> Answer<()>;
    /// Begins a transaction in which a piece is written: the org must be `incoming`, and others write other pieces of it
    /// meanwhile.
    async fn begin_piece(&self, lease: &Lease) -> Answer<()>;
    /// Removes the rows of a piece.
    async fn clear_piece(&self, lease: &Lease, piece: &Piece) -> Answer<()>;
    /// Records that a piece is copied, once the transaction is committed.
    async fn piece_done(&self, lease: &Lease, piece: &Piece, copied: Copied) -> Answer<()>;
    /// How much was copied by all pieces.
    async fn copied(&self, lease: &Lease) -> Answer<Copied>;
    /// Forgets the pieces of the orgs.
    async fn forget_pieces(&self, cohort: &Cohort) -> Answer<()>;
}

/// A session with the leaving store of orgs that are written.
pub trait LeavingSession: Reader + SingleRows + Capture + Gate + Ranges {}
impl<S: Reader + SingleRows + Capture + Gate + Ranges> LeavingSession for S {}

/// A session with the receiving store of orgs that are written.
pub trait ReceivingSession: Receiver + SingleRows + Replace + PieceLog {}
impl<S: Receiver + SingleRows + Replace + PieceLog> ReceivingSession for S {}
