//! Faults that the simulation found, each with the shortest schedule that shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use mover_actors::domain::campaign::{CampaignPlan, Control, Phase, Selection, Tuning};
use mover_actors::domain::flags::{Fields, FlagKey};
use mover_actors::domain::state::{Aim, State, Step};
use mover_actors::ports::{MoveLog, Side};
use mover_actors::tree::darklaunch::{Apply, FlagOrder, FlagWriter, RepairFlags};
use mover_actors::tree::manager::Migrate;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::fixture::{Fixture, LEASE, TUNING, is, once, phase_2, play};
use crate::memory::{Facts, Fate, Outcome, Port};

fn fields(name: &str) -> Fields {
    Fields::from([(name.to_owned(), Some("true".to_owned()))])
}

#[test]
fn an_order_for_all_orgs_does_not_open_a_redis_that_forgot_where_they_are() {
    play(async {
        let fixture = Fixture::new(1).await;
        let node = fixture.node("a").await;
        node.migrate().await.unwrap();
        fixture.until_all(State::Migrated).await;
        assert_eq!(fixture.routed_to(1), Some(Side::Target));

        fixture.world.act(|scene| scene.lose_flags());
        let order = node.set_flags(FlagKey::default_hash(), fields("new_search")).await;
        assert!(order.unwrap_err().to_string().contains("lost its memory"));
        assert_ne!(fixture.routed_to(1), Some(Side::Source), "it is live in the target");
        fixture.until("all flags are there", |fixture| fixture.routed_to(1) == Some(Side::Target)).await;
        let all = |fixture: &Fixture| {
            fixture.world.look(|facts| facts.redis.hashes[&FlagKey::default_hash()].contains_key("new_search"))
        };
        fixture.until("the order was carried out after all", all).await;
    });
}

#[test]
fn a_redis_that_forgets_again_while_it_is_filled_is_filled_again() {
    play(async {
        let fixture = Fixture::new(2).await;
        let node = fixture.node("a").await;
        node.migrate().await.unwrap();
        fixture.until_all(State::Migrated).await;
        fixture.world.act(|scene| scene.lose_flags());
        // The last page, with `dl_default`, is on its way when Redis loses what was written before.
        let slow = Fate { before: Duration::from_millis(300), ..Fate::SMOOTH };
        fixture.world.set_faults(once(Port::Flags, "mark_whole", slow));
        fixture.until("the orgs' flags are there", |fixture| !fixture.flags(1).is_empty()).await;
        fixture.world.act(|scene| scene.lose_flags());
        fixture.until("all flags are there", |fixture| fixture.routed_to(2) == Some(Side::Target)).await;
        assert_eq!(fixture.routed_to(1), Some(Side::Target));
    });
}

/// All flags are compared periodically anyway; a loss must not last that long.
#[test]
fn a_loss_is_mended_within_seconds() {
    play(async {
        let fixture = Fixture::new(1).await;
        let node = fixture.node("a").await;
        node.migrate().await.unwrap();
        fixture.until_all(State::Migrated).await;
        for _ in 0..3 {
            fixture.world.act(|scene| scene.lose_flags());
            sleep(Duration::from_secs(3)).await;
            assert_eq!(fixture.routed_to(1), Some(Side::Target));
        }
    });
}

#[test]
fn a_redis_that_comes_back_with_an_older_state_is_brought_up_to_date() {
    play(async {
        let fixture = Fixture::new(2).await;
        let node = fixture.node("a").await;
        let saved = fixture.world.look(|facts| facts.redis.hashes.clone());
        node.migrate().await.unwrap();
        fixture.until_all(State::Migrated).await;
        fixture.world.act(|scene| {
            scene.lose_flags();
            scene.facts.redis.hashes = saved;
        });
        fixture.until("all flags are as decided", |fixture| fixture.routed_to(1) == Some(Side::Target)).await;
        fixture.until("all flags are as decided", |fixture| fixture.routed_to(2) == Some(Side::Target)).await;
        assert!(fixture.world.look(|facts| facts.redis.whole));
    });
}

/// Between the proof and the switch an org's hash is evicted, applications write to it, and Mover writes the hash again.
#[test]
fn an_org_whose_503_was_lost_before_its_switch_is_blocked_and_copied_again() {
    play(async {
        let fixture = Fixture::new(1).await;
        let node = fixture.node("a").await;
        let slow = Fate { before: Duration::from_secs(20), ..Fate::SMOOTH };
        let compared = Arc::new(AtomicBool::new(false));
        let is_compared = compared.clone();
        // The proof is stored after a while.
        fixture.world.set_faults(move |_, call, _| match call {
            call if is(call, Port::Engine, "tally") => {
                is_compared.store(true, Ordering::Relaxed);
                Fate::SMOOTH
            }
            call if is(call, Port::Log, "advance") && is_compared.load(Ordering::Relaxed) => slow,
            _ => Fate::SMOOTH,
        });
        node.migrate().await.unwrap();
        fixture.until("it is compared", |_| compared.load(Ordering::Relaxed)).await;
        sleep(Duration::from_secs(1)).await;
        let key = FlagKey::org(&fixture.record(1).org);
        fixture.world.act(|scene| scene.write_hash(&key, |hash| hash.clear()));
        fixture.put_row_in_source(1);
        fixture.until("it is shut again", |fixture| fixture.flags(1).contains_key("503_mode")).await;
        assert_eq!(fixture.states(), [State::Started(Step::Verify)]);
        fixture.world.set_faults(|_, _, _| Fate::SMOOTH);
        fixture.until_all(State::Migrated).await;
        assert_eq!((fixture.rows(1, Side::Source), fixture.rows(1, Side::Target)), (4, 4));
        assert_eq!(fixture.routed_to(1), Some(Side::Target));
    });
}

/// A sweep writes what was lost or changed, but neither a 503 that someone set nor a hash that holds for all.
#[test]
fn a_sweep_mends_what_routes_and_leaves_people_their_503() {
    play(async {
        let fixture = Fixture::new(3).await;
        let node = fixture.node("a").await;
        node.migrate().await.unwrap();
        fixture.until_all(State::Migrated).await;
        sleep(Duration::from_secs(1_000)).await;
        let key = FlagKey::org(&fixture.record(1).org);
        let before = fixture.world.look(|facts| facts.log.image(&key)).unwrap().epoch;
        fixture.world.act(|scene| scene.write_hash(&key, |hash| hash.clear()));
        fixture.set_in_redis(2, "couchdb_phase_2", "true");
        fixture.set_in_redis(3, "503_mode", "true");
        fixture.world.act(|scene| {
            scene.write_hash(&FlagKey::default_hash(), |hash| {
                drop(hash.insert("couchdb_phase_2".into(), "maybe".into()))
            });
        });
        sleep(Duration::from_secs(60)).await;
        for number in [1, 2] {
            assert_eq!(fixture.routed_to(number), Some(Side::Target), "org {number}");
        }
        assert_eq!(fixture.flags(3)["503_mode"], "true");
        let default = fixture.world.look(|facts| facts.redis.hashes[&FlagKey::default_hash()].clone());
        assert_eq!(default["couchdb_phase_2"], "maybe", "it holds for all orgs");
        // No epoch was drawn, which could hide that the move log is an old one.
        assert_eq!(fixture.world.look(|facts| facts.log.image(&key)).unwrap().epoch, before);
    });
}

#[test]
fn a_redis_that_followed_another_move_log_is_left_alone_until_a_repair() {
    play(async {
        let fixture = Fixture::new(1).await;
        let node = fixture.node("a").await;
        fixture.set_in_redis(1, "mover_epoch", "999");
        fixture.set_in_redis(1, "cell", "elsewhere");
        let before = fixture.flags(1);
        node.migrate().await.unwrap();
        fixture.until("it waits", |_| node.note("root/orgs/1").contains("older than Redis")).await;
        assert_eq!(fixture.flags(1), before);

        let repaired = node.tree.darklaunch().send(RepairFlags).await.unwrap().unwrap();
        assert_eq!(repaired, 1);
        fixture.until_all(State::Failed).await;
        assert_eq!((fixture.routed_to(1), fixture.flags(1)["cell"].as_str()), (Some(Side::Source), "elsewhere"));
        assert!(fixture.record(1).failure.unwrap().reason.contains("999"));
        fixture.log.retry(&phase_2(), &Selection::All).await.unwrap();
        fixture.until("it has ended", |fixture| fixture.campaign().phase == Phase::Ended).await;
        node.migrate().await.unwrap();
        fixture.until_all(State::Migrated).await;
    });
}

#[test]
fn flags_that_are_decided_early_reach_redis_only_when_their_event_has_come() {
    play(async {
        let fixture = Fixture::new(1).await;
        let node = fixture.node("a").await;
        node.tree.darklaunch().running().await;
        let flagger = FlagWriter::new(node.tree.darklaunch().clone());
        let (come, event) = oneshot::channel();
        let order = FlagOrder::of_operator(FlagKey::no_org(), fields("disable_new_orgs"));
        let applying = tokio::task::spawn_local(async move { flagger.apply_all_after(event, vec![order]).await });
        let decided = |fixture: &Fixture| fixture.world.look(|facts| facts.log.image(&FlagKey::no_org()).is_some());
        let written =
            |fixture: &Fixture| fixture.world.look(|facts| facts.redis.hashes.contains_key(&FlagKey::no_org()));
        fixture.until("it is decided", decided).await;
        assert!(!written(&fixture));
        // Others do not wait for the event.
        node.set_flags(FlagKey::default_hash(), fields("new_search")).await.unwrap();
        assert!(!written(&fixture));
        come.send(()).unwrap();
        assert!(applying.await.unwrap().unwrap().iter().all(Result::is_ok));
        assert!(written(&fixture));
    });
}

#[test]
fn a_rehearsal_decides_nothing_also_while_redis_is_caught_up() {
    play(async {
        let fixture = Fixture::new(1).await;
        let node = fixture.node("a").await;
        let flagger = FlagWriter::new(node.tree.darklaunch().clone());
        // An order fails, and catching up takes so long that the rehearsal has to wait for it.
        let failed = AtomicBool::new(false);
        fixture.world.set_faults(move |_, call, _| match call {
            call if is(call, Port::Flags, "write") && !failed.swap(true, Ordering::Relaxed) => {
                Fate::of(Outcome::NotDone)
            }
            call if is(call, Port::Flags, "read") => Fate { before: Duration::from_secs(1), ..Fate::SMOOTH },
            _ => Fate::SMOOTH,
        });
        node.set_flags(FlagKey::default_hash(), fields("new_search")).await.unwrap_err();
        flagger.rehearse(vec![FlagOrder::of_operator(FlagKey::no_org(), fields("switched"))]).await.unwrap();
        let image = fixture.world.look(|facts| facts.log.image(&FlagKey::no_org()));
        assert_eq!(image.map(|image| image.fields).unwrap_or_default(), Fields::new());
    });
}

#[test]
fn nothing_is_decided_while_redis_is_away() {
    play(async {
        let fixture = Fixture::new(1).await;
        let node = fixture.node("a").await;
        fixture.world.set_faults(|_, call: crate::memory::Call, _| match call.port {
            Port::Flags => Fate::of(Outcome::NotDone),
            Port::Log | Port::Engine => Fate::SMOOTH,
        });
        node.set_flags(FlagKey::no_org(), fields("disable_new_orgs")).await.unwrap_err();
        assert!(fixture.world.look(|facts| facts.log.image(&FlagKey::no_org()).is_none()));
    });
}

#[test]
fn a_decision_that_did_not_reach_redis_reaches_it_without_another_order() {
    play(async {
        let fixture = Fixture::new(1).await;
        let node = fixture.node("a").await;
        let key = FlagKey::default_hash();
        let seen = move |fixture: &Fixture| {
            fixture.world.look(|facts| facts.redis.hashes[&FlagKey::default_hash()].contains_key("new_search"))
        };
        fixture.world.set_faults(once(Port::Flags, "write", Fate::of(Outcome::NotDone)));
        node.set_flags(key.clone(), fields("new_search")).await.unwrap_err();
        fixture.until("it is there", seen).await;
        for number in 0..3 {
            fixture.world.set_faults(once(Port::Flags, "write", Fate::of(Outcome::NotDone)));
            let field = format!("search_{number}");
            node.set_flags(key.clone(), fields(&field)).await.unwrap_err();
            sleep(Duration::from_secs(3)).await;
            let is_there = |facts: &Facts| facts.redis.hashes[&FlagKey::default_hash()].contains_key(&field);
            assert!(fixture.world.look(is_there), "it waits until all flags are looked at");
        }

        // The same, and the process dies before it can retry: another one repairs it.
        let other = fixture.node("b").await;
        fixture.world.set_faults(|_, _, _| Fate::SMOOTH);
        let slow = Fate { before: Duration::from_secs(1), ..Fate::SMOOTH };
        fixture.world.set_faults(once(Port::Flags, "write", slow));
        let (key, dying) = (FlagKey::no_org(), node);
        let asked = dying.tree.darklaunch().clone();
        let order = FlagOrder::of_operator(key.clone(), fields("disable_new_orgs"));
        tokio::task::spawn_local(async move { asked.send(Apply(order)).await });
        fixture
            .until("it is decided", |fixture| fixture.world.look(|facts| facts.log.image(&FlagKey::no_org()).is_some()))
            .await;
        fixture.kill(dying);
        let there = |fixture: &Fixture| fixture.world.look(|facts| facts.redis.hashes.contains_key(&FlagKey::no_org()));
        fixture.until("it is there", there).await;
        drop(other);
    });
}

#[test]
fn a_machine_whose_org_was_taken_over_ends_and_its_worker_is_free() {
    play(async {
        let fixture = Fixture::new(2).await;
        let first = fixture.node("a").await;
        let frozen = first.process.id();
        let is_frozen = Arc::new(AtomicU32::new(0));
        let thaws = is_frozen.clone();
        fixture.world.set_faults(move |process, call, _| {
            if is(call, Port::Engine, "settle") && process == frozen && thaws.load(Ordering::Relaxed) == 0 {
                thaws.store(1, Ordering::Relaxed);
            }
            let asleep = process == frozen && thaws.load(Ordering::Relaxed) == 1;
            // Long enough for its lease to run out and another node to finish.
            Fate { before: if asleep { LEASE * 4 } else { Duration::ZERO }, ..Fate::SMOOTH }
        });
        let one_at_a_time = Tuning { concurrency: 1, ..TUNING };
        first.migrate_with(one_at_a_time, Default::default()).await.unwrap();
        fixture.until("it is asleep", |_| is_frozen.load(Ordering::Relaxed) == 1).await;
        let _second = fixture.node("b").await;
        fixture.until("the other node has migrated it", |fixture| fixture.record(1).state == State::Migrated).await;
        is_frozen.store(2, Ordering::Relaxed);
        fixture.until("it is awake and does the next one", |fixture| fixture.record(2).state == State::Migrated).await;
        fixture.until("its machines have ended", |_| first.tree.registry().child("root/orgs/1").is_none()).await;
    });
}

#[test]
fn a_campaign_whose_opening_was_never_answered_is_driven() {
    play(async {
        let fixture = Fixture::new(2).await;
        let node = fixture.node("a").await;
        fixture.world.set_faults(once(Port::Log, "open_campaign", Fate::of(Outcome::DoneUnheard)));
        node.migrate().await.unwrap_err();
        fixture.until_all(State::Migrated).await;
        fixture.until("it has ended", |fixture| fixture.campaign().phase == Phase::Ended).await;
    });
}

#[test]
fn a_campaign_that_was_halted_before_its_opening_was_answered_ends() {
    play(async {
        let fixture = Fixture::new(2).await;
        let node = fixture.node("a").await;
        sleep(Duration::from_millis(1_010)).await;
        let unheard = Fate { after: Duration::from_millis(50), ..Fate::of(Outcome::DoneUnheard) };
        fixture.world.set_faults(once(Port::Log, "open_campaign", unheard));
        let manager = node.tree.manager().clone();
        let plan = CampaignPlan {
            aim: Aim::Migrate,
            migration: phase_2(),
            selection: Selection::All,
            tuning: TUNING,
            failure_policy: Default::default(),
        };
        let opening = tokio::task::spawn_local(async move { manager.send(Migrate(plan)).await });
        fixture.until("it is open", |fixture| fixture.world.look(|facts| facts.log.campaigns().count() == 1)).await;
        fixture.control(Control::Halt).await;
        opening.await.unwrap().unwrap().unwrap_err();
        fixture.until("it has ended", |fixture| fixture.campaign().phase == Phase::Ended).await;
        node.migrate().await.unwrap();
        fixture.until_all(State::Migrated).await;
    });
}

#[test]
fn a_node_whose_move_log_is_away_for_a_while_does_not_give_up() {
    play(async {
        let fixture = Fixture::new(4).await;
        let mut node = fixture.node("a").await;
        node.migrate().await.unwrap();
        fixture.until("one has migrated", |fixture| fixture.states().contains(&State::Migrated)).await;
        let mut journal_fell = false;
        let away_until = tokio::time::Instant::now() + Duration::from_secs(30);
        fixture.world.set_faults(move |_, call: crate::memory::Call, now| {
            if is(call, Port::Log, "advance") && !journal_fell {
                // All actors below the journal are restarted, while the move log is unreachable.
                journal_fell = true;
                return Fate::of(Outcome::Panic);
            }
            let away = call.port == Port::Log && now < away_until;
            Fate::of(if away { Outcome::NotDone } else { Outcome::Done })
        });
        fixture.until_all(State::Migrated).await;
        assert!(futures_util::FutureExt::now_or_never(node.tree.ended()).is_none(), "the tree has ended");
    });
}

#[test]
fn idle_workers_are_no_reason_to_ask_the_move_log_again_and_again() {
    play(async {
        let fixture = Fixture::new(1).await;
        let node = fixture.node("a").await;
        let claims = Arc::new(AtomicU32::new(0));
        let counted = claims.clone();
        fixture.world.set_faults(move |_, call, _| {
            counted.fetch_add(u32::from(is(call, Port::Log, "claim")), Ordering::Relaxed);
            // A move log answers in a millisecond; a copy takes a while.
            let ms = if is(call, Port::Engine, "rows") { 10_000 } else { 1 };
            Fate { before: Duration::from_millis(ms), ..Fate::SMOOTH }
        });
        node.migrate_with(Tuning { concurrency: 8, ..TUNING }, Default::default()).await.unwrap();
        fixture.until("it is being copied", |fixture| fixture.states() == [State::Started(Step::Copy)]).await;
        claims.store(0, Ordering::Relaxed);
        sleep(Duration::from_secs(5)).await;
        // One a beat.
        assert!(claims.load(Ordering::Relaxed) <= 30, "{} claims in 5 s", claims.load(Ordering::Relaxed));
    });
}
