//! Playing many schedules, or one again.

use std::env;
use std::panic;
use std::sync::Once;

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use super::plan::Plan;
use super::run::SimulationRun;
use super::shape::Shape;
use super::verdict::{Events, Verdict};
use crate::memory::InjectedBug;

/// How many schedules are played over all parts.
const SCHEDULES: u64 = 3_200;

/// The parts into which they are divided, so that they run side by side.
const PARTS: u64 = 4;

/// How many broken schedules are told of.
const BROKEN_TOLD: usize = 15;

/// Plays one part of all schedules.
pub fn play_part(part: u64) {
    let schedules = number("MOVER_SIM_SCHEDULES").unwrap_or(SCHEDULES);
    let first = number("MOVER_SIM_FIRST").unwrap_or(1);
    let (mut events, mut broken) = (Events::default(), Vec::new());
    for seed in (first..first + schedules).filter(|seed| seed % PARTS == part) {
        let verdict = play(Plan::of(seed), None, false);
        if !verdict.violations.is_empty() {
            broken.push(story(seed, &verdict));
        }
        events += verdict.events;
    }
    let told: Vec<&str> = broken.iter().take(BROKEN_TOLD).map(String::as_str).collect();
    assert!(broken.is_empty(), "{} of {schedules} schedules:\n{}", broken.len(), told.join("\n"));
    println!("{events:?}");
    let missing = events.missing();
    assert!(missing.is_empty() || schedules < SCHEDULES, "this never happened: {missing:?}");
}

/// Plays the schedule of `MOVER_SIM_SEED`, or the first one, and tells its story.
pub fn replay() {
    let wanted = number("MOVER_SIM_SEED");
    let seed = wanted.unwrap_or(1);
    let verdict = play(Plan::of(seed), None, wanted.is_some());
    assert!(verdict.violations.is_empty(), "{}", story(seed, &verdict));
}

/// Plays one schedule, with honest ports or with ports that lie in one way.
pub fn play(plan: Plan, injected_bug: Option<InjectedBug>, aloud: bool) -> Verdict {
    silence_injected_panics();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        if aloud {
            println!("{plan:#?}");
        }
        let run = SimulationRun::new(plan, injected_bug);
        let world = run.world().clone();
        if aloud {
            world.record();
        }
        let begun = tokio::time::Instant::now();
        let verdict = run.play().await;
        for (at, event) in world.recorded() {
            println!("{:>8} ms  {event:?}", at.duration_since(begun).as_millis());
        }
        verdict
    })
}

fn story(seed: u64, verdict: &Verdict) -> String {
    let shape = Shape::of(seed);
    let violations = verdict.violations.iter().take(3).map(|it| format!("  {}: {}\n", it.checker, it.what));
    format!(
        "seed {seed} ({shape:?}) breaks what must hold:\n{}to see it again: MOVER_SIM_SEED={seed} cargo test -p mover-actors \
         --test simulation one_schedule -- --nocapture\n{}",
        violations.collect::<String>(),
        verdict.trees
    )
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Panics that a schedule wants are part of it; all others are shown.
fn silence_injected_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let shown = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<String>();
            if text.is_none_or(|text| !text.starts_with("injected:")) {
                shown(info);
            }
        }));
    });
}
