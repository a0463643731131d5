//! What schedules are about: a shape has more of what a fault needs to show itself than a schedule that is drawn at random.

use std::time::Duration;

use mover_actors::domain::state::{Aim, Strategy};
use mover_actors::ports::Side;

use super::plan::{Late, Plan, PlannedEvent};
use super::random::Random;

/// See the module's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Whatever is drawn.
    Any,
    /// Orgs are shut while they move.
    Offline,
    /// Orgs are written while they move.
    Online,
    /// The operator keeps writers out, and routes all orgs at once.
    Window,
    /// Many small orgs move together.
    Together,
    /// Many clients write the same few rows.
    Busy,
    /// Servers lose what they hold in memory, and processes begin anew.
    Forgetful,
    /// Orgs are brought back.
    WayBack,
    /// A call of this method arrives late, while orgs are shut.
    LateOffline(&'static str),
    /// A call of this method arrives late, while orgs are written.
    LateOnline(&'static str),
    /// A call of this method arrives late, while orgs are brought back.
    LateOnTheWayBack(&'static str),
}

/// Calls after which an older process could undo what a newer one has done.
const LATE_OFFLINE: [&str; 5] = ["enter", "commit", "settle", "discard.enter", "write"];
const LATE_ONLINE: [&str; 8] = ["enter", "commit", "capture", "fence", "move_away", "arrive", "stop_capture", "forget"];

impl Shape {
    /// The shape of a schedule among all.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed.rotate_left(48));
        match random.below(14) {
            0..4 => Shape::Any,
            4..6 => Shape::Offline,
            6 => Shape::Online,
            7 => Shape::Busy,
            8 => Shape::Forgetful,
            9 => Shape::WayBack,
            10 => Shape::Window,
            11 => Shape::Together,
            12 => Shape::LateOffline(random.pick(&LATE_OFFLINE)),
            _ if random.percent(50) => Shape::LateOnline(random.pick(&LATE_ONLINE)),
            _ => Shape::LateOnTheWayBack(random.pick(&LATE_ONLINE)),
        }
    }

    /// Changes a plan so that it has this shape.
    pub fn form(self, plan: &mut Plan, random: &mut Random) {
        match self {
            Shape::Any => {}
            Shape::Offline => all_are(plan, Strategy::Offline),
            Shape::Online => all_are(plan, Strategy::Online),
            Shape::Window => all_are(plan, Strategy::Window),
            Shape::Together => together(plan, random),
            Shape::Busy => busy(plan),
            Shape::Forgetful => forgetful(plan, random),
            Shape::WayBack => way_back(plan),
            Shape::LateOffline(method) => {
                all_are(plan, Strategy::Offline);
                late(plan, random, method);
            }
            Shape::LateOnline(method) => {
                busy(plan);
                late(plan, random, method);
            }
            Shape::LateOnTheWayBack(method) => {
                busy(plan);
                way_back(plan);
                late(plan, random, method);
            }
        }
    }
}

fn all_are(plan: &mut Plan, strategy: Strategy) {
    plan.strategies.fill(strategy);
}

fn together(plan: &mut Plan, random: &mut Random) {
    plan.orgs = random.pick(&[4, 5, 6]);
    plan.cohort_orgs = plan.orgs;
    plan.pace_ms = 0;
    // A large org goes alone.
    plan.range_rows = 0;
}

fn busy(plan: &mut Plan) {
    all_are(plan, Strategy::Online);
    plan.clients = 2;
    plan.hot_rows = true;
}

fn way_back(plan: &mut Plan) {
    all_are(plan, Strategy::Online);
    plan.ending = Aim::RollBack;
}

/// Each loss is followed by flags for all orgs, which must not be shown before the flags of all orgs are there again.
fn forgetful(plan: &mut Plan, random: &mut Random) {
    all_are(plan, Strategy::Offline);
    plan.rates.slow = 300;
    plan.rates.slow_ms = 400;
    let events = [
        PlannedEvent::RedisForgets,
        PlannedEvent::RedisForgets,
        PlannedEvent::RedisForgets,
        PlannedEvent::DefaultFlag,
        PlannedEvent::DefaultFlag,
        PlannedEvent::Repair,
        PlannedEvent::Repair,
        PlannedEvent::Start,
        PlannedEvent::Start,
        PlannedEvent::Kill,
        PlannedEvent::RestartStore(Side::Source),
        PlannedEvent::RestartStore(Side::Target),
    ];
    // Orgs must have moved before there is anything to lose.
    let pauses = (0..24).map(|number| if number == 0 { random.millis(500, 4_000) } else { random.millis(0, 600) });
    let pauses: Vec<Duration> = pauses.collect();
    plan.script = pauses.into_iter().map(|pause| (pause, random.pick(&events))).collect();
    plan.storm_lasts = plan.script.iter().map(|(pause, _)| *pause).sum();
}

/// Two processes, of which one hangs with a call on its way; nothing else goes wrong, so that everything gets as far as this.
fn late(plan: &mut Plan, random: &mut Random, method: &'static str) {
    plan.rates = Default::default();
    plan.foreign_rows = false;
    plan.lease = random.millis(300, 600);
    plan.storm_lasts = Duration::from_secs(15);
    let delay = random.millis(400, 1_900);
    let (hangs, gives_up) = (delay + random.millis(0, 4_000), random.percent(50));
    let late = PlannedEvent::Late(Late { method, number: random.between(1, 3), delay, hangs, gives_up });
    plan.script = match plan.ending {
        Aim::RollBack => vec![
            (Duration::ZERO, PlannedEvent::Start),
            (Duration::from_secs(4), late),
            (Duration::ZERO, PlannedEvent::RollBack),
        ],
        Aim::Migrate | Aim::Finalize => vec![(Duration::ZERO, late), (Duration::ZERO, PlannedEvent::Start)],
    };
}
