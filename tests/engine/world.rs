//! Two databases, a migration between them, and a lease on an org.

use crate::one_org::OneOrg;
use mover::config::{Definition, OrgDirectory, TableRule, Tenancy, Via};
use mover::engine::{PgEngine, Store};
use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::{Epoch, MigrationName, MoveId, OrgKey, OrgName, StoreName};
use mover_actors::domain::record::{Lease, Place};
use mover_actors::domain::state::Strategy;
use mover_actors::domain::verified::{Mismatch, Verified};
use mover_actors::ports::Limits;
use mover_actors::ports::{Copied, EngineError, Side};
use tokio_postgres::Client;

use crate::servers::Server;

/// Two databases on one server, and connections to look into them.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) old: Client,
    pub(crate) new: Client,
}

impl World {
    /// Two databases with the same schema.
    pub(crate) async fn with_schema(schema: &str) -> Self {
        let world = Self::empty().await;
        world.old.batch_execute(schema).await.unwrap();
        world.new.batch_execute(schema).await.unwrap();
        world
    }

    pub(crate) async fn empty() -> Self {
        let server = Server::start().await;
        for name in ["old", "new"] {
            server.create_database(name).await;
        }
        let (old, new) = (server.connect("old").await, server.connect("new").await);
        Self { server, old, new }
    }

    /// An engine for the migration, logging in as the superuser.
    pub(crate) fn engine(&self, tables: Vec<TableRule>) -> PgEngine {
        self.engine_as("mover", tables)
    }

    pub(crate) fn engine_as(&self, user: &str, tables: Vec<TableRule>) -> PgEngine {
        let store = |name: &str| Store::open(store(name), &self.server.url_as(user, name), 8).unwrap();
        PgEngine::new([store("old"), store("new")], [definition(tables)])
    }

    pub(crate) async fn count(&self, client: &Client, sql: &str) -> i64 {
        client.query_one(&format!("SELECT count(*) FROM {sql}"), &[]).await.unwrap().get(0)
    }
}

pub(crate) fn migration() -> MigrationName {
    MigrationName::new("phase_2").unwrap()
}

pub(crate) fn store(name: &str) -> StoreName {
    StoreName::new(name).unwrap()
}

pub(crate) fn definition(tables: Vec<TableRule>) -> Definition {
    Definition {
        limits: Limits { max_block_ms: 500, max_change_backlog: 10_000, cohort_orgs: 100, cohort_rows: 16_000 },
        name: migration(),
        aliases: vec![],
        strategy: Strategy::Offline,
        from: store("old"),
        to: store("new"),
        components: vec![],
        org: OrgDirectory { table: "orgs".parse().unwrap(), name: "name".parse().unwrap(), key: "id".parse().unwrap() },
        tables,
        shared_tables: Vec::new(),
        ignored_tables: Vec::new(),
        steps: Vec::new(),
        routing: Routing::default(),
    }
}

pub(crate) fn keyed(table: &str, column: &str) -> TableRule {
    TableRule { name: table.parse().unwrap(), tenancy: Tenancy::Key(column.parse().unwrap()) }
}

/// A table reached through hops of (column, parent, parent's column).
pub(crate) fn via(table: &str, hops: &[(&str, &str, &str)]) -> TableRule {
    let hop = |(column, parent, parent_column): &(&str, &str, &str)| Via {
        column: column.parse().unwrap(),
        parent: parent.parse().unwrap(),
        parent_column: parent_column.parse().unwrap(),
    };
    TableRule { name: table.parse().unwrap(), tenancy: Tenancy::Via(hops.iter().map(hop).collect()) }
}

pub(crate) fn lease(key: &str, epoch: i64) -> Lease {
    Lease {
        id: MoveId(1),
        migration: migration(),
        org: OrgName::new(format!("org {key}")).unwrap(),
        key: OrgKey::new(key).unwrap(),
        epoch: Epoch(epoch),
    }
}

pub(crate) async fn verify(engine: &PgEngine, lease: &Lease) -> Result<Verified, Mismatch> {
    let (source, target) = engine.verify(lease).await.unwrap();
    // What was hashed while it was copied is what the store says.
    assert_eq!(source, engine.tally(lease, Side::Source).await.unwrap());
    Verified::compare(&source, &target)
}

/// Copies the org, compares it, and declares it live.
pub(crate) async fn carry(engine: &PgEngine, lease: &Lease) -> Copied {
    let copied = engine.copy(lease).await.unwrap();
    let verified = verify(engine, lease).await.unwrap();
    assert_eq!(verified.tally().rows(), copied.rows);
    engine.settle(lease).await.unwrap();
    copied
}

/// Where a copy that must fail for good has failed.
pub(crate) async fn refused_copy(engine: &PgEngine, lease: &Lease) -> (String, Place) {
    let error: EngineError = engine.copy(lease).await.unwrap_err();
    assert!(!error.transient, "{error}");
    (error.reason, *error.place)
}
