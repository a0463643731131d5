//! Crashes, overtaken nodes, an unreachable Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use mover_actors::domain::campaign::{Phase, Tuning};
use mover_actors::domain::flags::{Fields, FlagKey};
use mover_actors::domain::state::State;
use mover_actors::metering::names;

use crate::counted::counted;
use crate::fixture::{Fixture, TUNING, is};
use crate::memory::{Fate, Outcome, Port};

#[test]
fn a_step_that_crashes_is_counted_and_so_is_its_worker() {
    let told = counted(async {
        let fixture = Fixture::new(3).await;
        let node = fixture.node("a").await;
        let panics = AtomicU32::new(0);
        fixture.world.set_faults(move |_, call, _| {
            let falls = is(call, Port::Engine, "enter") && panics.load(Relaxed) < 3;
            panics.fetch_add(u32::from(falls), Relaxed);
            if falls { Fate::of(Outcome::Panic) } else { Fate::SMOOTH }
        });
        node.migrate_with(Tuning { concurrency: 1, ..TUNING }, Default::default()).await.unwrap();
        fixture.until("it has ended", |fixture| fixture.campaign().phase == Phase::Ended).await;
        assert_eq!(fixture.states(), [State::Failed, State::Migrated, State::Migrated]);
        node.tree.stop().await.unwrap();
    });
    assert_eq!(told.of(names::STEP_FAILURES, &[("step", "copy"), ("kind", "crash")]), 3.0);
    assert_eq!(told.of(names::STEP_FAILURES, &[]), 3.0);
    assert_eq!(told.of(names::RESTARTS, &[("supervisor", "root/workers/members")]), 3.0);
    assert_eq!(told.of(names::RESTARTS, &[]), 3.0);
    assert_eq!(told.of(names::MOVES, &[("migration", "phase_2"), ("outcome", "failed")]), 1.0);
    assert_eq!(told.of(names::MOVES, &[("outcome", "migrated")]), 2.0);
    assert_eq!(told.of(names::MOVES, &[]), 3.0);
    // The org of the aborted move was blocked, too.
    assert_eq!(told.of(names::WRITE_BLOCK, &[("strategy", "offline")]), 3.0);
    assert_eq!(told.of(names::STEP_DURATION, &[("step", "copy")]), 2.0);
    assert_eq!(told.of(names::STEP_DURATION, &[("step", "abort")]), 1.0);
    assert_eq!(told.of(names::ROWS_COPIED, &[]), 6.0);
    assert_eq!(told.of(names::WORKERS, &[]), 0.0);
}

#[test]
fn an_org_that_another_node_took_over_is_lost_here_and_moved_there() {
    let told = counted(async {
        let fixture = Fixture::new(2).await;
        let slow = fixture.node("slow").await;
        let _other = fixture.node("other").await;
        let hangs = slow.process.id();
        // It sends no heartbeat while it waits, and counts as dead.
        fixture.world.set_faults(move |process, call, _| match process == hangs && is(call, Port::Log, "heartbeat") {
            true => Fate::of(Outcome::NotDone),
            false => Fate::SMOOTH,
        });
        let tuning = Tuning { sleep_time_ms: 60_000, ..TUNING };
        slow.migrate_with(tuning, Default::default()).await.unwrap();
        fixture.until_all(State::Migrated).await;
        let mut orgs = slow.tree.registry().tree().unwrap();
        while orgs.children.iter().any(|child| child.id == "orgs" && !child.children.is_empty()) {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            orgs = slow.tree.registry().tree().unwrap();
        }
    });
    assert_eq!(told.of(names::MOVES, &[("outcome", "lost")]), 2.0);
    assert_eq!(told.of(names::MOVES, &[("outcome", "migrated")]), 2.0);
    // Neither of them saw the whole of it.
    assert_eq!(told.of(names::WRITE_BLOCK, &[]), 0.0);
}

#[test]
fn flags_that_are_not_written_are_counted() {
    let is_away = Arc::new(AtomicBool::new(true));
    let told = counted(async {
        let fixture = Fixture::new(1).await;
        let node = fixture.node("a").await;
        let away = is_away.clone();
        fixture.world.set_faults(move |_, call, _| match away.load(Relaxed) && is(call, Port::Flags, "write") {
            true => Fate::of(Outcome::NotDone),
            false => Fate::SMOOTH,
        });
        let order = |value: &str| Fields::from([("cell".to_owned(), Some(value.to_owned()))]);
        node.set_flags(FlagKey::default_hash(), order("new")).await.unwrap_err();
        is_away.store(false, Relaxed);
        node.set_flags(FlagKey::default_hash(), order("newer")).await.unwrap();
    });
    assert!(told.of(names::FLAG_WRITES, &[("result", "failed")]) > 0.0);
    assert!(told.of(names::FLAG_WRITES, &[("result", "applied")]) > 0.0);
    assert_eq!(told.of(names::FLAGS_UP, &[]), 1.0);
}
