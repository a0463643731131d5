//! The move log in Postgres, schema `mover`: the state of every move, campaign, node and desired flag. It is the source of
//! truth; Redis and the memory of every actor are copies.
//!
//! - `schema/` holds the numbered schema migrations, `sql/` one query a file.
//! - [`PgMoveLog`] implements [`mover_actors::ports::MoveLog`] (`port`), by nodes, campaigns, moves and flags.
//! - What operators and dashboards read is in [`read`]; how orgs come in, in `capture`.
//!
//! Every change of a move checks the epoch of its lease in the statement that makes it, so a worker that was declared dead
//! changes nothing. Batches are one statement each, so they are atomic without a transaction block, and cost one round trip for
//! any number of moves.

mod backups;
mod campaigns;
mod capture;
mod connect;
mod decode;
mod error;
mod flags;
mod history;
mod moves;
mod nodes;
mod port;
mod query;
pub mod read;
mod release;
mod rounds;
mod runs;
mod schema;
mod stores;
mod tokens;
mod vacuum;

use std::collections::HashMap;

use deadpool_postgres::Pool;
use mover_actors::domain::ids::NodeId;
use tokio::sync::Mutex;

use nodes::Session;

pub use backups::BackupEntry;
pub use capture::{CaptureError, Captured, KnownOtherwise};
pub use connect::connect;
pub use error::StateError;
pub use history::{CommandEnd, CommandEntry, NewCommand};
pub use runs::{Run, RunLock, StepEntry, StepKey, StepState};
pub use schema::SchemaStatus;
pub use stores::StoreSeen;
pub use tokens::{Role, TokenEntry, TokenHash};

/// The move log in Postgres.
pub struct PgMoveLog {
    pool: Pool,
    /// The user who releases or retries orgs; recorded in the history.
    actor: String,
    /// For each node that joined through here, the connection that holds its liveness lock.
    sessions: Mutex<HashMap<NodeId, Session>>,
}

impl PgMoveLog {
    /// A move log on these connections; [`connect`] makes them.
    pub fn new(pool: Pool) -> Self {
        Self { pool, actor: "operator".into(), sessions: Mutex::default() }
    }

    /// Sets the user whom the history names for manual changes through this instance.
    pub fn acting_as(mut self, actor: impl Into<String>) -> Self {
        self.actor = actor.into();
        self
    }

    /// That user.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The same move log, acting for another user.
    pub fn on_behalf_of(&self, actor: impl Into<String>) -> Self {
        Self { pool: self.pool.clone(), actor: actor.into(), sessions: Mutex::default() }
    }

    /// The connections it uses.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}
