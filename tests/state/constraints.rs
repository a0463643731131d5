//! What the tables themselves refuse, independently of the program.

use std::collections::BTreeMap;

use tokio_postgres::error::SqlState;

use crate::support::{PgWorld, Server};

/// Every state an org can be in, as a row would have it.
const STATES: [(&str, &str); 11] = [
    ("holding", ""),
    ("ready", ""),
    ("started", "block"),
    ("started", "drain"),
    ("started", "copy"),
    ("started", "verify"),
    ("started", "switch"),
    ("started", "unblock"),
    ("started", "abort"),
    ("migrated", ""),
    ("failed", ""),
];

/// The columns of a row that is right in this state.
fn columns(state: &str, step: &str) -> BTreeMap<&'static str, String> {
    let started = state == "started";
    let ended = ["migrated", "failed"].contains(&state);
    let claimed = started || ended;
    let proven = ["switch", "unblock"].contains(&step) || state == "migrated";
    let failing = step == "abort" || state == "failed";
    let or_null = |is: bool, value: &str| if is { value.to_owned() } else { "NULL".to_owned() };
    BTreeMap::from([
        ("state", format!("'{state}'")),
        ("step", or_null(started, &format!("'{step}'"))),
        ("epoch", if claimed { "7" } else { "0" }.to_owned()),
        ("attempts", if claimed { "1" } else { "0" }.to_owned()),
        ("campaign", or_null(claimed, "1")),
        ("verified", or_null(proven, "'{}'")),
        ("failure", or_null(failing, "'{}'")),
        ("finished_at", or_null(ended, "now()")),
    ])
}

async fn insert(world: &PgWorld, org: &str, columns: &BTreeMap<&'static str, String>) -> Result<(), SqlState> {
    let names: Vec<&str> = columns.keys().copied().collect();
    let values: Vec<&str> = columns.values().map(String::as_str).collect();
    let sql = format!(
        "INSERT INTO mover.org_migration_state (migration, strategy, org_name, org_key, {}) \
         VALUES ('phase_2', 'offline', '{org}', '{org}', {})",
        names.join(", "),
        values.join(", ")
    );
    world.run(&sql).await.map_err(|error| error.code().unwrap().clone())
}

fn changed(state: (&str, &str), column: &'static str, value: &str) -> BTreeMap<&'static str, String> {
    let mut columns = columns(state.0, state.1);
    columns.insert(column, value.to_owned());
    columns
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_contradicts_itself_is_refused() {
    let server = Server::start().await;
    let world = server.world().await;
    for (number, (state, step)) in STATES.into_iter().enumerate() {
        insert(&world, &format!("right_{number}"), &columns(state, step)).await.unwrap();
    }
    let wrong = [
        changed(("holding", ""), "step", "'copy'"),
        changed(("ready", ""), "failure", "'{}'"),
        changed(("ready", ""), "finished_at", "now()"),
        changed(("started", "copy"), "step", "NULL"),
        changed(("started", "copy"), "step", "'teleport'"),
        changed(("started", "copy"), "epoch", "0"),
        changed(("started", "copy"), "campaign", "NULL"),
        changed(("started", "copy"), "verified", "'{}'"),
        changed(("started", "copy"), "failure", "'{}'"),
        changed(("started", "copy"), "rows", "-1"),
        changed(("started", "copy"), "strategy", "'telepathy'"),
        changed(("started", "switch"), "verified", "NULL"),
        changed(("started", "abort"), "failure", "NULL"),
        changed(("migrated", ""), "verified", "NULL"),
        changed(("migrated", ""), "finished_at", "NULL"),
        changed(("failed", ""), "failure", "NULL"),
        changed(("failed", ""), "state", "'lost'"),
    ];
    for mut columns in wrong {
        // A strategy is among the columns of every insert already.
        if let Some(strategy) = columns.remove("strategy") {
            let sql = format!("UPDATE mover.org_migration_state SET strategy = {strategy}");
            assert_eq!(world.run(&sql).await.unwrap_err().code(), Some(&SqlState::CHECK_VIOLATION));
            continue;
        }
        assert_eq!(insert(&world, "wrong", &columns).await, Err(SqlState::CHECK_VIOLATION), "{columns:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_keys_are_unique_and_only_one_move_of_an_org_is_in_flight() {
    let server = Server::start().await;
    let world = server.world().await;
    let add = async |migration: &str, org: &str, key: &str| {
        let sql = format!(
            "INSERT INTO mover.org_migration_state (migration, strategy, org_name, org_key, state) \
             VALUES ('{migration}', 'offline', '{org}', '{key}', 'ready')"
        );
        world.run(&sql).await.map_err(|error| error.code().unwrap().clone())
    };
    add("phase_2", "acme", "1").await.unwrap();
    assert_eq!(add("phase_2", "acme", "2").await, Err(SqlState::UNIQUE_VIOLATION));
    assert_eq!(add("phase_2", "globex", "1").await, Err(SqlState::UNIQUE_VIOLATION));
    add("phase_3", "acme", "1").await.unwrap();

    let start = async |migration: &str| {
        let sql = format!(
            "UPDATE mover.org_migration_state \
             SET state = 'started', step = 'block', epoch = 1, attempts = 1, campaign = 1 \
             WHERE migration = '{migration}'"
        );
        world.run(&sql).await.map_err(|error| error.code().unwrap().clone())
    };
    start("phase_2").await.unwrap();
    assert_eq!(start("phase_3").await, Err(SqlState::UNIQUE_VIOLATION));
}

#[tokio::test(flavor = "multi_thread")]
async fn history_cannot_be_rewritten() {
    let server = Server::start().await;
    let world = server.world().await;
    let event = "INSERT INTO mover.org_migration_event (move_id, epoch, from_state, to_state) \
                 VALUES (1, 0, 'holding', 'ready')";
    world.run(event).await.unwrap();
    for sql in [
        "UPDATE mover.org_migration_event SET epoch = 9",
        "DELETE FROM mover.org_migration_event",
        "TRUNCATE mover.org_migration_event",
    ] {
        assert_eq!(world.run(sql).await.unwrap_err().code(), Some(&SqlState::CHECK_VIOLATION), "{sql}");
    }
    assert_eq!(world.ask("SELECT count(*)::text FROM mover.org_migration_event").await, ["1"]);
}
