//! What a seed decides: how big the schedule is, and what goes wrong or is commanded when.

use std::time::Duration;

use mover_actors::domain::campaign::Control;

use super::random::Random;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Orgs that are to move.
    pub orgs: usize,
    /// Orgs that are not.
    pub bystanders: usize,
    /// Migrations, each of which moves all orgs.
    pub migrations: usize,
    /// Cohorts in flight at once, at first.
    pub concurrency: u32,
    /// The most orgs in a cohort.
    pub cohort_orgs: usize,
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
    /// Where the details come from.
    pub random: Random,
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
    /// The plan of a seed. Each plan has its own mixture of troubles, because all of them at once hide each other.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let deadline_ms = random.between(20, 150);
        let sleep_time_ms = deadline_ms + random.between(20, 300);
        let storm_lasts = random.millis(2_000, 15_000);
        let rates = FaultRates::draw(&mut random);
        let script = script(&mut random, deadline_ms, storm_lasts);
        Plan {
            orgs: random.pick(&[1, 2, 3, 3, 4, 6]),
            bystanders: random.pick(&[0, 1]),
            migrations: random.pick(&[1, 1, 2]),
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
