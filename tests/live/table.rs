//! Compares the transitions of guard rows in real stores with the model's: neither may change without the other.

use crate::one_org::OneOrg;
use mover_actors::domain::state::Way;
use mover_actors::ports::BackedUp;
use mover_model::table::{Act, Line, OURS, lines};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::world::{MIGRATION, World, lease, moved};

const ORG: &str = "1";
const ORGS: &[&str] = &[ORG];
/// In the stores epochs have room for what comes before.
const BASE: i64 = 100;

/// Sets the org's guard row to the state before, in the store that the action changes; the other store is as it must be for the
/// action to get that far.
async fn put(world: &World, line: &Line) {
    for client in [&world.old, &world.new] {
        client.batch_execute("DELETE FROM mover.org_guard; DELETE FROM mover.change_log").await.unwrap();
    }
    let (changed, other) = if line.act.is_in_target() { (&world.new, &world.old) } else { (&world.old, &world.new) };
    let insert = "INSERT INTO mover.org_guard (migration, org_key, mode, epoch) VALUES ($1, $2, $3, $4)";
    if let (Some(mode), epoch) = line.before {
        changed.execute(insert, &[&MIGRATION, &ORG, &mode, &(BASE + i64::from(epoch))]).await.unwrap();
    }
    let mode = match line.act {
        Act::Round => "capturing",
        Act::Purge => "settled",
        _ => return,
    };
    other.execute(insert, &[&MIGRATION, &ORG, &mode, &BASE]).await.unwrap();
}

/// Whether the product's own statement, or the whole transaction where its condition is in there, could be done.
async fn is_done(world: &World, act: Act, backup: &BackedUp) -> bool {
    let engine = world.engine();
    let epoch = BASE + i64::from(OURS);
    let ours = lease(ORG, epoch);
    let (old, new) = (&world.old, &world.new);
    match act {
        Act::Capture => row(old, include_str!("../../src/engine/live/sql/capture.sql"), epoch).await,
        Act::TakeOver => row(old, include_str!("../../src/engine/live/sql/fence.sql"), epoch).await,
        Act::Copy => enter(new, "incoming", epoch).await,
        Act::Discard => enter(new, "discarded", epoch).await,
        Act::Moved => moves_away(old, epoch).await,
        Act::MovedBack => moves_away(new, epoch).await,
        Act::Receive => receive(new, ("capturing", "incoming"), epoch).await,
        Act::ReceiveBack => receive(old, ("settled", "moved"), epoch).await,
        Act::Settle => settle(old, epoch).await,
        Act::Close => settle(new, epoch).await,
        Act::Round => engine.catch_up(&ours, Way::Forward).await.is_ok(),
        Act::Purge => engine.purge(&ours, backup).await.is_ok(),
        Act::DiscardRolledBack => engine.discard_rolled_back(&ours).await.is_ok(),
    }
}

async fn row(client: &Client, sql: &str, epoch: i64) -> bool {
    client.query_opt(sql, &[&MIGRATION, &ORGS, &[epoch].as_slice()]).await.unwrap().is_some()
}

async fn enter(client: &Client, mode: &str, epoch: i64) -> bool {
    let sql = include_str!("../../src/engine/guard/sql/guard_enter.sql");
    client.query_opt(sql, &[&MIGRATION, &ORGS, &[epoch].as_slice(), &mode]).await.unwrap().is_some()
}

async fn moves_away(client: &Client, epoch: i64) -> bool {
    let snapshot = client.query_one("SELECT pg_current_snapshot()::text", &[]).await.unwrap();
    let sql = include_str!("../../src/engine/live/sql/moved.sql");
    let snapshot: String = snapshot.get(0);
    match client.query_one(sql, &[&MIGRATION, &ORGS, &[epoch].as_slice(), &snapshot]).await {
        Ok(row) => row.get::<_, i64>(0) == 1,
        Err(error) => {
            assert_eq!(error.code(), Some(&SqlState::DIVISION_BY_ZERO), "{error}");
            false
        }
    }
}

async fn receive(client: &Client, (after, before): (&str, &str), epoch: i64) -> bool {
    let sql = include_str!("../../src/engine/live/sql/receive.sql");
    client.execute(sql, &[&MIGRATION, &ORGS, &[epoch].as_slice(), &after, &before]).await.unwrap() > 0
}

async fn settle(client: &Client, epoch: i64) -> bool {
    let sql = include_str!("../../src/engine/live/sql/settle.sql");
    client.query_opt(sql, &[&MIGRATION, &ORGS, &[epoch].as_slice()]).await.unwrap().is_some()
}

#[tokio::test]
async fn guard_rows_change_as_in_the_model() {
    let world = World::start().await;
    // Rows do not matter here.
    world
        .old
        .batch_execute(
            "SET session_replication_role = replica; DELETE FROM accounts; DELETE FROM events; DELETE FROM groups",
        )
        .await
        .unwrap();
    moved(&world.engine(), &lease(ORG, 1)).await;
    let backup = world.engine().back_up(&lease(ORG, 2)).await.unwrap();
    let mut differ = Vec::new();
    let table = lines();
    assert!(table.iter().filter(|line| line.is_done).count() > 30, "{table:?}");
    for line in table {
        put(&world, &line).await;
        let is_done = is_done(&world, line.act, &backup).await;
        let client = if line.act.is_in_target() { &world.new } else { &world.old };
        let sql = "SELECT mode, epoch FROM mover.org_guard WHERE org_key = $1";
        let found = client.query_opt(sql, &[&ORG]).await.unwrap();
        let found = found.map(|row| (row.get::<_, String>(0), row.get::<_, i64>(1) - BASE));
        let wanted = line.after.0.map(|mode| (mode.to_owned(), i64::from(line.after.1)));
        // That the org has moved already is no refusal there, and here it is asked before.
        let finds_it_done = matches!(line.act, Act::Moved | Act::MovedBack) && line.before.0 == Some("moved");
        if found != wanted || is_done != line.is_done && !finds_it_done {
            differ.push(format!("{line:?}: the product's row is {found:?}, done: {is_done}"));
        }
    }
    assert!(differ.is_empty(), "{differ:#?}");
}
