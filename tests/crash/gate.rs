//! Stops Mover at a known place, so that something can be broken at that moment.

use tokio_postgres::Client;

use super::program::eventually;
use super::world::World;

const NUMBER: i64 = 4242;

/// Blocks all writers until it is opened, or its server ends. It must be opened within Mover's lock_timeout.
pub(crate) struct Gate {
    keeper: Client,
}

impl Gate {
    /// In the middle of copying an org: some of its tables are written, this one and those after it are not.
    pub(crate) async fn in_copy(world: &World) -> Self {
        let keeper = world.new_store().await;
        keeper.batch_execute("BEGIN; LOCK TABLE containers IN SHARE MODE").await.unwrap();
        Self { keeper }
    }

    /// In the middle of the switch: the copied rows are just being declared live, the flags still say `old`.
    pub(crate) async fn in_switch(world: &World) -> Self {
        // The first org makes the table of guards.
        world.exec("migrate whole_org_offline 1").await.with_code(0);
        let keeper = world.new_store().await;
        keeper
            .batch_execute(&format!(
                "SELECT pg_advisory_lock({NUMBER});
                 CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN PERFORM pg_advisory_xact_lock_shared({NUMBER}); RETURN NEW; END $$;
                 CREATE TRIGGER hold BEFORE UPDATE ON mover.org_guard FOR EACH ROW
                     WHEN (NEW.mode = 'settled') EXECUTE FUNCTION hold();
                 ALTER TABLE mover.org_guard ENABLE ALWAYS TRIGGER hold"
            ))
            .await
            .unwrap();
        Self { keeper }
    }

    /// Waits until Mover waits at the gate.
    pub(crate) async fn is_reached(&self) {
        let sql = format!(
            "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database d ON d.oid = database WHERE NOT granted
                            AND d.datname = current_database()
                            AND (locktype = 'advisory' AND objid = {NUMBER} OR relation = 'containers'::regclass))"
        );
        let waits = async || self.keeper.query_one(&sql, &[]).await.unwrap().get(0);
        eventually("a session waits at the gate", waits).await;
    }

    /// Opens the gate.
    pub(crate) async fn open(self) {
        self.keeper.batch_execute("ROLLBACK; SELECT pg_advisory_unlock_all()").await.unwrap();
    }
}
