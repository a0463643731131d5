//! What operators read: lists, counts, histories, percentiles.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mover::state::read::StateName;
use mover::state::{PgMoveLog, StateError};
use mover_actors::domain::campaign::{Campaign, CampaignPlan, FailurePolicy, Phase, Selection, Tuning};
use mover_actors::domain::ids::{MigrationName, NodeId, OrgKey, OrgName};
use mover_actors::domain::record::{Failure, Findings, MoveRecord, Place};
use mover_actors::domain::state::{Aim, Event, State, Step, Strategy};
use mover_actors::domain::verified::{Tally, Verified};
use mover_actors::ports::MoveLog;

use crate::contract::World;
use crate::support::{PgWorld, Server};

fn phase_2() -> MigrationName {
    MigrationName::new("phase_2").unwrap()
}

fn org(name: &str) -> OrgName {
    OrgName::new(name).unwrap()
}

/// A campaign over ready orgs, claimed.
struct Claimed {
    log: Arc<PgMoveLog>,
    node: NodeId,
    campaign: Campaign,
    records: Vec<MoveRecord>,
}

async fn claimed(world: &PgWorld, names: &[&str]) -> Claimed {
    let orgs: Vec<OrgName> = names.iter().map(|name| org(name)).collect();
    world.capture(&phase_2(), Strategy::Offline, &orgs).await;
    let log = world.log.clone();
    log.make_ready(&phase_2(), &Selection::All).await.unwrap();
    let node = log.join("moving-host", Duration::from_secs(600)).await.unwrap();
    let plan = CampaignPlan {
        aim: Aim::Migrate,
        migration: phase_2(),
        selection: Selection::All,
        tuning: Tuning { concurrency: 1, sleep_time_ms: 0, pace_ms: 0 },
        failure_policy: FailurePolicy::default(),
    };
    let campaign = log.open_campaign(node, &plan).await.unwrap();
    let records = log.claim(campaign.id, node, 99).await.unwrap();
    Claimed { log, node, campaign, records }
}

impl Claimed {
    async fn happen(&mut self, place: usize, event: Event, findings: Findings) {
        let advance = self.records[place].advance(event, findings).unwrap();
        let answers = self.log.advance(self.node, std::slice::from_ref(&advance)).await.unwrap();
        answers.into_iter().for_each(|answer| answer.unwrap());
        self.records[place].apply(advance);
    }

    /// Moves an org that was closed so long.
    async fn migrate(&mut self, place: usize, closed: Duration) {
        let closed_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        while let State::Started(step) = self.records[place].state {
            let mut findings = Findings::default();
            match step {
                Step::Block => findings.closed_at = Some(closed_at),
                Step::Copy => (findings.rows, findings.bytes) = (Some(12), Some(1_200)),
                Step::Verify => {
                    findings.verified = Some(Verified::compare(&Tally::default(), &Tally::default()).unwrap());
                }
                Step::Unblock => findings.opened_at = Some(closed_at + closed),
                _ => {}
            }
            self.happen(place, Event::StepDone(step), findings).await;
        }
    }

    async fn fail(&mut self, place: usize) {
        self.happen(
            place,
            Event::StepFailed(Step::Block),
            Findings { failure: Some(failure()), ..Findings::default() },
        )
        .await;
        self.happen(place, Event::StepDone(Step::Abort), Findings::default()).await;
    }
}

fn failure() -> Failure {
    let place = Place {
        store: Some("new".into()),
        table: Some("users".into()),
        columns: vec!["email".into()],
        row: Some("id = 4".into()),
        ..Place::default()
    };
    Failure { step: Step::Block, reason: "the target refused a row".into(), place }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_tells_who_did_what_and_why() {
    let server = Server::start().await;
    let world = server.world().await;
    let mut claimed = claimed(&world, &["acme", "globex"]).await;
    claimed.migrate(0, Duration::from_millis(10)).await;
    claimed.fail(1).await;
    let operator = PgMoveLog::new(world.log.pool().clone()).acting_as("ada@example");
    operator.retry(&phase_2(), &Selection::All).await.unwrap();

    let history = world.log.org_history(&phase_2(), &org("acme")).await.unwrap();
    let states: Vec<String> = history.happenings.iter().map(|happening| happening.to.to_string()).collect();
    assert_eq!(
        states,
        [
            "ready",
            "started(block)",
            "started(drain)",
            "started(copy)",
            "started(verify)",
            "started(switch)",
            "started(unblock)",
            "migrated"
        ]
    );
    assert!(history.happenings.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].at <= pair[1].at));
    assert_eq!(history.happenings[4].node.as_deref(), Some("moving-host"));
    assert_eq!(history.happenings[4].detail, Some(serde_json::json!({"rows": 12, "bytes": 1_200})));

    let history = world.log.org_history(&phase_2(), &org("globex")).await.unwrap();
    let abort = &history.happenings[2];
    assert_eq!(abort.to, State::Started(Step::Abort));
    assert_eq!(abort.detail, Some(serde_json::json!({"failure": failure()})));
    let retried = history.happenings.last().unwrap();
    assert_eq!((retried.from, retried.actor.as_deref()), (State::Failed, Some("ada@example")));
    // What happened stays, though the row has forgotten it.
    assert_eq!(world.log.list(&phase_2(), Some(StateName::Ready), None, 9).await.unwrap()[0].record.failure, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_counts_and_percentiles_agree_with_the_moves() {
    let server = Server::start().await;
    let world = server.world().await;
    let mut claimed = claimed(&world, &["a", "b", "c", "d", "e"]).await;
    for (place, closed_ms) in [10, 20, 90].into_iter().enumerate() {
        claimed.migrate(place, Duration::from_millis(closed_ms)).await;
    }
    claimed.fail(3).await;

    let counts = world.log.counts(&phase_2()).await.unwrap();
    assert_eq!((counts.migrated, counts.failed, counts.started, counts.total()), (3, 1, 1, 5));
    assert_eq!(counts.steps.iter().collect::<Vec<_>>(), [(&Step::Block, &1)]);
    assert_eq!(world.log.migrations().await.unwrap(), [(phase_2(), counts)]);

    let failures = world.log.failures(&phase_2(), 9).await.unwrap();
    assert_eq!(failures.len(), 1);
    assert_eq!((&failures[0].record.org, &failures[0].record.failure), (&org("d"), &Some(failure())));
    let all = world.log.list(&phase_2(), None, None, 2).await.unwrap();
    let rest = world.log.list(&phase_2(), None, Some(all[1].record.id), 9).await.unwrap();
    let names: Vec<&str> = all.iter().chain(&rest).map(|view| view.record.org.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    assert_eq!((all[0].rows, all[0].bytes, all[0].node), (Some(12), Some(1_200), Some(claimed.node)));

    let times = world.log.closed_times(&phase_2(), Some(claimed.campaign.id)).await.unwrap().unwrap();
    assert_eq!((times.orgs, times.p50_ms.round(), times.max_ms.round()), (3, 20.0, 90.0));
    assert!((20.0..=90.0).contains(&times.p99_ms));
    let other = mover_actors::domain::ids::CampaignId(99);
    assert_eq!(world.log.closed_times(&phase_2(), Some(other)).await.unwrap(), None);

    let rate = world.log.rate(&phase_2()).await.unwrap();
    assert_eq!(rate.migrated, 3);
    assert!(rate.per_second() > 0.0 && rate.seconds_for(6).unwrap() > 0.0);

    // Without a live campaign the rate is zero, whatever migrated a moment ago.
    world.log.close_campaign(claimed.campaign.id, None).await.unwrap();
    let rate = world.log.rate(&phase_2()).await.unwrap();
    assert_eq!((rate.migrated, rate.per_second(), rate.seconds_for(6)), (0, 0.0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_and_campaigns_are_listed_with_who_lives() {
    let server = Server::start().await;
    let world = server.world().await;
    let claimed = claimed(&world, &["acme"]).await;
    let nodes = world.log.nodes().await.unwrap();
    assert_eq!(nodes.len(), 1);
    assert_eq!((nodes[0].id, nodes[0].name.as_str()), (claimed.node, "moving-host"));
    assert_eq!((nodes[0].alive, nodes[0].moves), (true, 1));

    world.kill(claimed.node).await;
    assert!(!world.log.nodes().await.unwrap()[0].alive);
    let recent = world.log.recent_campaigns(5).await.unwrap();
    assert_eq!((recent.len(), recent[0].campaign.phase, recent[0].node_alive), (1, Phase::Running, false));
    world.log.close_campaign(claimed.campaign.id, Some("done")).await.unwrap();
    assert!(world.log.recent_campaigns(5).await.unwrap()[0].ended_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_org_is_answered_with_names_like_it() {
    let server = Server::start().await;
    let world = server.world().await;
    world.capture(&phase_2(), Strategy::Offline, &["acme", "acme_ltd", "globex", "initech"].map(org)).await;
    let error = world.log.org_history(&phase_2(), &org("acmee")).await.unwrap_err();
    assert_eq!(error.to_string(), r#"migration phase_2 has no org "acmee"; did you mean "acme"?"#);
    let error = world.log.org_moves(&org("globes")).await.unwrap_err();
    assert_eq!(error.to_string(), r#"no migration has an org "globes"; did you mean "globex"?"#);
    let error = world.log.org_moves(&org("something else")).await.unwrap_err();
    assert!(matches!(&error, StateError::UnknownEverywhere { near, .. } if near.is_empty()), "{error:?}");
    let moves = world.log.org_moves(&org("acme")).await.unwrap();
    assert_eq!((moves.len(), moves[0].record.state), (1, State::Holding));
    let error = world.log.make_ready(&phase_2(), &Selection::Names(vec![org("initec")])).await.unwrap_err();
    assert!(error.to_string().contains(r#"did you mean "initech"?"#), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_known_of_orgs_that_came_over_and_copies_since_they_began() {
    let server = Server::start().await;
    let world = server.world().await;
    let migration = MigrationName::new("phase_2").unwrap();
    let known = world.log.rows_known(&migration).await.unwrap();
    assert_eq!((known.orgs, known.rows, known.campaign), (0, 0, None));
    world
        .run(
            "INSERT INTO mover.node (name, lease_until) VALUES ('a', now());
             INSERT INTO mover.campaign (sleep_time_ms, pace_ms, concurrency, node, error_halts, migration, selection, opened_at)
             SELECT 0, 0, 1, id, false, 'phase_2', '{}', now() - interval '10 seconds' FROM mover.node;
             INSERT INTO mover.org_migration_state
                 (migration, strategy, org_name, org_key, state, step, epoch, attempts, campaign, rows, verified, finished_at)
             VALUES ('phase_2', 'online', 'acme', '1', 'migrated', NULL, 1, 1, 1, 700, '{}', now()),
                    ('phase_2', 'online', 'globex', '2', 'migrated', NULL, 1, 1, 99, 50, '{}', now()),
                    ('phase_2', 'online', 'initech', '3', 'started', 'copy', 1, 1, 1, NULL, NULL, NULL);
             INSERT INTO mover.org_migration_event (move_id, epoch, from_state, from_step, to_state, to_step, at)
             SELECT id, 1, 'started', 'capture', 'started', 'copy', now() - interval '1 minute'
             FROM mover.org_migration_state WHERE org_name = 'initech';
             INSERT INTO mover.org_migration_event (move_id, epoch, from_state, from_step, to_state, to_step)
             SELECT id, 2, 'started', 'copy', 'started', 'copy' FROM mover.org_migration_state WHERE org_name = 'initech'",
        )
        .await
        .unwrap();
    let known = world.log.rows_known(&migration).await.unwrap();
    let campaign = known.campaign.unwrap();
    assert_eq!((known.orgs, known.rows, campaign.rows), (2, 750, 700));
    assert!(campaign.seconds >= 10.0, "{campaign:?}");
    let keys = ["1", "3"].map(|key| OrgKey::new(key).unwrap());
    let copying = world.log.copying_since(&migration, &keys.iter().collect::<Vec<_>>()).await.unwrap();
    let [initech] = copying.as_slice() else { panic!("{copying:?}") };
    assert_eq!((initech.org.as_str(), initech.state), ("initech", State::Started(Step::Copy)));
    assert!(initech.seconds >= 60.0, "a take-over is no new beginning: {initech:?}");
}
