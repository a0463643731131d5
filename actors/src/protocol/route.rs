//! The stores that a migration connects, and what both have in common.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use crate::domain::flags::Routing;
use crate::domain::ids::{MigrationName, StoreName};
use crate::domain::record::{Lease, Place};
use crate::domain::state::{Strategy, Way};
use crate::domain::verified::Mismatch;
use crate::ports::{Copied, EngineError, Limits, Listing, Side};

use super::cohort::Cohort;
use super::fingerprint::Basis;
use super::limits::LiveLimits;
use super::proofs::Proofs;
use super::store::{Guard, Leaving, LiveLeaving, LiveReceiving, Receiving};
use super::turns::Turns;

/// What the protocol knows of a migration.
#[derive(Debug, Clone, PartialEq)]
pub struct Migration {
    /// Its name.
    pub name: MigrationName,
    /// The strategy.
    pub strategy: Strategy,
    /// How orgs are routed.
    pub routing: Routing,
    /// The limits of online moves and cohorts.
    pub limits: Limits,
    /// The store that orgs come from.
    pub from: StoreName,
    /// The store that they go to.
    pub to: StoreName,
    /// The part of an org that is moved.
    pub moves: Moves,
}

/// The part of an org that a migration moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moves {
    /// Rows of tables.
    Rows,
    /// Nothing: statements are carried out in the target, once for each org.
    Steps,
    /// Nothing but its flags.
    Flags,
}

/// One table of a route, as far as the protocol needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its name, as the definition has it.
    pub label: String,
    /// The columns of its key.
    pub key: Vec<String>,
    /// The largest number of hops to a table with a key column.
    pub depth: usize,
    /// Whether rows of other tables are found through its rows.
    pub has_branches: bool,
}

/// The route of orgs while there are no writes.
pub struct CopyRoute {
    /// The leaving store.
    pub leaving: Arc<dyn Leaving>,
    /// The receiving store.
    pub receiving: Arc<dyn Receiving>,
    /// The state of both when they agreed.
    pub basis: Arc<Basis>,
    /// The names of the tables, parents first.
    pub labels: Arc<[String]>,
}

/// The route of orgs that are written.
pub struct LiveRoute {
    /// The direction.
    pub way: Way,
    /// The leaving store.
    pub leaving: Arc<dyn LiveLeaving>,
    /// The receiving store.
    pub receiving: Arc<dyn LiveReceiving>,
    /// The state of both when they agreed.
    pub basis: Arc<Basis>,
    /// The tables, parents first.
    pub tables: Arc<[Outline]>,
}

/// All migrations of a process and the stores that they connect.
#[async_trait]
pub trait Stores: Send + Sync + 'static {
    /// A migration; an error if it does not exist.
    fn migration(&self, name: &MigrationName) -> Result<&Migration, EngineError>;
    /// Limits of online moves.
    fn live_limits(&self) -> LiveLimits;
    /// The proofs of this process.
    fn proofs(&self) -> &Arc<Proofs>;
    /// The queue for connections.
    fn turns(&self) -> &Turns;
    /// The guard of a store.
    fn guard(&self, store: &StoreName) -> Result<&dyn Guard, EngineError>;
    /// The route of a migration while there are no writes; the state of both stores was read no earlier than `not_before`.
    /// Refused if they do not agree.
    async fn copy_route(&self, migration: &Migration, not_before: Instant) -> Result<CopyRoute, EngineError>;
    /// The same while orgs are written.
    async fn live_route(&self, migration: &Migration, way: Way, not_before: Instant) -> Result<LiveRoute, EngineError>;
    /// Makes the next route of this migration read the state of both stores again.
    fn doubt(&self, migration: &MigrationName);
    /// The earliest `not_before` for a route on which nothing depends yet.
    fn a_moment_ago(&self) -> Instant;
    /// How the directory of orgs lists these orgs now, where they live in this store; in order. A kind of store without a
    /// directory says that nothing has changed.
    async fn listings(&self, _: &Migration, leases: &[Lease], _: Side) -> Result<Vec<Listing>, EngineError> {
        Ok(vec![Listing::Same; leases.len()])
    }
    /// Removes a copy from the target, unless it is live, even if both stores do not agree any more.
    async fn discard(&self, migration: &Migration, cohort: &Cohort) -> Result<(), EngineError>;
    /// Finds the rows and columns behind a mismatch.
    async fn explain(&self, lease: &Lease, mismatch: &Mismatch) -> Result<Place, EngineError>;
    /// Carries out the statements of a migration that moves no rows, unless they are done already.
    async fn carry_out_steps(&self, lease: &Lease) -> Result<Copied, EngineError>;
    /// Undoes them.
    async fn take_back_steps(&self, lease: &Lease) -> Result<(), EngineError>;
}

/// The leaving and the receiving store of a direction.
pub(super) fn pair(migration: &Migration, way: Way) -> (&StoreName, &StoreName) {
    match way {
        Way::Forward => (&migration.from, &migration.to),
        Way::Back => (&migration.to, &migration.from),
    }
}
