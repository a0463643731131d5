//! What the simulation found, each fault with the shortest story that shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use mover_actors::domain::campaign::{CampaignPlan, Phase, Selection, Steer, Tuning};
use mover_actors::domain::flags::{Fields, FlagKey};
use mover_actors::domain::state::{Aim, State, Step};
use mover_actors::ports::{MoveLog, Side};
use mover_actors::tree::darklaunch::{Apply, FlagOrder, Flagger, RepairFlags};
use mover_actors::tree::manager::Migrate;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::memory::{Fate, Outcome, Port};
use crate::stage::{LEASE, Stage, TUNING, is, once, phase_2, play};

fn fields(name: &str) -> Fields {
    Fields::from([(name.to_owned(), Some("true".to_owned()))])
}

#[test]
fn an_order_for_all_orgs_does_not_open_a_redis_that_forgot_where_they_are() {
    play(async {
        let stage = Stage::new(1).await;
        let node = stage.node("a").await;
        node.migrate().await.unwrap();
        stage.until_all(State::Migrated).await;
        assert_eq!(stage.door(1), Some(Side::Target));

        stage.world.act(|scene| scene.lose_flags());
        let order = node.set_flags(FlagKey::default_hash(), fields("new_search")).await;
        assert!(order.unwrap_err().to_string().contains("lost its memory"));
        assert_ne!(stage.door(1), Some(Side::Source), "it is live in the target");
        stage.until("all flags are there", |stage| stage.door(1) == Some(Side::Target)).await;
        let all = |stage: &Stage| {
            stage.world.look(|facts| facts.redis.hashes[&FlagKey::default_hash()].contains_key("new_search"))
        };
        stage.until("the order was carried out after all", all).await;
    });
}

#[test]
fn a_redis_that_forgets_again_while_it_is_filled_is_filled_again() {
    play(async {
        let stage = Stage::new(2).await;
        let node = stage.node("a").await;
        node.migrate().await.unwrap();
        stage.until_all(State::Migrated).await;
        stage.world.act(|scene| scene.lose_flags());
        // The last page, with `dl_default`, is on its way when Redis forgets what came before.
        let slow = Fate { before: Duration::from_millis(300), ..Fate::SMOOTH };
        stage.world.set_weather(once(Port::Flags, "mark_whole", slow));
        stage.until("the orgs' flags are there", |stage| !stage.flags(1).is_empty()).await;
        stage.world.act(|scene| scene.lose_flags());
        stage.until("all flags are there", |stage| stage.door(2) == Some(Side::Target)).await;
        assert_eq!(stage.door(1), Some(Side::Target));
    });
}

#[test]
fn a_redis_that_comes_back_with_an_older_state_is_brought_up_to_date() {
    play(async {
        let stage = Stage::new(2).await;
        let node = stage.node("a").await;
        let saved = stage.world.look(|facts| facts.redis.hashes.clone());
        node.migrate().await.unwrap();
        stage.until_all(State::Migrated).await;
        stage.world.act(|scene| {
            scene.lose_flags();
            scene.facts.redis.hashes = saved;
        });
        stage.until("all flags are as decided", |stage| stage.door(1) == Some(Side::Target)).await;
        stage.until("all flags are as decided", |stage| stage.door(2) == Some(Side::Target)).await;
        assert!(stage.world.look(|facts| facts.redis.whole));
    });
}

#[test]
fn a_redis_that_followed_another_move_log_is_left_alone_until_a_repair() {
    play(async {
        let stage = Stage::new(1).await;
        let node = stage.node("a").await;
        stage.set_in_redis(1, "mover_epoch", "999");
        stage.set_in_redis(1, "cell", "elsewhere");
        let before = stage.flags(1);
        node.migrate().await.unwrap();
        stage.until("it waits", |_| node.note("root/orgs/1").contains("older than Redis")).await;
        assert_eq!(stage.flags(1), before);

        let repaired = node.tree.darklaunch().send(RepairFlags).await.unwrap().unwrap();
        assert_eq!(repaired, 1);
        stage.until_all(State::Failed).await;
        assert_eq!((stage.door(1), stage.flags(1)["cell"].as_str()), (Some(Side::Source), "elsewhere"));
        assert!(stage.record(1).failure.unwrap().reason.contains("999"));
        stage.log.retry(&phase_2(), &Selection::All).await.unwrap();
        stage.until("it has ended", |stage| stage.campaign().phase == Phase::Ended).await;
        node.migrate().await.unwrap();
        stage.until_all(State::Migrated).await;
    });
}

#[test]
fn flags_that_are_decided_early_reach_redis_only_when_their_event_has_come() {
    play(async {
        let stage = Stage::new(1).await;
        let node = stage.node("a").await;
        node.tree.darklaunch().running().await;
        let flagger = Flagger::new(node.tree.darklaunch().clone());
        let (come, event) = oneshot::channel();
        let order = FlagOrder::of_operator(FlagKey::no_org(), fields("disable_new_orgs"));
        let applying = tokio::task::spawn_local(async move { flagger.apply_all_after(event, vec![order]).await });
        let decided = |stage: &Stage| stage.world.look(|facts| facts.log.image(&FlagKey::no_org()).is_some());
        let written = |stage: &Stage| stage.world.look(|facts| facts.redis.hashes.contains_key(&FlagKey::no_org()));
        stage.until("it is decided", decided).await;
        assert!(!written(&stage));
        // Others do not wait for the event.
        node.set_flags(FlagKey::default_hash(), fields("new_search")).await.unwrap();
        assert!(!written(&stage));
        come.send(()).unwrap();
        assert!(applying.await.unwrap().unwrap().iter().all(Result::is_ok));
        assert!(written(&stage));
    });
}

#[test]
fn a_rehearsal_decides_nothing_also_while_redis_is_caught_up() {
    play(async {
        let stage = Stage::new(1).await;
        let node = stage.node("a").await;
        let flagger = Flagger::new(node.tree.darklaunch().clone());
        // An order fails, and catching up takes so long that the rehearsal has to wait for it.
        let failed = AtomicBool::new(false);
        stage.world.set_weather(move |_, call, _| match call {
            call if is(call, Port::Flags, "write") && !failed.swap(true, Ordering::Relaxed) => {
                Fate::of(Outcome::NotDone)
            }
            call if is(call, Port::Flags, "read") => Fate { before: Duration::from_secs(1), ..Fate::SMOOTH },
            _ => Fate::SMOOTH,
        });
        node.set_flags(FlagKey::default_hash(), fields("new_search")).await.unwrap_err();
        flagger.rehearse(vec![FlagOrder::of_operator(FlagKey::no_org(), fields("switched"))]).await.unwrap();
        let image = stage.world.look(|facts| facts.log.image(&FlagKey::no_org()));
        assert_eq!(image.map(|image| image.fields).unwrap_or_default(), Fields::new());
    });
}

#[test]
fn a_decision_that_did_not_reach_redis_reaches_it_without_another_order() {
    play(async {
        let stage = Stage::new(1).await;
        let node = stage.node("a").await;
        let key = FlagKey::default_hash();
        let seen = move |stage: &Stage| {
            stage.world.look(|facts| facts.redis.hashes[&FlagKey::default_hash()].contains_key("new_search"))
        };
        stage.world.set_weather(once(Port::Flags, "write", Fate::of(Outcome::NotDone)));
        node.set_flags(key.clone(), fields("new_search")).await.unwrap_err();
        stage.until("it is there", seen).await;

        // The same, and the process dies before it can try again: another one sees to it.
        let other = stage.node("b").await;
        stage.world.set_weather(|_, _, _| Fate::SMOOTH);
        let slow = Fate { before: Duration::from_secs(1), ..Fate::SMOOTH };
        stage.world.set_weather(once(Port::Flags, "write", slow));
        let (key, dying) = (FlagKey::no_org(), node);
        let asked = dying.tree.darklaunch().clone();
        let order = FlagOrder::of_operator(key.clone(), fields("disable_new_orgs"));
        tokio::task::spawn_local(async move { asked.send(Apply(order)).await });
        stage
            .until("it is decided", |stage| stage.world.look(|facts| facts.log.image(&FlagKey::no_org()).is_some()))
            .await;
        stage.kill(dying);
        let there = |stage: &Stage| stage.world.look(|facts| facts.redis.hashes.contains_key(&FlagKey::no_org()));
        stage.until("it is there", there).await;
        drop(other);
    });
}

#[test]
fn a_machine_whose_org_was_taken_over_ends_and_its_worker_is_free() {
    play(async {
        let stage = Stage::new(2).await;
        let first = stage.node("a").await;
        let frozen = first.process.id();
        let is_frozen = Arc::new(AtomicU32::new(0));
        let thaws = is_frozen.clone();
        stage.world.set_weather(move |process, call, _| {
            if is(call, Port::Engine, "settle") && process == frozen && thaws.load(Ordering::Relaxed) == 0 {
                thaws.store(1, Ordering::Relaxed);
            }
            let asleep = process == frozen && thaws.load(Ordering::Relaxed) == 1;
            // Long enough for its lease to run out and another node to finish.
            Fate { before: if asleep { LEASE * 4 } else { Duration::ZERO }, ..Fate::SMOOTH }
        });
        let one_at_a_time = Tuning { concurrency: 1, ..TUNING };
        first.migrate_with(one_at_a_time, Default::default()).await.unwrap();
        stage.until("it is asleep", |_| is_frozen.load(Ordering::Relaxed) == 1).await;
        let _second = stage.node("b").await;
        stage.until("the other node has migrated it", |stage| stage.record(1).state == State::Migrated).await;
        is_frozen.store(2, Ordering::Relaxed);
        stage.until("it is awake and does the next one", |stage| stage.record(2).state == State::Migrated).await;
        stage.until("its machines have ended", |_| first.tree.board().child("root/orgs/1").is_none()).await;
    });
}

#[test]
fn a_campaign_whose_opening_was_never_answered_is_driven() {
    play(async {
        let stage = Stage::new(2).await;
        let node = stage.node("a").await;
        stage.world.set_weather(once(Port::Log, "open_campaign", Fate::of(Outcome::DoneUnheard)));
        node.migrate().await.unwrap_err();
        stage.until_all(State::Migrated).await;
        stage.until("it has ended", |stage| stage.campaign().phase == Phase::Ended).await;
    });
}

#[test]
fn a_campaign_that_was_halted_before_its_opening_was_answered_ends() {
    play(async {
        let stage = Stage::new(2).await;
        let node = stage.node("a").await;
        sleep(Duration::from_millis(1_010)).await;
        let unheard = Fate { after: Duration::from_millis(50), ..Fate::of(Outcome::DoneUnheard) };
        stage.world.set_weather(once(Port::Log, "open_campaign", unheard));
        let manager = node.tree.manager().clone();
        let plan = CampaignPlan {
            aim: Aim::Migrate,
            migration: phase_2(),
            selection: Selection::All,
            tuning: TUNING,
            failure_policy: Default::default(),
        };
        let opening = tokio::task::spawn_local(async move { manager.send(Migrate(plan)).await });
        stage.until("it is open", |stage| stage.world.look(|facts| facts.log.campaigns().count() == 1)).await;
        stage.steer(Steer::Halt).await;
        opening.await.unwrap().unwrap().unwrap_err();
        stage.until("it has ended", |stage| stage.campaign().phase == Phase::Ended).await;
        node.migrate().await.unwrap();
        stage.until_all(State::Migrated).await;
    });
}

#[test]
fn a_node_whose_move_log_is_away_for_a_while_does_not_give_up() {
    play(async {
        let stage = Stage::new(4).await;
        let mut node = stage.node("a").await;
        node.migrate().await.unwrap();
        stage.until("one has migrated", |stage| stage.states().contains(&State::Migrated)).await;
        let mut journal_fell = false;
        let away_until = tokio::time::Instant::now() + Duration::from_secs(30);
        stage.world.set_weather(move |_, call: crate::memory::Call, now| {
            if is(call, Port::Log, "advance") && !journal_fell {
                // All who stand below the journal are started again, with no move log to be found.
                journal_fell = true;
                return Fate::of(Outcome::Panic);
            }
            let away = call.port == Port::Log && now < away_until;
            Fate::of(if away { Outcome::NotDone } else { Outcome::Done })
        });
        stage.until_all(State::Migrated).await;
        assert!(futures_util::FutureExt::now_or_never(node.tree.ended()).is_none(), "the tree has ended");
    });
}

#[test]
fn idle_workers_are_no_reason_to_ask_the_move_log_again_and_again() {
    play(async {
        let stage = Stage::new(1).await;
        let node = stage.node("a").await;
        let claims = Arc::new(AtomicU32::new(0));
        let counted = claims.clone();
        stage.world.set_weather(move |_, call, _| {
            counted.fetch_add(u32::from(is(call, Port::Log, "claim")), Ordering::Relaxed);
            // A move log answers in a millisecond; a copy takes a while.
            let ms = if is(call, Port::Engine, "rows") { 10_000 } else { 1 };
            Fate { before: Duration::from_millis(ms), ..Fate::SMOOTH }
        });
        node.migrate_with(Tuning { concurrency: 8, ..TUNING }, Default::default()).await.unwrap();
        stage.until("it is being copied", |stage| stage.states() == [State::Started(Step::Copy)]).await;
        claims.store(0, Ordering::Relaxed);
        sleep(Duration::from_secs(5)).await;
        // One a beat.
        assert!(claims.load(Ordering::Relaxed) <= 30, "{} claims in 5 s", claims.load(Ordering::Relaxed));
    });
}
