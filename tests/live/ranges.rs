//! A big org is copied in ranges; an interrupted copy continues where it was.

use std::time::Duration;

use crate::one_org::OneOrg;
use mover::engine::{LiveLimits, PgEngine, Store};
use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::state::Way;
use mover_actors::ports::Limits;
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::world::{
    MIGRATION, World, caught_up, definition, lease, moved, proven, refusal, small_ranges, store, switched,
};

const DONE: &str = "mover.copy_range WHERE rows IS NOT NULL";

/// Ranges with the transactions that copied them.
async fn done(client: &Client) -> Vec<String> {
    let sql =
        "SELECT format('%s %s %s', table_name, number, xmin) FROM mover.copy_range WHERE rows IS NOT NULL ORDER BY 1";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Interrupts a copy when some ranges are done: rows of `accounts` beyond `email` cannot be written.
async fn interrupted(world: &World) {
    let engine = world.engine().with_live_limits(small_ranges());
    engine.capture(&lease("1", 1)).await.unwrap();
    // `remarks` waits for this lock, and its children do not begin.
    world.new.batch_execute("BEGIN; LOCK TABLE remarks IN SHARE MODE").await.unwrap();
    {
        let ours = lease("1", 1);
        let copy = engine.copy_live(&ours);
        let waits = world.wait_for("new", "pg_locks WHERE NOT granted AND relation = 'remarks'::regclass");
        tokio::select! { copied = copy => panic!("it cannot end: {copied:?}"), () = waits => {} }
    }
    world.new.batch_execute("ROLLBACK").await.unwrap();
    // The sessions are closed, and with them their transactions.
    let gone = "(SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_locks WHERE relation = 'remarks'::regclass)) s";
    world.wait_for("new", gone).await;
}

#[tokio::test]
async fn an_interrupted_copy_goes_on_where_it_was() {
    let world = World::start().await;
    interrupted(&world).await;
    let before = done(&world.new).await;
    assert!(before.len() > 10, "{before:?}");
    assert!(world.count(&world.new, "mover.copy_range WHERE rows IS NULL").await > 5);
    assert_eq!(world.count(&world.new, "lines").await, 0, "what hangs on others comes after them");
    // Meanwhile everything is written: copied rows, uncopied rows, and rows that move between the two.
    world
        .old
        .batch_execute(
            "BEGIN; UPDATE accounts SET email = 'x' WHERE email = 'a1@1'; UPDATE accounts SET email = 'a1@1' WHERE email = 'a60@1';
             UPDATE accounts SET email = 'a60@1' WHERE email = 'x'; COMMIT;
             UPDATE accounts SET id = id + 1000 WHERE org = 1 AND id % 4 = 0;
             UPDATE groups SET org = 2, name = 'was of 1' WHERE org = 1 AND name = 'g2';
             UPDATE groups SET org = 1, name = 'was of 3' WHERE org = 3 AND name = 'g2';
             DELETE FROM groups WHERE org = 1 AND name IN ('g3', 'g11');
             INSERT INTO remarks SELECT 'new in ' || id, id, 'x' FROM groups WHERE org = 1;
             INSERT INTO lines (remark, n) SELECT id, 5 FROM remarks WHERE body = 'x';
             DELETE FROM events WHERE org = 1 AND id % 5 = 0",
        )
        .await
        .unwrap();
    let engine = world.engine().with_live_limits(small_ranges());
    let copied = engine.copy_live(&lease("1", 2)).await.unwrap();
    assert!(copied.rows > 200, "{copied:?}");
    let after = done(&world.new).await;
    assert!(before.iter().all(|range| after.contains(range)), "a range was copied twice: {before:?} {after:?}");
    assert_eq!(world.count(&world.new, "mover.copy_range WHERE rows IS NULL").await, 0);
    caught_up(&engine, &lease("1", 2), Way::Forward).await;
    world.assert_alike("1").await;
    proven(&engine.compare(&lease("1", 2), Way::Forward).await.unwrap());
    // A copy that is complete is complete when it is repeated.
    engine.copy_live(&lease("1", 3)).await.unwrap();
    assert_eq!(done(&world.new).await, after);
    switched(&engine, &lease("1", 3), Way::Forward).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn the_progress_of_a_copy_can_be_watched() {
    let world = World::start().await;
    let migration = MigrationName::new(MIGRATION).unwrap();
    let engine = world.engine().with_live_limits(small_ranges());
    assert_eq!(engine.ranged_copies(&migration).await.unwrap(), []);
    interrupted(&world).await;
    let half = engine.ranged_copies(&migration).await.unwrap();
    let [half] = half.as_slice() else { panic!("{half:?}") };
    let count = |sql: &'static str| world.count(&world.new, sql);
    assert_eq!(half.key.as_str(), "1");
    assert_eq!(half.ranges, count("mover.copy_range").await.unsigned_abs());
    assert_eq!(half.ranges_done, count(DONE).await.unsigned_abs());
    assert!(0 < half.rows_copied && half.rows_copied < half.rows_expected, "{half:?}");
    let copied = engine.copy_live(&lease("1", 2)).await.unwrap();
    let all = engine.ranged_copies(&migration).await.unwrap().remove(0);
    assert_eq!(all.ranges_done, all.ranges);
    assert_eq!((all.rows_copied, all.rows_expected), (copied.rows.unsigned_abs(), copied.rows.unsigned_abs()));
    // Ranges of the same table are alike, so what was expected was about right.
    assert!(half.rows_expected.abs_diff(all.rows_expected) * 2 < all.rows_expected, "{half:?} {all:?}");
    switched(&engine, &lease("1", 2), Way::Forward).await;
    assert_eq!(engine.ranged_copies(&migration).await.unwrap(), [], "it is no copy any more");
}

#[tokio::test]
async fn the_source_knows_about_how_many_rows_it_has_once_it_was_analyzed() {
    let world = World::start().await;
    let migration = MigrationName::new(MIGRATION).unwrap();
    let engine = world.engine();
    assert_eq!(engine.rows_estimated(&migration).await.unwrap(), None);
    world.old.batch_execute("ANALYZE").await.unwrap();
    let mut rows = 0;
    for table in ["accounts", "groups", "members", "remarks", "lines", "events"] {
        rows += world.count(&world.old, table).await.unsigned_abs();
    }
    assert_eq!(engine.rows_estimated(&migration).await.unwrap(), Some(rows));
}

#[tokio::test]
async fn an_interrupted_copy_can_be_taken_back() {
    let world = World::start().await;
    interrupted(&world).await;
    let engine = world.engine();
    engine.release(&lease("1", 2)).await.unwrap();
    engine.discard(&lease("1", 2)).await.unwrap();
    assert!(world.rows(&world.new, "1").await.is_empty());
    assert_eq!(world.count(&world.new, "members").await + world.count(&world.new, "remarks").await, 0);
    assert_eq!(world.count(&world.new, "mover.copy_range").await, 0);
    moved(&engine, &lease("1", 3)).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn who_was_overtaken_copies_no_more_ranges() {
    let world = World::start().await;
    let engine = world.engine().with_live_limits(small_ranges());
    engine.capture(&lease("1", 1)).await.unwrap();
    world.new.batch_execute("BEGIN; LOCK TABLE remarks IN SHARE MODE").await.unwrap();
    let other = world.server.connect("new").await;
    let ours = lease("1", 1);
    let (copied, ()) = tokio::join!(engine.copy_live(&ours), async {
        world.wait_for("new", "pg_locks WHERE NOT granted AND relation = 'remarks'::regclass").await;
        // Waits for the open transactions, like a new owner.
        let raise = "UPDATE mover.org_guard SET epoch = 7 WHERE org_key = '1'";
        let raised = other.batch_execute(raise);
        let freed = async {
            world
                .wait_for(
                    "new",
                    "pg_stat_activity WHERE query LIKE 'UPDATE mover.org_guard%' AND wait_event_type = 'Lock'",
                )
                .await;
            world.new.batch_execute("ROLLBACK").await.unwrap();
        };
        tokio::join!(raised, freed).0.unwrap();
    });
    let error = copied.unwrap_err();
    assert!(error.reason.contains("newer epoch 7"), "{error}");
    assert!(world.count(&world.new, &format!("{DONE} AND table_name = 'groups'")).await > 0);
    // Sessions that share the row may overtake the one that waits to change it, but not for long.
    let left = "mover.copy_range WHERE rows IS NULL AND table_name = 'lines'";
    assert!(world.count(&world.new, left).await > 0);
}

/// A target that reads slowly: the end of one table is still on its way when the next one is asked for.
#[tokio::test]
async fn a_copy_of_several_tables_in_one_transaction_does_not_wait_for_itself() {
    let world = World::start().await;
    world
        .old
        .batch_execute(
            "UPDATE members SET role = repeat('x', 60000) WHERE group_id IN (SELECT id FROM groups WHERE org = 1);
             INSERT INTO accounts (org, email) SELECT 1, 'more ' || i FROM generate_series(1, 100) i",
        )
        .await
        .unwrap();
    world
        .new
        .batch_execute(
            "CREATE FUNCTION slowly() RETURNS boolean LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_sleep(0.005); RETURN true; END $$;
             ALTER TABLE members ADD CHECK (slowly())",
        )
        .await
        .unwrap();
    // The accounts are copied in ranges, members and remarks together.
    let engine = world.engine().with_live_limits(LiveLimits { range_rows: 100, ..LiveLimits::default() });
    let ours = lease("1", 1);
    engine.capture(&ours).await.unwrap();
    let copied = timeout(Duration::from_secs(60), engine.copy_live(&ours)).await.expect("the copy ends");
    assert!(copied.unwrap().bytes > 3_000_000);
    switched(&engine, &ours, Way::Forward).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_big_org_is_not_copied_beside_rows_that_mover_did_not_bring() {
    let world = World::start().await;
    world.new.batch_execute("INSERT INTO accounts (org, email) VALUES (1, 'stray')").await.unwrap();
    let engine = world.engine().with_live_limits(small_ranges());
    engine.capture(&lease("1", 1)).await.unwrap();
    let reason = refusal(engine.copy_live(&lease("1", 1)).await);
    assert!(reason.contains("already holds 1 row of org org 1 that Mover did not bring"), "{reason}");
    assert_eq!(world.rows(&world.new, "1").await.len(), 1);
    assert_eq!(world.count(&world.new, "mover.copy_range").await, 0);
}

/// A session with a connection to one store would wait for one to the other while the first range is copied, however long that
/// takes.
#[tokio::test]
async fn no_more_ranges_are_begun_than_the_smaller_pool_allows() {
    let world = World::start().await;
    let limits = Limits { max_block_ms: 5_000, max_change_backlog: 10_000, cohort_orgs: 100, cohort_rows: 16_000 };
    for (pools, sessions) in [((2, 8), 2), ((8, 8), 3)] {
        let open = |name: &str, pool| Store::open(store(name), &world.server.url(name), pool).unwrap();
        let stores = [open("old", pools.0), open("new", pools.1)];
        let engine = PgEngine::new(stores, [definition(limits)]).with_live_limits(small_ranges());
        engine.capture(&lease("1", 1)).await.unwrap();
        engine.copy_live(&lease("1", 1)).await.unwrap();
        let opened = "pg_stat_activity WHERE datname = 'new' AND application_name = 'mover'";
        assert_eq!(world.count(&world.new, opened).await, sessions);
        engine.release(&lease("1", 1)).await.unwrap();
        engine.discard(&lease("1", 1)).await.unwrap();
        drop(engine);
        world.wait_for("new", &format!("(SELECT 1 WHERE NOT EXISTS (SELECT FROM {opened})) s")).await;
    }
}
