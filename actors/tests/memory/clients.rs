//! What clients of the application do: read the flags, then write where they say.

use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::{MigrationName, OrgKey, OrgName};
use mover_actors::ports::Side;

use super::event::{Event, Hand};
use super::stores::Row;
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

/// A transaction that has begun to write.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenWrite {
    /// Where.
    pub admitted: Admitted,
    id: u64,
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
        let all = |wanted: &std::collections::BTreeMap<String, String>| {
            wanted.iter().all(|(field, value)| flags.get(field) == Some(value))
        };
        match (all(&routing.on_source), all(&routing.on_target)) {
            (true, false) => Some(Side::Source),
            (false, true) => Some(Side::Target),
            (true, true) | (false, false) => None,
        }
    }
}

impl World {
    /// Begins to write.
    pub fn begin_write(&self, admitted: Admitted) -> OpenWrite {
        self.act(|scene| {
            let stores = &mut scene.facts.stores;
            let id = stores.transaction();
            stores.open_writes.insert(id, (admitted.migration.clone(), admitted.side));
            OpenWrite { admitted, id }
        })
    }

    /// Commits: from now on the client may rely on it.
    pub fn commit_write(&self, write: OpenWrite, change: Change) {
        let Admitted { migration, key, side } = write.admitted;
        self.act(|scene| {
            scene.facts.stores.open_writes.remove(&write.id);
            change.apply(scene.facts.stores.rows_mut(&migration, side, &key));
            scene.emit(Event::RowsChanged { migration, side, key, by: Hand::Client(change) });
        });
    }
}
