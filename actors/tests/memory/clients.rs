//! What clients of the application do: read the flags, then write where they say.

use std::collections::BTreeMap;

use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::{MigrationName, OrgKey, OrgName};
use mover_actors::ports::Side;

use super::stores::{Row, TABLES, Tried, WriteId};
use super::world::{Facts, World};

/// A change of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The row is there with this value, new or changed.
    Put(Row),
    /// The row is not there.
    Delete {
        /// In which table.
        table: &'static str,
        /// Its primary key.
        id: u64,
    },
}

/// A request that may write, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// Which migration's tables.
    pub migration: MigrationName,
    /// Whose.
    pub key: OrgKey,
    /// Where the flags route it.
    pub side: Side,
}

/// What a client's transaction sees of what others do meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Whatever is committed.
    Latest,
    /// Nothing; where that would matter it fails.
    Snapshot,
}

impl Change {
    /// Makes the change.
    pub fn apply(self, rows: &mut Vec<Row>) {
        let (table, id) = match self {
            Change::Put(row) => (row.table, row.id),
            Change::Delete { table, id } => (table, id),
        };
        rows.retain(|row| (row.table, row.id) != (table, id));
        if let Change::Put(row) = self {
            rows.push(row);
        }
    }

    /// The number of the table and the key of the row.
    pub fn place(self) -> (usize, u64) {
        let (table, id) = match self {
            Change::Put(row) => (row.table, row.id),
            Change::Delete { table, id } => (table, id),
        };
        (TABLES.iter().position(|known| *known == table).expect("there are no other tables"), id)
    }
}

impl Facts {
    /// Where an application would write for an org now; nowhere if it must refuse.
    pub fn routed_to(&self, org: &OrgName, routing: &Routing) -> Option<Side> {
        let flags = self.redis.effective(org)?;
        let set = |field: &str| flags.get(field).is_some_and(|value| value == "true");
        if set("503_mode") || set("orgs_503_mode") {
            return None;
        }
        self.route(org, routing)
    }

    /// Where the flags route an org, blocked or not.
    pub fn route(&self, org: &OrgName, routing: &Routing) -> Option<Side> {
        let flags = self.redis.effective(org)?;
        let all =
            |wanted: &BTreeMap<String, String>| wanted.iter().all(|(field, value)| flags.get(field) == Some(value));
        match (all(&routing.on_source), all(&routing.on_target)) {
            (true, false) => Some(Side::Source),
            (false, true) => Some(Side::Target),
            (true, true) | (false, false) => None,
        }
    }
}

impl World {
    /// Begins to write: from now on the tables are in use.
    pub fn begin_write(&self, admitted: Admitted, change: Change, isolation: Isolation) -> WriteId {
        self.act(|scene| scene.begin_write(admitted, change, isolation))
    }

    /// Writes, unless a lock is in the way.
    pub fn try_write(&self, write: WriteId) -> Tried {
        self.act(|scene| scene.try_write(write))
    }

    /// Commits: if it answers `true`, the client may rely on it.
    pub fn commit_write(&self, write: WriteId) -> bool {
        self.act(|scene| scene.commit_write(write))
    }

    /// Ends the transaction as if it had never been.
    pub fn roll_back_write(&self, write: WriteId) {
        self.act(|scene| scene.roll_back_write(write));
    }
}
