//! The interface of an application: orgs, writes, and the expected rows after a set of writes.

use std::collections::BTreeMap;
use std::fmt::Debug;

use rand::rngs::StdRng;
use tokio_postgres::{Client, Error};

use crate::servers::Servers;

/// The rows of an org as text, sorted, by table.
pub(crate) type Rows = BTreeMap<&'static str, Vec<String>>;

/// One org.
#[derive(Debug, Clone)]
pub(crate) struct Org {
    /// Its name in the flags.
    pub(crate) name: String,
    /// Its key in the rows.
    pub(crate) key: i32,
}

/// One planned transaction of a client.
#[derive(Debug, Clone)]
pub(crate) struct Write<W> {
    /// In a row that the transaction inserts, so that it can be found. A client's ids increase.
    pub(crate) id: i64,
    /// Index of the org.
    pub(crate) org: usize,
    pub(crate) client: i32,
    pub(crate) work: W,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl Isolation {
    pub(crate) fn begin(self) -> &'static str {
        match self {
            Self::ReadCommitted => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Self::RepeatableRead => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            Self::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        }
    }

    /// The clause with which a row is read that will be changed.
    pub(crate) fn for_update(self) -> &'static str {
        if self == Self::ReadCommitted { "FOR UPDATE" } else { "" }
    }
}

/// An application for the trial.
pub(crate) trait App: Send + Sync + 'static {
    /// The work of a transaction.
    type Work: Clone + Debug + Send + Sync + 'static;
    /// The rows of an org.
    type State: Send + Sync + 'static;

    /// The migration's name.
    fn migration(&self) -> &'static str;

    /// The migration's definition, as an operator would write it.
    fn definition(&self) -> String;

    fn orgs(&self) -> &[Org];

    /// Creates the tables in both stores and the orgs in the old one.
    fn prepare(&self, servers: &Servers) -> impl Future<Output = Result<(), String>> + Send;

    /// An org's rows before the first write.
    fn beginning(&self, org: usize) -> Self::State;

    /// The effect of a write on them. Writes of one client are applied in order; those of different clients commute.
    fn apply(&self, state: &mut Self::State, write: &Write<Self::Work>);

    /// The next work of a client, which knows its own earlier writes.
    fn plan(&self, own: &Self::State, id: i64, client: i32, random: &mut StdRng) -> Self::Work;

    /// The statement that inserts the row with the write's id; does nothing if the row exists.
    fn mark(&self, write: &Write<Self::Work>) -> String;

    /// A query that returns a row if the row with the write's id exists.
    fn is_marked(&self, write: &Write<Self::Work>) -> String;

    /// Does everything except the mark. Returns a complaint if rows are not as expected; it counts if the transaction can be
    /// committed.
    fn perform(
        &self,
        client: &Client,
        write: &Write<Self::Work>,
        isolation: Isolation,
    ) -> impl Future<Output = Result<Option<String>, Error>> + Send;

    /// The rows as text.
    fn rows(&self, state: &Self::State) -> Rows;

    /// For each table the query that returns an org's rows as text.
    fn queries(&self, org: &Org) -> Vec<(&'static str, String)>;

    /// Conditions that no row of any org may meet, e.g. a reference to a missing parent.
    fn never(&self) -> &'static [&'static str] {
        &[]
    }

    /// The query for the ids of all writes to an org that are in a store.
    fn marks(&self, org: &Org) -> String;
}
