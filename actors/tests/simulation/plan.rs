//! What a seed decides: how big the schedule is, and what goes wrong or is commanded when.

use std::time::Duration;

use mover_actors::domain::campaign::Control;
use mover_actors::domain::state::{Aim, Strategy};
use mover_actors::ports::Side;

use super::random::Random;
use super::shape::Shape;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Orgs that are to move.
    pub orgs: usize,
    /// Orgs that are not.
    pub bystanders: usize,
    /// How each migration moves; each moves all orgs.
    pub strategies: Vec<Strategy>,
    /// What becomes of orgs of online migrations in the end.
    pub ending: Aim,
    /// Cohorts in flight at once, at first.
    pub concurrency: u32,
    /// The most orgs in a cohort.
    pub cohort_orgs: usize,
    /// Tables in which an org has more rows are copied in pieces of so many; 0: never.
    pub range_rows: i64,
    /// For how long clients of online migrations rely on flags that they have read.
    pub flags_age_ms: u64,
    /// Clients of each org in an online migration.
    pub clients: usize,
    /// How many of a hundred transactions in online migrations see nothing of what others commit meanwhile.
    pub snapshots: u64,
    /// How soon a client begins to write after it read the flags, at the latest.
    pub deadline_ms: u64,
    /// The wait after the block, at first; always longer than the deadline.
    pub sleep_time_ms: u64,
    /// The pause between two orgs.
    pub pace_ms: u64,
    /// How long a node is taken for alive.
    pub lease: Duration,
    /// How long a step that can be taken back is tried.
    pub step_budget_ms: u64,
    /// Whether some clients keep a transaction open for seconds.
    pub long_writes: bool,
    /// Whether rows that Mover did not bring lie in the first org's place in the target.
    pub foreign_rows: bool,
    /// Whether an operator has put the last org in 503 mode, past Mover.
    pub operator_503: bool,
    /// Whether a campaign ends at its first failure.
    pub error_halts: bool,
    /// How badly calls go.
    pub rates: FaultRates,
    /// How long things go wrong.
    pub storm_lasts: Duration,
    /// What happens, and how long after the event before.
    pub script: Vec<(Duration, PlannedEvent)>,
    /// Whether clients write the same few rows again and again.
    pub hot_rows: bool,
    /// Where the details come from.
    pub random: Random,
}

/// A call that is on its way for long, while its process hangs and another takes over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Late {
    /// Which method.
    pub method: &'static str,
    /// Which of its next calls.
    pub number: u64,
    /// How long it is on its way.
    pub delay: Duration,
    /// How long its process hangs.
    pub hangs: Duration,
    /// Whether the process that takes over is refused, so that it gives the move up meanwhile.
    pub gives_up: bool,
}

/// How many calls of a thousand meet what.
#[derive(Debug, Clone, Copy, Default)]
pub struct FaultRates {
    /// The connection breaks before the call is carried out.
    pub not_done: u64,
    /// The connection breaks after it was carried out.
    pub unheard: u64,
    /// It breaks when half of a batch was carried out.
    pub half: u64,
    /// The server refuses.
    pub refused: u64,
    /// The caller panics.
    pub panics: u64,
    /// It takes long.
    pub slow: u64,
    /// How long at most, in milliseconds.
    pub slow_ms: u64,
}

/// A fault, or a request of an operator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PlannedEvent {
    /// A node is killed.
    Kill,
    /// A node is stopped in order.
    Stop,
    /// One more node is started.
    Start,
    /// All calls of a node hang for so long.
    Freeze(u64),
    /// Redis is unreachable for so long.
    RedisDown(u64),
    /// The move log is unreachable for so long.
    LogDown(u64),
    /// The stores are unreachable for so long.
    StoresDown(u64),
    /// Redis loses its data.
    RedisForgets,
    /// An operator starts a campaign.
    Migrate,
    /// An operator brings orgs back.
    RollBack,
    /// An operator gives up the way back of orgs.
    Finalize,
    /// A store is started again.
    RestartStore(Side),
    /// One of the next calls arrives late.
    Late(Late),
    /// An operator continues with the campaign.
    Resume,
    /// An operator steers the campaign.
    Control(Control),
    /// An operator makes failed orgs ready.
    Retry,
    /// An operator puts an org in 503 mode.
    Operator503,
    /// An operator sets another flag of an org.
    OrgFlag,
    /// An operator sets a flag for all orgs.
    DefaultFlag,
    /// An operator lets Mover repair the flags.
    Repair,
    /// An operator compares the flags.
    Check,
}

impl Plan {
    /// The plan of a seed, of the shape that the seed chooses.
    pub fn of(seed: u64) -> Self {
        Self::shaped(seed, Shape::of(seed))
    }

    /// The plan of a seed, of this shape.
    pub fn shaped(seed: u64, shape: Shape) -> Self {
        let mut plan = Self::any(seed);
        shape.form(&mut plan, &mut Random::new(seed.rotate_left(16)));
        plan
    }

    /// Each plan has its own mixture of troubles, because all of them at once hide each other.
    fn any(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut online = Random::new(seed.rotate_left(32));
        let deadline_ms = random.between(20, 150);
        let sleep_time_ms = deadline_ms + random.between(20, 300);
        let storm_lasts = random.millis(2_000, 15_000);
        let rates = FaultRates::draw(&mut random);
        let script = script(&mut random, deadline_ms, storm_lasts);
        Plan {
            hot_rows: false,
            orgs: random.pick(&[1, 2, 3, 3, 4, 6]),
            bystanders: random.pick(&[0, 1]),
            strategies: strategies(&mut online, random.pick(&[1, 1, 2])),
            ending: online.pick(&[Aim::Migrate, Aim::Migrate, Aim::RollBack, Aim::Finalize]),
            range_rows: online.pick(&[0, 0, 1, 2]),
            flags_age_ms: online.pick(&[0, 100, 1_000, 3_000]),
            clients: online.pick(&[1, 1, 2]),
            snapshots: online.pick(&[0, 0, 30]),
            concurrency: random.pick(&[1, 2, 2, 3, 8]),
            cohort_orgs: Random::new(!seed).pick(&[1, 1, 2, 3, 6]),
            deadline_ms,
            sleep_time_ms,
            pace_ms: random.pick(&[0, 0, 50]),
            lease: random.millis(600, 2_000),
            step_budget_ms: random.pick(&[500, 2_000, 5_000]),
            long_writes: random.percent(20),
            foreign_rows: random.percent(10),
            operator_503: random.percent(25),
            error_halts: random.percent(10),
            rates,
            storm_lasts,
            script,
            random: random.fork(),
        }
    }
}

fn strategies(random: &mut Random, migrations: usize) -> Vec<Strategy> {
    let all_are = random.pick(&[Some(Strategy::Offline), Some(Strategy::Online), Some(Strategy::Online), None]);
    let mut one = || all_are.unwrap_or_else(|| random.pick(&[Strategy::Offline, Strategy::Online]));
    (0..migrations).map(|_| one()).collect()
}

impl FaultRates {
    fn draw(random: &mut Random) -> Self {
        let mut some = |of_ten: u64, most: u64| if random.permille(of_ten * 100) { random.between(1, most) } else { 0 };
        FaultRates {
            not_done: some(5, 150),
            unheard: some(5, 150),
            half: some(2, 60),
            refused: some(2, 20),
            panics: some(2, 10),
            slow: some(5, 150),
            slow_ms: 1 + some(5, 3_000),
        }
    }
}

fn script(random: &mut Random, deadline_ms: u64, lasts: Duration) -> Vec<(Duration, PlannedEvent)> {
    let mut kinds: Vec<PlannedEvent> = all(random, deadline_ms);
    // Swarms: each schedule has only some kinds of trouble.
    kinds.retain(|_| random.percent(40));
    let mut script = Vec::new();
    let mut time = Duration::ZERO;
    let longest = random.pick(&[300, 1_000, 4_000]);
    while !kinds.is_empty() {
        let pause = random.millis(0, longest);
        time += pause;
        if time > lasts {
            break;
        }
        script.push((pause, random.pick(&kinds)));
    }
    script
}

fn all(random: &mut Random, deadline_ms: u64) -> Vec<PlannedEvent> {
    let mut ms = |most| random.between(10, most);
    let steers = [
        Control::Pause,
        Control::Resume,
        Control::Halt,
        Control::Concurrency(1),
        Control::Concurrency(2 + u32::try_from(ms(12)).unwrap() % 5),
        Control::SleepTimeMs(deadline_ms + ms(500)),
        Control::PaceMs(ms(100)),
    ];
    let mut all = vec![
        PlannedEvent::Kill,
        PlannedEvent::Stop,
        PlannedEvent::Start,
        PlannedEvent::Freeze(ms(6_000)),
        PlannedEvent::RedisDown(ms(4_000)),
        PlannedEvent::LogDown(ms(4_000)),
        PlannedEvent::StoresDown(ms(6_000)),
        PlannedEvent::RedisForgets,
        PlannedEvent::Migrate,
        PlannedEvent::RollBack,
        PlannedEvent::Finalize,
        PlannedEvent::RestartStore(Side::Source),
        PlannedEvent::RestartStore(Side::Target),
        PlannedEvent::Resume,
        PlannedEvent::Retry,
        PlannedEvent::Operator503,
        PlannedEvent::OrgFlag,
        PlannedEvent::DefaultFlag,
        PlannedEvent::Repair,
        PlannedEvent::Check,
    ];
    all.extend(steers.map(PlannedEvent::Control));
    all
}
