//! Everything that can change in the world.

use std::time::Duration;

use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::{CampaignId, Epoch, MigrationName, MoveId, NodeId, OrgKey, OrgName};
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::State;
use mover_actors::ports::Side;
use mover_actors::protocol::Standing;

use super::clients::Change;
use super::redis::Hash;

/// Whose doing a change of rows was.
#[derive(Debug, Clone, PartialEq)]
pub enum Hand {
    /// A client of the application.
    Client(Change),
    /// The engine, for this move.
    Engine(Lease),
}

/// One change, already made.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A move changed its state, or its holder (then `from` and `to` are the same).
    Moved {
        /// Which move.
        id: MoveId,
        /// Its migration.
        migration: MigrationName,
        /// Its org.
        org: OrgName,
        /// Before.
        from: State,
        /// After.
        to: State,
        /// The lease under which it was done.
        epoch: Epoch,
        /// The owner that did it; none for an operator.
        node: Option<NodeId>,
        /// The campaign that claimed it last.
        campaign: Option<CampaignId>,
    },
    /// A hash in Redis was written.
    Flagged {
        /// Which.
        key: FlagKey,
        /// Its fields before, if it was there.
        before: Option<Hash>,
        /// Its fields now.
        after: Hash,
    },
    /// Redis lost its data.
    FlagsLost,
    /// Rows of an org were written or removed.
    RowsChanged {
        /// Which migration's tables.
        migration: MigrationName,
        /// In which store.
        side: Side,
        /// Whose.
        key: OrgKey,
        /// By whom.
        by: Hand,
    },
    /// An org stands elsewhere or under another epoch in a store.
    Stands {
        /// Which migration.
        migration: MigrationName,
        /// In which store.
        side: Side,
        /// Which org.
        key: OrgKey,
        /// Before.
        before: Option<Standing>,
        /// After.
        after: Standing,
        /// For which move.
        by: Lease,
    },
    /// A client has waited for a lock before it could write.
    WriterWaited {
        /// Which migration's tables.
        migration: MigrationName,
        /// Whose.
        key: OrgKey,
        /// How long.
        waited: Duration,
    },
}
