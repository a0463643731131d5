//! The lessons of the original system, by their numbers in the design.

use std::time::Duration;

use mover_actors::domain::campaign::{CampaignPlan, Control, FailurePolicy, Phase, Selection, Tuning};
use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::state::{Aim, State, Step};
use mover_actors::ports::{LogError, MoveLog, Side};
use tokio::time::{Instant, sleep};

use crate::fixture::{Fixture, TUNING, is, once, phase_2, play};
use crate::memory::{Event, Facts, Fate, InjectedBug, Observer, Outcome, Port};

const ONE_AT_A_TIME: Tuning = Tuning { concurrency: 1, ..TUNING };

/// A call that takes this long.
fn slow(seconds: u64) -> Fate {
    Fate { before: Duration::from_secs(seconds), ..Fate::SMOOTH }
}

#[test]
fn lesson_01_a_failed_org_does_not_stay_in_503() {
    play(async {
        let fixture = Fixture::new(1).await;
        fixture.put_foreign_row(1);
        let node = fixture.node("a").await;
        node.migrate().await.unwrap();
        fixture.until("it was shut", |fixture| fixture.routed_to(1).is_none()).await;
        fixture.until_all(State::Failed).await;
        assert_eq!(fixture.routed_to(1), Some(Side::Source), "{:?}", fixture.flags(1));
        assert!(!fixture.flags(1).contains_key("503_mode"));
    });
}

#[test]
fn lesson_02_an_org_of_a_killed_process_is_moved_on_by_the_next() {
    play(async {
        let fixture = Fixture::new(3).await;
        fixture.world.set_faults(|_, call, _| if is(call, Port::Engine, "rows") { slow(1) } else { Fate::SMOOTH });
        let first = fixture.node("a").await;
        first.migrate_with(ONE_AT_A_TIME, FailurePolicy::default()).await.unwrap();
        fixture.until("one is being copied", |fixture| fixture.states().contains(&State::Started(Step::Copy))).await;
        fixture.kill(first);
        assert_eq!(fixture.routed_to(1), None, "the dead process had it shut");

        let second = fixture.node("b").await;
        fixture.until("the orphan has migrated", |fixture| fixture.record(1).state == State::Migrated).await;
        assert_eq!((fixture.routed_to(1), fixture.in_flight()), (Some(Side::Target), 0));
        second.migrate().await.unwrap();
        fixture.until_all(State::Migrated).await;
    });
}

#[test]
fn lesson_02_an_org_whose_worker_dies_is_moved_on_by_another() {
    play(async {
        let fixture = Fixture::new(2).await;
        let node = fixture.node("a").await;
        fixture.world.set_faults(once(Port::Engine, "commit", Fate::of(Outcome::Panic)));
        node.migrate_with(ONE_AT_A_TIME, FailurePolicy::default()).await.unwrap();
        fixture.until_all(State::Migrated).await;
        assert_eq!(node.restarts("root/workers/members/worker_1"), 1);
    });
}

#[test]
fn lesson_03_failures_of_one_campaign_do_not_count_in_the_next() {
    play(async {
        let fixture = Fixture::new(4).await;
        fixture.put_foreign_row(1);
        let node = fixture.node("a").await;
        let halt_at_once = FailurePolicy { error_halts: true, failures_max: None };
        node.migrate_with(ONE_AT_A_TIME, halt_at_once).await.unwrap();
        fixture.until("it has halted", |fixture| fixture.campaign().phase == Phase::Ended).await;
        let halted = fixture.campaign();
        assert_eq!(halted.failed, 1);
        assert!(halted.reason.unwrap().contains("error_halts"));

        fixture.remove_foreign_row(1);
        fixture.log.retry(&phase_2(), &Selection::All).await.unwrap();
        let next = node.migrate_with(ONE_AT_A_TIME, halt_at_once).await.unwrap();
        assert_eq!((next.claimed, next.failed, next.reason), (0, 0, None));
        fixture.until_all(State::Migrated).await;
        fixture.until("it has ended", |fixture| fixture.campaign().phase == Phase::Ended).await;
        assert_eq!((fixture.campaign().failed, fixture.campaign().reason), (0, None));
    });
}

#[test]
fn lesson_04_a_second_migrate_is_refused_and_the_first_goes_on() {
    play(async {
        let fixture = Fixture::new(3).await;
        let (node, other) = (fixture.node("a").await, fixture.node("b").await);
        let first = node.migrate_with(ONE_AT_A_TIME, FailurePolicy::default()).await.unwrap();
        fixture.until("one is in flight", |fixture| fixture.in_flight() == 1).await;
        for asked in [&node, &other] {
            let refused = asked.migrate().await.unwrap_err();
            assert!(matches!(refused, LogError::Busy { campaign, .. } if campaign == first.id), "{refused}");
        }
        fixture.until_all(State::Migrated).await;
        assert_eq!((fixture.campaign().id, fixture.campaign().migrated), (first.id, 3));
    });
}

#[test]
fn lesson_05_concurrency_can_be_lowered_and_raised_while_orgs_are_in_flight() {
    play(async {
        let fixture = Fixture::new(20).await;
        fixture.world.set_faults(|_, call, _| if is(call, Port::Engine, "rows") { slow(1) } else { Fate::SMOOTH });
        let node = fixture.node("a").await;
        node.migrate_with(Tuning { concurrency: 4, ..TUNING }, FailurePolicy::default()).await.unwrap();
        fixture.until("four are in flight", |fixture| fixture.in_flight() == 4).await;

        fixture.control(Control::Concurrency(1)).await;
        fixture.until("one is in flight", |fixture| fixture.in_flight() == 1).await;
        sleep(Duration::from_secs(3)).await;
        assert!(fixture.in_flight() <= 1);

        fixture.control(Control::Concurrency(6)).await;
        fixture.until("six are in flight", |fixture| fixture.in_flight() == 6).await;
        fixture.until_all(State::Migrated).await;
        for actor in ["manager", "workers", "workers/pool", "workers/members", "orgs"] {
            assert_eq!(node.restarts(&format!("root/{actor}")), 0, "{actor} fell");
        }
    });
}

/// The pool may be larger when a campaign begins; its first claims must not fill it.
#[test]
fn lesson_05_a_campaign_begins_with_no_more_orgs_than_it_was_told() {
    play(async {
        let fixture = Fixture::new(6).await;
        fixture.world.set_faults(|_, call, _| if is(call, Port::Engine, "rows") { slow(1) } else { Fate::SMOOTH });
        let node = fixture.node("a").await;
        node.migrate_with(ONE_AT_A_TIME, FailurePolicy::default()).await.unwrap();
        let most = std::cell::Cell::new(0);
        fixture
            .until("all have migrated", |fixture| {
                most.set(most.get().max(fixture.in_flight()));
                fixture.states().iter().all(|state| *state == State::Migrated)
            })
            .await;
        assert_eq!(most.get(), 1);
    });
}

#[test]
fn lesson_06_asking_for_status_waits_for_nobody_and_disturbs_nobody() {
    async fn campaign_of_an_hour(asked_every: Option<Duration>) -> Duration {
        let fixture = Fixture::new(3).await;
        fixture.world.set_faults(|_, call, _| if is(call, Port::Engine, "tally") { slow(1200) } else { Fate::SMOOTH });
        let node = fixture.node("a").await;
        let begun = Instant::now();
        node.migrate_with(ONE_AT_A_TIME, FailurePolicy::default()).await.unwrap();
        while !fixture.states().iter().all(|state| *state == State::Migrated) {
            if let Some(pause) = asked_every {
                let asked_at = Instant::now();
                let tree = node.tree.registry().tree().unwrap();
                assert!(tree.to_string().contains("manager") && asked_at.elapsed().is_zero());
                sleep(pause).await;
            } else {
                sleep(Duration::from_secs(1)).await;
            }
        }
        begun.elapsed()
    }
    play(async {
        let undisturbed = campaign_of_an_hour(None).await;
        let watched = campaign_of_an_hour(Some(Duration::from_secs(1))).await;
        assert_eq!(watched, undisturbed);
    });
}

#[test]
fn lesson_08_an_error_is_an_error_in_every_migration() {
    let migrations = ["phase_2", "org_user_association", "org_user_invites", "global_groups"];
    play(async move {
        let fixture = Fixture::with_migrations(1, &migrations).await;
        let node = fixture.node("a").await;
        fixture.world.set_faults(|_, call, _| {
            if is(call, Port::Engine, "rows") { Fate::of(Outcome::Refused) } else { Fate::SMOOTH }
        });
        for name in migrations {
            let migration = MigrationName::new(name).unwrap();
            let failure_policy = FailurePolicy::default();
            let plan = CampaignPlan {
                aim: Aim::Migrate,
                migration,
                selection: Selection::All,
                tuning: TUNING,
                failure_policy,
            };
            node.start(plan).await.unwrap();
            fixture.until("it has ended", |fixture| fixture.campaign().phase == Phase::Ended).await;
            assert_eq!((fixture.campaign().migrated, fixture.campaign().failed), (0, 1), "{name}");
        }
        for number in 1..=migrations.len() {
            let record = fixture.record(number);
            assert_eq!(record.state, State::Failed);
            assert!(record.failure.unwrap().reason.contains("permission denied"));
        }
    });
}

#[test]
fn lesson_09_an_operators_own_503_is_there_after_a_move_and_after_a_failure() {
    play(async {
        let fixture = Fixture::new(2).await;
        fixture.put_foreign_row(2);
        let node = fixture.node("a").await;
        fixture.set_in_redis(1, "503_mode", "true");
        fixture.set_in_redis(2, "503_mode", "true");
        node.migrate().await.unwrap();
        fixture.until("both have ended", |fixture| fixture.states() == [State::Migrated, State::Failed]).await;
        assert_eq!(fixture.flags(1)["503_mode"], "true");
        assert_eq!(fixture.flags(2)["503_mode"], "true");
        assert_eq!(fixture.flags(1)["couchdb_phase_2"], "false");
    });
}

/// Complains when an org's flags route to the target while its row says that it failed, or was not begun.
struct FlagsFollowTheRow;

impl Observer for FlagsFollowTheRow {
    fn name(&self) -> &'static str {
        "flags follow the row"
    }

    fn saw(&mut self, facts: &Facts, _: &Event, _: Instant) -> Result<(), String> {
        for record in facts.log.moves() {
            let key = mover_actors::domain::flags::FlagKey::org(&record.org);
            let field = facts.redis.hashes.get(&key).and_then(|hash| hash.get("couchdb_phase_2"));
            let to_target = field.is_some_and(|value| value == "false");
            let past_the_switch =
                matches!(record.state, State::Started(Step::Switch | Step::Unblock) | State::Migrated);
            if to_target && !past_the_switch {
                return Err(format!("{} is routed to the target and {}", record.org, record.state));
            }
        }
        Ok(())
    }
}

#[test]
fn lesson_10_flags_never_lead_to_the_target_while_the_row_says_failed() {
    let calls = [(Port::Engine, "drain"), (Port::Engine, "commit"), (Port::Engine, "tally"), (Port::Engine, "settle")];
    for (port, method) in calls {
        play(async move {
            let fixture = Fixture::new(1).await;
            fixture.world.watch(FlagsFollowTheRow);
            let node = fixture.node("a").await;
            fixture.world.set_faults(once(port, method, Fate::of(Outcome::Refused)));
            node.migrate().await.unwrap();
            fixture.until("it has ended", |fixture| fixture.campaign().phase == Phase::Ended).await;
            let ended = fixture.record(1).state;
            let expected = if method == "settle" { State::Migrated } else { State::Failed };
            assert_eq!(ended, expected, "{method}");
            assert_eq!(fixture.world.violations(), []);
            let home = if ended == State::Migrated { Side::Target } else { Side::Source };
            assert_eq!(fixture.routed_to(1), Some(home), "{method}");
        });
    }
}

#[test]
fn lesson_14_the_reason_of_a_failure_is_stored_with_the_org() {
    play(async {
        let fixture = Fixture::new(2).await;
        fixture.put_foreign_row(1);
        let node = fixture.node("a").await;
        node.migrate().await.unwrap();
        fixture.until("both have ended", |fixture| fixture.states() == [State::Failed, State::Migrated]).await;
        let failure = fixture.record(1).failure.unwrap();
        assert_eq!(failure.step, Step::Copy);
        assert!(failure.reason.contains("foreign rows in table groups"), "{}", failure.reason);
        assert_eq!(fixture.record(2).failure, None);
    });
}

#[test]
fn lesson_14_a_difference_is_stored_with_its_table_and_row() {
    play(async {
        let fixture = Fixture::new(1).await;
        fixture.world.injected_bug(InjectedBug::ChangeARow);
        let node = fixture.node("a").await;
        node.migrate().await.unwrap();
        fixture.until_all(State::Failed).await;
        let failure = fixture.record(1).failure.unwrap();
        assert_eq!(failure.step, Step::Verify);
        assert_eq!(failure.place.table.as_deref(), Some("containers"));
        assert_eq!(failure.place.row.as_deref(), Some("1"));
        assert_eq!((fixture.routed_to(1), fixture.rows(1, Side::Target)), (Some(Side::Source), 0));
    });
}

#[test]
fn lesson_15_the_manager_is_supervised_and_its_campaign_outlives_it() {
    play(async {
        let fixture = Fixture::new(6).await;
        let node = fixture.node("a").await;
        node.migrate().await.unwrap();
        fixture.until("one has migrated", |fixture| fixture.states().contains(&State::Migrated)).await;
        fixture.world.set_faults(once(Port::Log, "live_campaign", Fate::of(Outcome::Panic)));
        fixture.until_all(State::Migrated).await;
        fixture.until("it has ended", |fixture| fixture.campaign().phase == Phase::Ended).await;
        assert_eq!(node.restarts("root/manager"), 1);
        assert_eq!((fixture.campaign().claimed, fixture.campaign().migrated), (6, 6));
    });
}
