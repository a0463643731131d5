//! Many orgs: captured as a stream, found through indexes.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, stream};
use mover::state::read::StateName;
use mover::state::{CaptureError, Captured, StateError};
use mover_actors::domain::campaign::Selection;
use mover_actors::domain::ids::{MigrationName, OrgKey, OrgName};
use mover_actors::domain::state::Strategy;
use mover_actors::ports::MoveLog;

use crate::support::{PgWorld, Server};

type Listed = Result<(OrgName, OrgKey), std::io::Error>;

fn phase_2() -> MigrationName {
    MigrationName::new("phase_2").unwrap()
}

fn pair(name: &str, key: &str) -> (OrgName, OrgKey) {
    (OrgName::new(name).unwrap(), OrgKey::new(key).unwrap())
}

fn numbered(number: usize) -> Listed {
    Ok(pair(&format!("org_{number:07}"), &format!("key_{number:07}")))
}

async fn capture(world: &PgWorld, orgs: Vec<Listed>) -> Result<Captured, CaptureError<std::io::Error>> {
    world.log.capture(&phase_2(), Strategy::Offline, stream::iter(orgs)).await
}

/// The plan of a query of the move log, as it runs once its statement is used often.
async fn plan(world: &PgWorld, sql: &str, arguments: &str) -> String {
    let client = world.log.pool().get().await.unwrap();
    client.batch_execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    client.batch_execute(&format!("PREPARE asked AS {sql}")).await.unwrap();
    let rows = client.query(&format!("EXPLAIN EXECUTE asked ({arguments})"), &[]).await.unwrap();
    client.batch_execute("DEALLOCATE asked; RESET plan_cache_mode").await.unwrap();
    rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
}

/// Every statement that must not grow slower with the number of orgs.
async fn reads_no_whole_table(world: &PgWorld) {
    let sql_and_arguments = [
        (include_str!("../../src/state/sql/move_claim.sql"), "1, 1, 64, '{}'"),
        (include_str!("../../src/state/sql/move_claim_migrated.sql"), "1, 1, 64, '{}'"),
        (include_str!("../../src/state/sql/list_moves.sql"), "'phase_2', '{failed,ready}', 5, 50"),
        (include_str!("../../src/state/sql/move_adopt.sql"), "1, 64"),
        (include_str!("../../src/state/sql/move_release_named.sql"), "'phase_2', 'holding', '{org_0001}', 'me'"),
        (include_str!("../../src/state/sql/move_near_names.sql"), "'phase_2', 'org_0001'"),
        (include_str!("../../src/state/sql/org_history.sql"), "'phase_2', 'org_0001'"),
        (include_str!("../../src/state/sql/rate.sql"), "'phase_2'"),
        (include_str!("../../src/state/sql/pace.sql"), "'phase_2', 60, 60"),
        (include_str!("../../src/state/sql/list_prefix.sql"), "'phase_2', '{failed,ready}', 'org_', 'org_0', 50"),
        (include_str!("../../src/state/sql/closed_now.sql"), "200"),
        (include_str!("../../src/state/sql/flags_closed.sql"), "200"),
        (include_str!("../../src/state/sql/move_touch.sql"), "'phase_2', 'org_0001'"),
        (
            include_str!("../../src/state/sql/move_advance.sql"),
            "1, '{5}', '{1}', '{started}', '{block}', '{started}', '{drain}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', \
             '{NULL}', '{NULL}', '{NULL}', '{NULL}'",
        ),
        (
            include_str!("../../src/state/sql/flags_desire.sql"),
            "'{a}', '{5}', '{1}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}'",
        ),
    ];
    for (sql, arguments) in sql_and_arguments {
        let plan = plan(world, sql, arguments).await;
        for table in ["org_migration_state", "org_migration_event", "desired_flags"] {
            assert!(!plan.contains(&format!("Seq Scan on {table}")), "reads all of {table}:\n{sql}\n{plan}");
        }
        let unbounded = plan.lines().zip(plan.lines().skip(1)).find(|(scan, next)| {
            scan.contains("Index")
                && scan.contains(" on ")
                && !next.contains("Index Cond")
                // These have a row for each org in flight, for the live campaign, for each hash that blocks orgs.
                && !scan.contains("_in_flight")
                && !scan.contains("_one_live")
                && !scan.contains("_flags_shut")
        });
        assert_eq!(unbounded, None, "reads a whole index:\n{sql}\n{plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_thousand_orgs_are_captured_listed_and_claimed_without_reading_them_all() {
    let server = Server::start().await;
    let world = server.world().await;
    let total = 200_000;
    let made = AtomicUsize::new(0);
    let orgs = stream::iter(0..total).map(|number| {
        made.fetch_add(1, Ordering::Relaxed);
        numbered(number)
    });
    let captured = world.log.capture(&phase_2(), Strategy::Offline, orgs).await.unwrap();
    assert_eq!(captured, Captured { listed: total as u64, new: total as u64, ..Captured::default() });
    assert_eq!(made.load(Ordering::Relaxed), total);
    assert_eq!(world.log.make_ready(&phase_2(), &Selection::Percent(50)).await.unwrap(), 100_000);
    let counts = world.log.counts(&phase_2()).await.unwrap();
    assert_eq!((counts.holding, counts.ready, counts.total()), (100_000, 100_000, 200_000));

    let mut after = None;
    let mut seen = 0;
    while seen < 30_000 {
        let page = world.log.list(&phase_2(), Some(StateName::Holding), after, 10_000).await.unwrap();
        assert_eq!(page[0].record.org.as_str(), format!("org_{:07}", 100_000 + seen));
        seen += page.len();
        after = page.last().map(|view| view.record.id);
    }

    reads_no_whole_table(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_planned_while_the_tables_are_empty_are_good_when_they_have_grown() {
    let server = Server::start().await;
    reads_no_whole_table(&server.world().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_capture_adds_only_what_is_new() {
    let server = Server::start().await;
    let world = server.world().await;
    capture(&world, (0..10).map(numbered).collect()).await.unwrap();
    world.log.make_ready(&phase_2(), &Selection::First(3)).await.unwrap();
    // Twelve, one of them twice.
    let listed = (0..12).chain([11]).map(numbered).collect();
    assert_eq!(
        capture(&world, listed).await.unwrap(),
        Captured { listed: 13, new: 2, known: 11, ..Captured::default() }
    );
    let counts = world.log.counts(&phase_2()).await.unwrap();
    assert_eq!((counts.ready, counts.holding), (3, 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_breaks_off_captures_nothing() {
    let server = Server::start().await;
    let world = server.world().await;
    let mut listed: Vec<Listed> = (0..12_000).map(numbered).collect();
    listed.push(Err(std::io::Error::other("the source went away")));
    let error = capture(&world, listed).await.unwrap_err();
    let CaptureError::Source { cause, .. } = error else { panic!("{error:?}") };
    assert_eq!(cause.to_string(), "the source went away");
    assert_eq!(world.log.counts(&phase_2()).await.unwrap().total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_under_another_name_or_key_is_reported_and_blocks_no_other() {
    let server = Server::start().await;
    let world = server.world().await;
    capture(&world, vec![Ok(pair("acme", "1")), Ok(pair("beta", "2"))]).await.unwrap();
    let renamed = ("acme_ltd", "1", ("acme", "1"), true);
    let replaced = ("acme", "9", ("acme", "1"), false);
    let exchanged = [("beta", "1", ("acme", "1"), true), ("acme", "2", ("beta", "2"), true)];
    let cases = [vec![renamed], vec![replaced], vec![renamed, replaced], exchanged.to_vec()];
    for (number, told) in cases.into_iter().enumerate() {
        let newcomer = pair(&format!("newcomer {number}"), &format!("n{number}"));
        let listed = told.iter().map(|(name, key, ..)| Ok(pair(name, key))).chain([Ok(newcomer)]).collect();
        let captured = capture(&world, listed).await.unwrap();
        assert_eq!((captured.new, captured.known, captured.otherwise), (1, 0, told.len() as u64), "{captured:?}");
        let named: Vec<_> = captured
            .named
            .iter()
            .map(|org| {
                (
                    org.name.as_str(),
                    org.key.as_str(),
                    (org.known_name.as_str(), org.known_key.as_str()),
                    org.is_renamed(),
                )
            })
            .collect();
        assert_eq!(named, told);
        assert_eq!(captured.named[0].state, "holding");
    }
    // What was known is as it was.
    let known = world.log.list(&phase_2(), None, None, 9).await.unwrap();
    let known: Vec<_> = known.iter().map(|view| (view.record.org.as_str(), view.record.key.as_str())).collect();
    assert_eq!(known[..2], [("acme", "1"), ("beta", "2")]);
    assert_eq!(known.len(), 6);

    let (name, key) = pair("acme_ltd", "1");
    let error = world.log.add_org(&phase_2(), Strategy::Offline, name, key).await.unwrap_err();
    assert!(matches!(error, StateError::OrgConflict { .. }), "{error:?}");
    assert!(error.to_string().contains("\"acme\" with key 1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_org_is_added_once() {
    let server = Server::start().await;
    let world = server.world().await;
    let (name, key) = pair("Odd 'Name' {x}\n", "k\"ey");
    let add = async || world.log.add_org(&phase_2(), Strategy::Offline, name.clone(), key.clone()).await;
    assert!(add().await.unwrap());
    assert!(!add().await.unwrap());
    let listed = world.log.list(&phase_2(), None, None, 9).await.unwrap();
    assert_eq!((&listed[0].record.org, &listed[0].record.key), (&name, &key));
}

#[tokio::test(flavor = "multi_thread")]
async fn captures_at_once_do_not_stand_in_each_others_way() {
    let server = Server::start().await;
    let world = std::sync::Arc::new(server.world().await);
    let mut capturing = Vec::new();
    for turn in 0..4 {
        let world = world.clone();
        capturing.push(tokio::spawn(async move {
            let mut listed: Vec<Listed> = (0..11_000).map(numbered).collect();
            if turn % 2 == 1 {
                listed.reverse();
            }
            capture(&world, listed).await.unwrap().new
        }));
    }
    let mut new = 0;
    for capturing in capturing {
        new += capturing.await.unwrap();
    }
    assert_eq!(new, 11_000);
}
