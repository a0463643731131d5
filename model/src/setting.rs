//! The bounds of the checker: what the writers do, and how many faults may occur.

/// How many row keys the org has.
pub(crate) const KEYS: usize = 2;

/// Isolation of a writer's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadCommitted,
    /// Also represents SERIALIZABLE: what matters is that the snapshot is kept.
    RepeatableRead,
}

/// One statement of a writer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Write {
    Put(usize),
    Delete(usize),
}

impl Write {
    pub(crate) fn key(self) -> usize {
        match self {
            Write::Put(key) | Write::Delete(key) => key,
        }
    }
}

/// One transaction of a writer, retried until it is acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Txn {
    pub(crate) isolation: Isolation,
    pub(crate) writes: &'static [Write],
}

pub(crate) const fn rc(writes: &'static [Write]) -> Txn {
    Txn { isolation: Isolation::ReadCommitted, writes }
}

pub(crate) const fn rr(writes: &'static [Write]) -> Txn {
    Txn { isolation: Isolation::RepeatableRead, writes }
}

/// The most occurrences of each event in one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// A node loses its data and its connections.
    pub(crate) crashes: u8,
    /// A move is taken over although its node lives.
    pub(crate) expiries: u8,
    /// A step that can fail fails, for a reason of its own.
    pub(crate) failures: u8,
    /// The session with the exclusive lock breaks, and its node does not notice.
    pub(crate) lost_locks: u8,
    /// Mover writes a wrong row.
    pub(crate) faults: u8,
    /// The operator retries a failed move.
    pub(crate) retries: u8,
    /// The operator rolls back a migrated move.
    pub(crate) rollbacks: u8,
    /// The operator finalizes a migrated move.
    pub(crate) finalizes: u8,
    /// Another campaign begins, and the bits are computed again.
    pub(crate) installs: u8,
}

/// How many orgs there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orgs {
    One,
    /// A cohort of two, each with the writers of the setting; what may go wrong is counted for both.
    Two,
    /// The same, but as soon as nothing binds the two any more, each is followed alone.
    TwoThenEach,
}

/// One bounded configuration of the model.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Name on the command line.
    pub name: &'static str,
    /// What it examines, in one line.
    pub about: &'static str,
    pub(crate) writers: [&'static [Txn]; 2],
    pub(crate) budget: Budget,
    /// The copy goes in ranges of one key each, with a durable cursor.
    pub(crate) ranges: bool,
    /// The switch may catch up before it takes the lock, any number of times.
    pub(crate) early_rounds: bool,
    /// A unique constraint: at most one of the rows may exist. Every transaction writes both, so that one does.
    pub(crate) unique: bool,
    /// The second writer begins with the new store, though no flag ever routed it there.
    pub(crate) astray: bool,
    pub(crate) orgs: Orgs,
    /// The second org of a cohort is not written.
    pub(crate) second_is_quiet: bool,
}
