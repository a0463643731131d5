//! Concurrent rounds: other processes that carry over, writes meanwhile, and changes that the target makes to rows.

use std::time::Duration;

use crate::one_org::OneOrg;
use mover_actors::domain::state::Way;

use crate::world::{World, caught_up, copied, lease, proven, refusal};

/// A session waits in the target.
const WAITING: &str = "pg_stat_activity WHERE datname = 'new' AND wait_event_type = 'Lock'";
const HOLD: &str = "BEGIN; SET LOCAL session_replication_role = replica;
    SELECT FROM mover.org_guard WHERE org_key = '1' FOR UPDATE";

/// What another round does that holds the guard row in the target: it carries the row over, and deletes its log entry.
async fn carried_over_by_another(world: &World) {
    let change = "UPDATE accounts SET touched = 9 WHERE email = 'a1@1'";
    world.old.batch_execute(change).await.unwrap();
    world.new.batch_execute(change).await.unwrap();
    world.old.batch_execute("DELETE FROM mover.change_log").await.unwrap();
    world.new.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_round_that_waited_for_another_sees_what_that_has_seen() {
    let world = World::start().await;
    let engine = world.engine();
    let ours = lease("1", 1);
    copied(&engine, &ours).await;
    world.old.batch_execute("UPDATE accounts SET touched = 1 WHERE email = 'a1@1'").await.unwrap();
    world.new.batch_execute(HOLD).await.unwrap();
    let (round, ()) = tokio::join!(engine.catch_up(&ours, Way::Forward), async {
        world.wait_for("new", WAITING).await;
        carried_over_by_another(&world).await;
    });
    assert_eq!(round.unwrap().keys, 0);
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_copy_that_is_repeated_sees_what_was_carried_over_before_it() {
    let world = World::start().await;
    let engine = world.engine();
    let ours = lease("1", 1);
    copied(&engine, &ours).await;
    world.new.batch_execute(HOLD).await.unwrap();
    let (copied, ()) = tokio::join!(engine.copy_live(&ours), async {
        world.wait_for("new", WAITING).await;
        carried_over_by_another(&world).await;
    });
    copied.unwrap();
    assert_eq!(world.count(&world.old, "mover.change_log").await, 0);
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_comparison_waits_for_who_carries_over() {
    let world = World::start().await;
    // The schemas are not looked at again, which would have to wait for the table, too.
    let engine = world.engine().with_plan_age(Duration::from_secs(3_600));
    let ours = lease("1", 1);
    copied(&engine, &ours).await;
    world.new.batch_execute(HOLD).await.unwrap();
    world.new.batch_execute("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let (compared, ()) = tokio::join!(engine.compare(&ours, Way::Forward), async {
        world.wait_for("new", WAITING).await;
        carried_over_by_another(&world).await;
    });
    proven(&compared.unwrap());
}

#[tokio::test]
async fn what_is_written_during_a_round_is_left_for_the_next() {
    let world = World::start().await;
    let engine = world.engine();
    let ours = lease("1", 1);
    copied(&engine, &ours).await;
    world.old.batch_execute("UPDATE accounts SET touched = 1 WHERE email = 'a1@1'").await.unwrap();
    // The round has read, and waits for this row.
    world.new.batch_execute("BEGIN; SELECT FROM accounts WHERE email = 'a1@1' FOR UPDATE").await.unwrap();
    let (round, ()) = tokio::join!(engine.catch_up(&ours, Way::Forward), async {
        world.wait_for("new", WAITING).await;
        world.old.batch_execute("UPDATE accounts SET touched = 2 WHERE email IN ('a1@1', 'a2@1')").await.unwrap();
        world.new.batch_execute("COMMIT").await.unwrap();
    });
    let round = round.unwrap();
    assert_eq!((round.keys, round.left), (1, 2));
    assert_eq!(caught_up(&engine, &ours, Way::Forward).await, 2);
    world.assert_alike("1").await;
}

/// A trigger of the target that fires for Mover, too.
#[tokio::test]
async fn a_row_that_the_target_changes_on_its_way_is_named() {
    let world = World::start().await;
    let engine = world.engine();
    let ours = lease("1", 1);
    copied(&engine, &ours).await;
    let spoil = "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.touched := NEW.touched + 1; RETURN NEW; END $$;
        CREATE TRIGGER spoil BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION spoil();
        ALTER TABLE accounts ENABLE ALWAYS TRIGGER spoil";
    world.new.batch_execute(spoil).await.unwrap();
    world.old.batch_execute("UPDATE accounts SET touched = 1 WHERE email = 'a1@1'").await.unwrap();
    let reason = refusal(engine.catch_up(&ours, Way::Forward).await);
    // By the row, or by the trigger if the plan was made anew in between.
    let by_row = reason.contains("rows differ after they were carried over");
    assert!(reason.contains("accounts") && (by_row || reason.contains("trigger spoil")), "{reason}");
    assert_eq!(world.count(&world.old, "mover.change_log").await, 1);
    world.new.batch_execute("DROP TRIGGER spoil ON accounts").await.unwrap();
    assert_eq!(caught_up(&engine, &ours, Way::Forward).await, 1);
    world.assert_alike("1").await;
}
