//! Postgres goes down and comes back.

use std::sync::Arc;

use mover_actors::domain::campaign::{CampaignPlan, FailurePolicy, Selection, Tuning};
use mover_actors::domain::ids::{MigrationName, NodeId};
use mover_actors::domain::record::Findings;
use mover_actors::domain::state::{Aim, Event, State, Step, Strategy};
use mover_actors::ports::{LogError, MoveLog};
use std::time::Duration;

use mover::state::{PgMoveLog, StateError};
use mover_actors::domain::ids::OrgName;

use crate::contract::World;
use crate::support::{PgWorld, Server, connect};

const LEASE: Duration = Duration::from_secs(600);

fn phase_2() -> MigrationName {
    MigrationName::new("phase_2").unwrap()
}

fn plan() -> CampaignPlan {
    CampaignPlan {
        aim: Aim::Migrate,
        migration: phase_2(),
        selection: Selection::All,
        tuning: Tuning { concurrency: 1, sleep_time_ms: 0, pace_ms: 0 },
        failure_policy: FailurePolicy::default(),
    }
}

/// Repeats a call as long as the error is transient, as the tree does.
async fn insist<T>(mut call: impl AsyncFnMut() -> Result<T, LogError>) -> T {
    loop {
        match call().await {
            Ok(value) => return value,
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
}

async fn joined(world: &PgWorld) -> (Arc<PgMoveLog>, NodeId) {
    let log = world.process().await;
    let node = log.join("a", LEASE).await.unwrap();
    (log, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_postgres_is_an_outage_and_then_none() {
    let server = Server::start().await;
    let world = server.world().await;
    world.capture(&phase_2(), Strategy::Offline, &[OrgName::new("acme").unwrap()]).await;
    let (log, node) = joined(&world).await;
    log.make_ready(&phase_2(), &Selection::All).await.unwrap();
    let campaign = log.open_campaign(node, &plan()).await.unwrap();
    let record = log.claim(campaign.id, node, 1).await.unwrap().remove(0);

    let restarting = {
        let postgres = server.postgres.clone();
        tokio::spawn(async move { postgres.restart().await })
    };
    // Hammered while it goes down and comes up: every error must be one that says "try again".
    let advance = record.advance(Event::StepDone(Step::Block), Findings::default()).unwrap();
    while !restarting.is_finished() {
        if let Err(error) = log.advance(node, std::slice::from_ref(&advance)).await {
            assert!(error.is_transient(), "{error:?}");
        }
    }
    restarting.await.unwrap();

    let answers = insist(async || log.advance(node, std::slice::from_ref(&advance)).await).await;
    assert!(matches!(answers[..], [Ok(())]), "{answers:?}");
    assert_eq!(insist(async || log.load(record.id).await).await.state, State::Started(Step::Drain));

    // The lock was lost with its connection; the next heartbeats take it again.
    insist(async || log.heartbeat(node, LEASE).await).await;
    let other = world.process().await;
    let heir = other.join("b", LEASE).await.unwrap();
    assert!(other.adopt_orphans(heir, 9).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_node_keeps_its_name() {
    let server = Server::start().await;
    let world = server.world().await;
    let (_log, _) = joined(&world).await;
    let error = world.process().await.join("a", LEASE).await.unwrap_err();
    assert!(error.to_string().contains("another running process is node \"a\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_and_a_lock_that_is_not_free_are_outages() {
    let server = Server::start().await;
    let world = server.world().await;
    world.capture(&phase_2(), Strategy::Offline, &[OrgName::new("acme").unwrap()]).await;

    let mut holder = world.log.pool().get().await.unwrap();
    let holding = holder.transaction().await.unwrap();
    holding.batch_execute("SELECT * FROM mover.org_migration_state FOR UPDATE").await.unwrap();
    let impatient = format!("{}&options=-clock_timeout%3D50", world.url);
    let log = PgMoveLog::new(connect(&impatient, 1).await.unwrap());
    let error = log.make_ready(&phase_2(), &Selection::All).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    drop(holding);

    world.run("CREATE ROLE crowd LOGIN CONNECTION LIMIT 1").await.unwrap();
    let url = world.url.replace("mover@", "crowd@");
    let first = connect(&url, 1).await.unwrap();
    let error = connect(&url, 1).await.map(drop).unwrap_err();
    assert!(matches!(error, StateError::Unreachable { .. }), "{error:?}");
    drop(first);
}
