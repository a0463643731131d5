//! `cargo bench --bench guard`: the cost of the guard for writers, as ratios of pgbench's transactions per second.
//!
//! pgbench's tables with a branch as the org: each transaction updates an account, a teller and a branch, inserts a row of
//! history, and so fires four triggers. The conditions take turns within each round, on one server with durable settings, so
//! that disturbances of the machine affect all; read the ratios, which are taken within a round, and of those the median.

mod pgbench;
mod world;

use std::future::Future;

use world::World;

/// An error that ends the benchmark.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// The state of the guard while pgbench runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    None,
    Asleep,
    Idle,
    Moving,
    AllLogged,
    Copying,
}

impl Condition {
    const ALL: [Self; 6] = [Self::None, Self::Asleep, Self::Idle, Self::Moving, Self::AllLogged, Self::Copying];

    fn name(self) -> &'static str {
        match self {
            Self::None => "no guard",
            Self::Asleep => "installed, disabled until a campaign begins",
            Self::Idle => "a campaign has begun, no org moves yet",
            Self::Moving => "one org is moving: its writes are logged",
            Self::AllLogged => "all orgs are moving",
            Self::Copying => "one org after another is copied beside it",
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Trouble> {
    let rounds = number("BENCH_RUNS", 5)?.max(1);
    let seconds = number("BENCH_SECONDS", 15)?.max(1);
    let world = World::start().await?;
    println!("{}; {rounds} rounds of {seconds} s for each condition", world.describe().await?);
    let (mut rates, mut bulks) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let mut of_round = Vec::new();
        // The order turns, so that no condition always comes after the same one.
        for turn in 0..Condition::ALL.len() {
            let condition = Condition::ALL[(turn + round) % Condition::ALL.len()];
            let rate = measure(&world, condition, seconds).await?;
            let bulk_ms = world.bulk_ms().await?;
            eprintln!("bench: round {round} of {rounds}: {rate:>8.0} tps, {bulk_ms:>6.0} ms  {}", condition.name());
            of_round.push((condition, rate));
            bulks.push((condition, bulk_ms));
        }
        rates.push(of_round);
    }
    println!("{:<52} {:>9} {:>7} {:>7} {:>7} {:>14}", "", "tps", "ratio", "min", "max", "100,000 rows");
    for condition in Condition::ALL {
        let rate_of = |of_round: &[(Condition, f64)], wanted: Condition| {
            of_round.iter().find(|(condition, _)| *condition == wanted).map_or(f64::NAN, |(_, rate)| *rate)
        };
        let tps = sorted(rates.iter().map(|of_round| rate_of(of_round, condition)));
        let ratios =
            sorted(rates.iter().map(|of_round| rate_of(of_round, condition) / rate_of(of_round, Condition::None)));
        let (middle, last) = (ratios.len() / 2, ratios.len() - 1);
        let (name, tps) = (condition.name(), tps[middle]);
        let bulk = sorted(bulks.iter().filter(|(of, _)| *of == condition).map(|(_, bulk_ms)| *bulk_ms))[middle];
        println!(
            "{name:<52} {tps:>9.0} {:>7.3} {:>7.3} {:>7.3} {bulk:>11.0} ms",
            ratios[middle], ratios[0], ratios[last]
        );
    }
    Ok(())
}

async fn measure(world: &World, condition: Condition, seconds: usize) -> Result<f64, Trouble> {
    world.reset().await?;
    match condition {
        Condition::None => {}
        Condition::Asleep => world.install_guard_asleep().await?,
        Condition::Idle | Condition::Copying => world.install_guard().await?,
        Condition::Moving => {
            world.install_guard().await?;
            world.log(1).await?;
        }
        Condition::AllLogged => {
            world.install_guard().await?;
            world.log(world.orgs()?).await?;
        }
    }
    world.checkpoint().await?;
    let url = world.url("old");
    let pgbench = pgbench::run(&url, seconds);
    match condition {
        Condition::Copying => beside(pgbench, world.copy_on_and_on()).await,
        _ => pgbench.await,
    }
}

/// Runs something until the measurement is over; it ends early only with an error.
async fn beside(
    measured: impl Future<Output = Result<f64, Trouble>>,
    work: impl Future<Output = Result<(), Trouble>>,
) -> Result<f64, Trouble> {
    tokio::select! {
        rate = measured => rate,
        ended = work => Err(ended.err().unwrap_or_else(|| "the moves ended".into())),
    }
}

fn number(name: &str, default: usize) -> Result<usize, Trouble> {
    std::env::var(name).map_or(Ok(default), |given| given.parse().map_err(|error| format!("{name}: {error}").into()))
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
