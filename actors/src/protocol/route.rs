//! Between which stores a migration leads, and what both have agreed on.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use crate::domain::flags::Routing;
use crate::domain::ids::{MigrationName, StoreName};
use crate::domain::record::{Lease, Place};
use crate::domain::state::{Strategy, Way};
use crate::domain::verified::Mismatch;
use crate::ports::{Copied, EngineError, Limits};

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
    /// How orgs are moved.
    pub strategy: Strategy,
    /// How they are routed.
    pub routing: Routing,
    /// How patient it is, and how large cohorts may be.
    pub limits: Limits,
    /// Where orgs come from.
    pub from: StoreName,
    /// Where they go.
    pub to: StoreName,
    /// What of an org is moved.
    pub moves: Moves,
}

/// What of an org a migration moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moves {
    /// Rows of tables.
    Rows,
    /// Nothing: statements are carried out in the target, once for each org.
    Steps,
    /// Nothing but its flags.
    Flags,
}

/// One table of a route, as far as the protocol must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its name, as the definition has it.
    pub label: String,
    /// The columns of its key.
    pub key: Vec<String>,
    /// How many hops it is away from a table with a key column, at most.
    pub depth: usize,
    /// Whether rows of other tables are found through its rows.
    pub has_branches: bool,
}

/// The way of orgs to which nobody writes.
pub struct CopyRoute {
    /// The store that they leave.
    pub leaving: Arc<dyn Leaving>,
    /// The store that receives them.
    pub receiving: Arc<dyn Receiving>,
    /// What both were like when they agreed.
    pub basis: Arc<Basis>,
    /// The names of the tables, parents first.
    pub labels: Arc<[String]>,
}

/// The way of orgs that are written.
pub struct LiveRoute {
    /// Which of the two ways between source and target.
    pub way: Way,
    /// The store that they leave.
    pub leaving: Arc<dyn LiveLeaving>,
    /// The store that receives them.
    pub receiving: Arc<dyn LiveReceiving>,
    /// What both were like when they agreed.
    pub basis: Arc<Basis>,
    /// The tables, parents first.
    pub tables: Arc<[Outline]>,
}

/// All migrations of a process and the stores between which they lead.
#[async_trait]
pub trait Stores: Send + Sync + 'static {
    /// A migration; an error if there is no such one.
    fn migration(&self, name: &MigrationName) -> Result<&Migration, EngineError>;
    /// Bounds of online moves.
    fn live_limits(&self) -> LiveLimits;
    /// What was proven in this process.
    fn proofs(&self) -> &Arc<Proofs>;
    /// The line for connections.
    fn turns(&self) -> &Turns;
    /// Where orgs stand in a store.
    fn guard(&self, store: &StoreName) -> Result<&dyn Guard, EngineError>;
    /// The way of a migration while nobody writes; what both stores were like was looked at no earlier than `not_before`. Refused if
    /// they do not agree.
    async fn copy_route(&self, migration: &Migration, not_before: Instant) -> Result<CopyRoute, EngineError>;
    /// The same while orgs are written.
    async fn live_route(&self, migration: &Migration, way: Way, not_before: Instant) -> Result<LiveRoute, EngineError>;
    /// What both stores were like is looked at anew before the next route of this migration is given.
    fn doubt(&self, migration: &MigrationName);
    /// How old a look at the stores may be on which nothing depends yet: the earliest time for `not_before`.
    fn a_moment_ago(&self) -> Instant;
    /// Removes what a copy brought to the target, unless it is live, even if both stores do not agree any more.
    async fn discard(&self, migration: &Migration, cohort: &Cohort) -> Result<(), EngineError>;
    /// Finds the rows and columns behind a mismatch.
    async fn explain(&self, lease: &Lease, mismatch: &Mismatch) -> Result<Place, EngineError>;
    /// Carries out the statements of a migration that moves no rows, unless they were.
    async fn carry_out_steps(&self, lease: &Lease) -> Result<Copied, EngineError>;
    /// Takes them back.
    async fn take_back_steps(&self, lease: &Lease) -> Result<(), EngineError>;
}

/// The stores that orgs leave and that receive them, on a way.
pub(super) fn pair(migration: &Migration, way: Way) -> (&StoreName, &StoreName) {
    match way {
        Way::Forward => (&migration.from, &migration.to),
        Way::Back => (&migration.to, &migration.from),
    }
}
