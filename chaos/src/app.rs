//! What an application is to the trial: orgs, writes, and what its rows must be after a set of writes.

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
    /// As the flags call it.
    pub(crate) name: String,
    /// As its rows carry it.
    pub(crate) key: i32,
}

/// One transaction of a client, as it was planned.
#[derive(Debug, Clone)]
pub(crate) struct Write<W> {
    /// Carried by a row that the transaction adds, so that it can be looked for. A client's own grow.
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

    /// What a row that is read to be changed is read with.
    pub(crate) fn for_update(self) -> &'static str {
        if self == Self::ReadCommitted { "FOR UPDATE" } else { "" }
    }
}

/// See the module's documentation.
pub(crate) trait App: Send + Sync + 'static {
    /// What a transaction does.
    type Work: Clone + Debug + Send + Sync + 'static;
    /// What an org's rows are.
    type State: Send + Sync + 'static;

    /// The migration's name.
    fn migration(&self) -> &'static str;

    /// The migration's definition, as an operator would write it.
    fn definition(&self) -> String;

    fn orgs(&self) -> &[Org];

    /// Makes the tables in both stores and the orgs in the old one.
    fn prepare(&self, servers: &Servers) -> impl Future<Output = Result<(), String>> + Send;

    /// An org's rows before the first write.
    fn beginning(&self, org: usize) -> Self::State;

    /// What a write does to them. Writes of one client come in order; those of different clients commute.
    fn apply(&self, state: &mut Self::State, write: &Write<Self::Work>);

    /// Something to do, for a client that knows what it did itself.
    fn plan(&self, own: &Self::State, id: i64, client: i32, random: &mut StdRng) -> Self::Work;

    /// The statement that adds the row with the write's id; does nothing if it is there.
    fn mark(&self, write: &Write<Self::Work>) -> String;

    /// A query with a row if the row with the write's id is there.
    fn is_marked(&self, write: &Write<Self::Work>) -> String;

    /// Does all but the mark. Answers with a complaint if rows are not as they should be; it holds if the transaction
    /// can be committed.
    fn perform(
        &self,
        client: &Client,
        write: &Write<Self::Work>,
        isolation: Isolation,
    ) -> impl Future<Output = Result<Option<String>, Error>> + Send;

    /// The rows as text.
    fn rows(&self, state: &Self::State) -> Rows;

    /// For each table the query that answers with an org's rows as text.
    fn queries(&self, org: &Org) -> Vec<(&'static str, String)>;

    /// Conditions that no row of any org may meet, e.g. to hang on a parent that is not there.
    fn never(&self) -> &'static [&'static str] {
        &[]
    }

    /// The query for the ids of all writes to an org that are in a store.
    fn marks(&self, org: &Org) -> String;
}
