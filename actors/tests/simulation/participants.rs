//! The participants of a schedule: migrations, orgs, and how the flags route them.

use std::collections::BTreeMap;
use std::sync::Arc;

use mover_actors::domain::flags::{FlagKey, Routing};
use mover_actors::domain::ids::{MigrationName, OrgKey, OrgName};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::Strategy;
use mover_actors::ports::Side;

use crate::memory::{Facts, Row, World};

/// See the module's documentation.
#[derive(Debug)]
pub struct Participants {
    /// Every migration, and how it routes.
    pub routings: Arc<BTreeMap<MigrationName, Routing>>,
    /// How each migration moves.
    pub strategies: BTreeMap<MigrationName, Strategy>,
    /// Every org.
    pub orgs: Vec<Org>,
}

/// One org. Every migration moves some of its tables.
#[derive(Debug, Clone)]
pub struct Org {
    /// Its name.
    pub name: OrgName,
    /// The key of its rows.
    pub key: OrgKey,
    /// It is never made ready.
    pub is_bystander: bool,
}

impl Participants {
    /// A migration for each strategy, and so many orgs.
    pub fn new(strategies: &[Strategy], orgs: usize, bystanders: usize) -> Self {
        let routings = (1..=strategies.len()).map(|number| (migration(number), routing(number))).collect();
        let strategies = (1..).zip(strategies).map(|(number, strategy)| (migration(number), *strategy)).collect();
        let orgs = (1..=orgs + bystanders).map(|number| Org {
            name: OrgName::new(format!("org_{number}")).unwrap(),
            key: OrgKey::new(format!("key_{number}")).unwrap(),
            is_bystander: number > orgs,
        });
        Participants { orgs: orgs.collect(), routings: Arc::new(routings), strategies }
    }

    /// Every migration's name.
    pub fn migrations(&self) -> impl Iterator<Item = &MigrationName> {
        self.routings.keys()
    }

    /// How a migration moves.
    pub fn strategy(&self, migration: &MigrationName) -> Strategy {
        self.strategies.get(migration).copied().unwrap_or(Strategy::Offline)
    }

    /// Whether a migration moves orgs that are written.
    pub fn is_online(&self, migration: &MigrationName) -> bool {
        self.strategy(migration) == Strategy::Online
    }

    /// Whether a migration shuts each org while it moves.
    pub fn is_offline(&self, migration: &MigrationName) -> bool {
        self.strategy(migration) == Strategy::Offline
    }

    /// Every org in every migration.
    pub fn pairs(&self) -> impl Iterator<Item = (&Org, &MigrationName, &Routing)> {
        self.orgs.iter().flat_map(|org| self.routings.iter().map(move |(name, routing)| (org, name, routing)))
    }

    /// The org whose flags are in this hash.
    pub fn org_of(&self, key: &FlagKey) -> Option<&Org> {
        self.orgs.iter().find(|org| FlagKey::org(&org.name) == *key)
    }

    /// Puts every org's rows into its source.
    pub fn furnish(&self, world: &World) {
        for (at, (org, migration, _)) in self.pairs().enumerate() {
            let first = 1000 * (at as u64 + 1);
            let rows = (first..first + 2 + at as u64 % 3).map(|id| Row { table: table(id), id, value: id });
            world.act(|scene| scene.facts.stores.rows_mut(migration, Side::Source, &org.key).extend(rows));
        }
    }
}

/// A row that Mover did not bring.
pub const FOREIGN: Row = Row { table: "groups", id: 1, value: 1 };

/// The table in which a row with this key is.
pub fn table(id: u64) -> &'static str {
    if id.is_multiple_of(2) { "containers" } else { "groups" }
}

/// A migration's move of an org.
pub fn record<'a>(facts: &'a Facts, migration: &MigrationName, key: &OrgKey) -> Option<&'a MoveRecord> {
    facts.log.moves().find(|record| record.migration == *migration && record.key == *key)
}

fn migration(number: usize) -> MigrationName {
    MigrationName::new(format!("phase_{number}")).unwrap()
}

fn routing(number: usize) -> Routing {
    let fields = |value: &str| BTreeMap::from([(format!("couchdb_part_{number}"), value.to_owned())]);
    Routing {
        on_source: fields("true"),
        on_target: fields("false"),
        blocked: BTreeMap::from([("503_mode".into(), "true".into())]),
    }
}
