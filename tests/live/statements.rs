//! Statements that reach a store late: they find it changed, and change nothing.

use crate::one_org::OneOrg;
use tokio_postgres::error::SqlState;

use crate::world::{MIGRATION, World, lease};

const MOVED: &str = include_str!("../../src/engine/live/sql/moved.sql");
const LOG_KEYS: &str = include_str!("../../src/engine/live/sql/log_keys.sql");

/// As if a trigger had not waited for the lock.
#[tokio::test]
async fn the_point_of_no_return_is_not_passed_with_something_in_the_log() {
    let world = World::start().await;
    world.engine().capture(&lease("1", 1)).await.unwrap();
    let snapshot =
        async || -> String { world.old.query_one("SELECT pg_current_snapshot()::text", &[]).await.unwrap().get(0) };
    let (orgs, epochs) = (["1"].as_slice(), [1_i64].as_slice());
    let moved = async |snapshot: String| world.old.query_one(MOVED, &[&MIGRATION, &orgs, &epochs, &snapshot]).await;
    let last_round = snapshot().await;
    world.old.batch_execute("UPDATE accounts SET touched = 1 WHERE email = 'a1@1'").await.unwrap();
    let refused = moved(last_round).await.expect_err("it has left with a write that nobody carried over");
    assert_eq!(refused.code(), Some(&SqlState::DIVISION_BY_ZERO));
    assert_eq!(world.mode(&world.old, "1").await.as_deref(), Some("capturing"));
    assert_eq!(world.count(&world.old, "mover.change_log").await, 1);
    moved(snapshot().await).await.unwrap();
    assert_eq!(world.mode(&world.old, "1").await.as_deref(), Some("moved"));
    assert_eq!(world.count(&world.old, "mover.change_log").await, 0);
}

#[tokio::test]
async fn nothing_is_logged_by_hand_of_an_org_that_is_not_captured() {
    let world = World::start().await;
    world.engine().capture(&lease("1", 1)).await.unwrap();
    let keys = ["{1,1}"].as_slice();
    let logged =
        async |epoch: i64| world.old.execute(LOG_KEYS, &[&MIGRATION, &"1", &"accounts", &keys, &epoch]).await.unwrap();
    assert_eq!(logged(1).await, 1);
    for mode in ["settled", "moved"] {
        world.old.execute("UPDATE mover.org_guard SET mode = $1 WHERE org_key = '1'", &[&mode]).await.unwrap();
        assert_eq!(logged(1).await, 0, "{mode}");
    }
}
