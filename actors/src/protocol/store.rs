//! What a store can do. A kind of store implements these; the protocol is written over them.
//!
//! Every request may be repeated after a crash at any instant, and a store refuses it by itself if a newer epoch was there. A session
//! that is dropped without [`Session::release`] ends with everything that it had begun: its transaction, its
//! snapshot and its locks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;

use crate::domain::ids::{OrgKey, StoreName};
use crate::domain::record::Lease;
use crate::domain::state::Way;
use crate::domain::verified::{TableTally, Tally};
use crate::ports::{BackedUp, Copied, EngineError};

use super::cohort::Cohort;
use super::fingerprint::Glance;
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
    /// What they hold.
    pub content: Content,
    /// What was counted and hashed of them on the way, as [`Session::tally`] would; empty where the store does not.
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

/// Rows as both stores of a route have agreed to pass them on.
#[derive(Debug, Clone)]
pub enum Content {
    /// In a format that both know, and nobody in between needs to: passed on without being decoded. Whole rows.
    Opaque(Bytes),
    /// A value for each copied column of each row.
    Values(Vec<Vec<Value>>),
}

/// One value of a row, for stores that have no format in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

/// What a store must be able to keep before it can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Where orgs stand: enough to move them while nobody writes.
    Standings,
    /// Also what is written, and how far copies have come.
    Changes,
}

/// Remembers where each org stands in one store. Nothing is moved by these requests, and none depends on a schema.
#[async_trait]
pub trait Guard: Send + Sync {
    /// The store.
    fn store(&self) -> &StoreName;
    /// Makes room for what is to be kept, where it is missing; refused with what to run where Mover has no right to.
    async fn ensure(&self, keeps: Keeps) -> Answer<()>;
    /// Whether there is room for everything, and so whether anything of an online move can be there.
    async fn exists(&self) -> Answer<bool>;
    /// Where the orgs stand; nothing for those of which nothing is known.
    async fn standings(&self, cohort: &Cohort) -> Answer<HashMap<OrgKey, Standing>>;
    /// Settled or capturing orgs are `capturing` from now on: what is written of them is logged. An error names an org for which that
    /// was refused; others of the cohort may be capturing then.
    async fn capture(&self, cohort: &Cohort) -> Answer<()>;
    /// Has the store refuse older epochs from now on, for orgs of which nothing is known too; answers how the orgs stand. An org under a
    /// newer epoch is an error.
    async fn fence(&self, cohort: &Cohort) -> Answer<HashMap<OrgKey, Mode>>;
    /// Has the store refuse older epochs from now on, if it knows the org. Where it does not, nothing may be written down that would
    /// be taken for a decision.
    async fn refuse_older(&self, lease: &Lease) -> Answer<()>;
    /// The orgs live here from now on, and how they were copied is forgotten. Repeating it is harmless.
    async fn arrive(&self, cohort: &Cohort, way: Way) -> Answer<()>;
    /// The org is settled here from now on: once its writers at work have committed, nothing is logged any more, and what was logged is
    /// forgotten. `what` says what for.
    async fn stop_capture(&self, lease: &Lease, what: &'static str) -> Answer<()>;
    /// Copies are live from now on, and never replaced or removed. Repeating it is harmless.
    async fn settle(&self, cohort: &Cohort) -> Answer<()>;
}

/// A store on one side of a route.
#[async_trait]
pub trait StoreSide: Send + Sync {
    /// The store.
    fn store(&self) -> &StoreName;
    /// Waits until the transactions that are writing now have ended.
    async fn drain(&self) -> Answer<()>;
}

/// A store that orgs leave, as a migration has it.
#[async_trait]
pub trait Leaving: StoreSide {
    /// Refuses orgs whose key is not written as in their rows, where the store would take both for the same.
    async fn must_be_canonical(&self, cohort: &Cohort) -> Answer<()>;
    /// About how many rows each org has; nothing for those without any.
    async fn sizes(&self, cohort: &Cohort) -> Answer<HashMap<OrgKey, i64>>;
    /// A session that reads.
    async fn reader(&self) -> Answer<Box<dyn Reader>>;
}

/// A store that receives orgs, as a migration has it.
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
    /// What the store is like now.
    async fn glance(&self) -> Answer<Glance>;
    /// Gives the session back, at rest.
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
    /// All rows of the orgs as one snapshot has them. The snapshot is taken by the time this answers.
    async fn rows<'a>(&'a self, cohort: &'a Cohort) -> Answer<Snapshotted<'a>>;
    /// Looks for rows that were written after the snapshot that has `seen`; answers for each org what it has in each table, or nothing
    /// for an org with such a row. A row that is gone can only be told by the number of rows. In one snapshot, or in the one that is
    /// open.
    async fn tally_since(&self, cohort: &Cohort, seen: &Seen) -> Answer<HashMap<OrgKey, BTreeMap<usize, Since>>>;
}

/// What the receiving store answers when it takes orgs in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entered {
    /// The orgs that were `incoming` before: an earlier try may have left rows.
    pub again: HashSet<OrgKey>,
    /// Whether there are rows of any of the orgs.
    pub has_rows: bool,
}

/// Writes rows of orgs, in a transaction of its own.
#[async_trait]
pub trait Receiver: Session {
    /// Begins a transaction in which the orgs are `incoming`; refused if one lives here or a newer epoch was here. Nobody else takes
    /// them in until it ends.
    async fn enter(&self, cohort: &Cohort) -> Answer<Entered>;
    /// Removes the orgs' rows.
    async fn clear(&self, cohort: &Cohort) -> Answer<()>;
    /// Refuses orgs of which there are rows: Mover did not bring them.
    async fn refuse_foreign(&self, cohort: &Cohort) -> Answer<()>;
    /// Writes rows, and keeps in mind what [`Receiver::prove`] has to look at.
    async fn write(&self, rows: Rows<'_>) -> Answer<Copied>;
    /// Proves all that the store demands of the orgs' rows and did not check while they were written, unless that is left for later, and
    /// sees to it that what is written next does not collide with them.
    async fn prove(&self, cohort: &Cohort, prove: Prove) -> Answer<()>;
    /// Ends the transaction, durably.
    async fn commit(&self) -> Answer<()>;
    /// Ends the transaction as if it had never been.
    async fn roll_back(&self) -> Answer<()>;
}

/// A store on one side of a route that sees what is written.
#[async_trait]
pub trait Watching: StoreSide {
    /// Refuses unless everything that is written would be seen.
    async fn must_watch(&self) -> Answer<()>;
    /// Has the store look at what is written of the orgs, which stand as they should already.
    async fn watch(&self, cohort: &Cohort) -> Answer<()>;
    /// How many sessions there can be at once.
    fn sessions_max(&self) -> usize;
}

/// A store that orgs leave while they are written.
#[async_trait]
pub trait LiveLeaving: Leaving + Watching {
    /// A session for all that is done with an org that is written.
    async fn session(&self) -> Answer<Box<dyn LeavingSession>>;
    /// Writes the org's rows to a file from which they can be restored; the org must have moved away.
    async fn back_up(&self, lease: &Lease) -> Answer<BackedUp>;
}

/// A store that receives orgs while they are written.
#[async_trait]
pub trait LiveReceiving: Receiving + Watching {
    /// A session for all that is done with an org that is written.
    async fn session(&self) -> Answer<Box<dyn ReceivingSession>>;
    /// Removes the org's rows, a few at a time; answers how many. The org must have moved away.
    async fn purge(&self, lease: &Lease) -> Answer<i64>;
}

/// How long a snapshot is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshot {
    /// For a few requests.
    Short,
    /// For as long as a large org is copied: hours.
    Long,
}

/// What one snapshot of a log says.
#[derive(Debug)]
pub struct Logged {
    /// Where the orgs stand.
    pub standings: HashMap<OrgKey, Standing>,
    /// The keys logged by then; only of orgs that have any.
    pub by_org: BTreeMap<OrgKey, RowKeys>,
    /// What the snapshot sees, for [`Capture::forget`] and [`Gate::move_away`].
    pub seen: Seen,
}

/// What a snapshot sees, in the words of its store.
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
    /// The hash of each row of one org and table whose key falls into one of so many parts, by its key as text.
    async fn hashes_in(&self, lease: &Lease, table: usize, part: Part) -> Answer<HashMap<String, i64>>;
}

/// Knows what was written, and reads it.
#[async_trait]
pub trait Capture: Send + Sync {
    /// Takes a snapshot, which stays open until [`Capture::end_snapshot`], and reads the log in it.
    async fn log(&self, cohort: &Cohort, snapshot: Snapshot) -> Answer<Logged>;
    /// Lets go of the snapshot.
    async fn end_snapshot(&self) -> Answer<()>;
    /// The rows with these keys, as the open snapshot has them. Requested by the time this answers.
    async fn rows_of<'a>(&'a self, cohort: &'a Cohort, keys: &'a RowKeys) -> Answer<Rows<'a>>;
    /// Logs keys as if their rows had been written.
    async fn note(&self, lease: &Lease, table: usize, keys: &[String]) -> Answer<()>;
    /// Refuses orgs that have values for which the receiving store has no place: all of their rows, or those with these keys.
    async fn refuse_lost(&self, cohort: &Cohort, keys: Option<&RowKeys>) -> Answer<()>;
    /// Forgets what a snapshot has seen, unless a newer epoch was here; answers how much has come since.
    async fn forget(&self, cohort: &Cohort, seen: &Seen) -> Answer<i64>;
}

/// One of several parts of a table, by the hash of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which, from 0.
    pub number: i64,
    /// Of how many.
    pub of: i64,
}

/// For how long a lock is asked for, and kept by a session that does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// How long to wait for it.
    pub wait: Duration,
    /// If Mover hangs, or the network to it does, the store ends the session after this, and writers go on.
    pub idle: Duration,
}

/// Closes orgs for their writers for a moment. The locks stay with the session.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Prepares and plans everything that may be asked while writers wait; from then on no lock is waited for any longer than `wait`.
    async fn rehearse(&self, cohort: &Cohort, wait: Duration) -> Answer<()>;
    /// Takes the lock of one org, for which its writers at work are waited for. Whether it was to be had in that time.
    async fn try_lock(&self, lease: &Lease, hold: Hold) -> Answer<bool>;
    /// Takes those locks that nobody holds, without waiting for any; answers whose these are.
    async fn lock_free(&self, cohort: &Cohort, hold: Hold) -> Answer<HashSet<OrgKey>>;
    /// The error for a lock that was not to be had for so long: names the transactions that hold it.
    async fn lock_refusal(&self, lease: &Lease, waited: Duration) -> Answer<EngineError>;
    /// The point of no return: all orgs are `moved`, durably, or none is. With an entry in the log that the snapshot has not `seen`, or
    /// under another epoch, none is. Ends the open snapshot before, if there is one.
    async fn move_away(&self, cohort: &Cohort, seen: &Seen, has_snapshot: bool) -> Answer<()>;
    /// Lets the writers go on.
    async fn unlock(&self, cohort: &Cohort) -> Answer<()>;
    /// The session waits for locks again as long as it did before [`Gate::rehearse`].
    async fn reset_timeouts(&self) -> Answer<()>;
}

/// Cuts orgs that are too large for one transaction into ranges.
#[async_trait]
pub trait Ranges: Send + Sync {
    /// Whether the org has more rows than this in any table.
    async fn is_large(&self, lease: &Lease, rows: i64) -> Answer<bool>;
    /// A name by which other sessions can read from the open snapshot.
    async fn export(&self) -> Answer<String>;
    /// Cuts all tables of the org, as the open snapshot has them, into pieces of about so many rows.
    async fn cut(&self, lease: &Lease, rows: i64) -> Answer<Vec<Piece>>;
    /// Reads from a snapshot that was exported by another session.
    async fn join_snapshot(&self, name: &str) -> Answer<()>;
    /// The rows of one piece, as the snapshot has them.
    async fn rows_in<'a>(&'a self, lease: &'a Lease, piece: &'a Piece) -> Answer<Rows<'a>>;
}

/// Replaces single rows, inside the transaction that [`Replace::hold`] has begun.
#[async_trait]
pub trait Replace: Send + Sync {
    /// Begins a transaction and takes the orgs' guard rows, so that nobody else carries over until it ends; answers how the orgs
    /// stand. With `idle`, the store ends it if nothing is heard for so long.
    async fn hold(&self, cohort: &Cohort, idle: Option<Duration>) -> Answer<HashMap<OrgKey, Standing>>;
    /// Removes the rows with these keys, and writes `rows` in their place.
    async fn replace(&self, cohort: &Cohort, keys: &RowKeys, rows: Rows<'_>) -> Answer<()>;
    /// Proves what [`Receiver::prove`] does for rows with these keys, or only that what is written next does not collide with them.
    async fn prove_rows(&self, cohort: &Cohort, keys: &RowKeys, prove: Prove) -> Answer<()>;
    /// Has the store refuse older epochs from now on, once the transaction has been committed.
    async fn raise(&self, cohort: &Cohort) -> Answer<()>;
    /// The orgs live here, once the transaction has been committed. Begins one unless it is open.
    async fn receive(&self, cohort: &Cohort, way: Way, is_open: bool) -> Answer<()>;
    /// See [`Gate::rehearse`].
    async fn rehearse(&self, cohort: &Cohort, wait: Duration) -> Answer<()>;
    /// See [`Gate::reset_timeouts`].
    async fn reset_timeouts(&self) -> Answer<()>;
}

/// Whether all that the store demands of written rows can be proven yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prove {
    /// It can.
    All,
    /// The rows that they point to may not have been copied, or it is proven later.
    OnlyContents,
}

/// Remembers how far a copy in ranges has come.
#[async_trait]
pub trait PieceLog: Send + Sync {
    /// The pieces that an earlier try has planned.
    async fn pieces(&self, cohort: &Cohort) -> Answer<Vec<Piece>>;
    /// Notes how the org is cut, in the open transaction.
    async fn plan_pieces(&self, lease: &Lease, pieces: &[Piece]) -> Answer<()>;
    /// Begins a transaction in which a piece is written: the org must be `incoming`, and others write other pieces of it meanwhile.
    async fn begin_piece(&self, lease: &Lease) -> Answer<()>;
    /// Removes the rows of a piece.
    async fn clear_piece(&self, lease: &Lease, piece: &Piece) -> Answer<()>;
    /// Notes that a piece is there, once the transaction has been committed.
    async fn piece_done(&self, lease: &Lease, piece: &Piece, copied: Copied) -> Answer<()>;
    /// How much was copied by all pieces.
    async fn copied(&self, lease: &Lease) -> Answer<Copied>;
    /// Forgets how the orgs were copied.
    async fn forget_pieces(&self, cohort: &Cohort) -> Answer<()>;
}

/// A session with a store that orgs leave while they are written.
pub trait LeavingSession: Reader + SingleRows + Capture + Gate + Ranges {}
impl<S: Reader + SingleRows + Capture + Gate + Ranges> LeavingSession for S {}

/// A session with a store that receives orgs while they are written.
pub trait ReceivingSession: Receiver + SingleRows + Replace + PieceLog {}
impl<S: Receiver + SingleRows + Replace + PieceLog> ReceivingSession for S {}
