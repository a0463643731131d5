//! `cargo bench --bench serve`: what many who look cost those who are moved.
//!
//! The same campaign of `mover serve`, alone and while people look: 200 who listen to events, 20 who listen and never read, and a thousand
//! requests a second for the status. Both take turns on the same servers; read the ratios, which are taken within a round.

mod looking;
mod serving;
mod world;

use looking::{Looking, Looks};
use serving::Serving;
use world::World;

/// What goes wrong here ends the benchmark and is for whoever runs it.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// What came of one campaign.
struct Round {
    orgs_per_second: f64,
    peak_mb: f64,
    looks: Option<Looks>,
}

#[tokio::main]
async fn main() -> Result<(), Trouble> {
    let rounds = number("BENCH_RUNS", 3)?.max(1);
    let orgs = u32::try_from(number("BENCH_ORGS", 800)?)?.max(10);
    let world = World::start().await?;
    println!("{rounds} rounds of {orgs} orgs, {} workers", serving::WORKERS);
    println!(
        "| round | alone, orgs/s | looked at, orgs/s | ratio | status/s | p50 ms | p99 ms | listeners left | memory MB, alone | looked at |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for round in 1..=rounds {
        // The order turns, so that neither is always the first.
        let (alone, looked_at) = if round % 2 == 1 {
            let alone = campaign(&world, orgs, false).await?;
            (alone, campaign(&world, orgs, true).await?)
        } else {
            let looked_at = campaign(&world, orgs, true).await?;
            (campaign(&world, orgs, false).await?, looked_at)
        };
        let Some(looks) = looked_at.looks else { return Err("nobody has looked".into()) };
        println!(
            "| {round} | {:.1} | {:.1} | {:.2} | {:.0} | {:.1} | {:.1} | {} | {:.0} | {:.0} |",
            alone.orgs_per_second,
            looked_at.orgs_per_second,
            looked_at.orgs_per_second / alone.orgs_per_second,
            looks.per_second,
            looks.p50_ms,
            looks.p99_ms,
            looks.listeners,
            alone.peak_mb,
            looked_at.peak_mb,
        );
    }
    Ok(())
}

async fn campaign(world: &World, orgs: u32, looked_at: bool) -> Result<Round, Trouble> {
    world.reset(orgs).await?;
    let serving = Serving::start(world).await?;
    let looking = if looked_at { Some(Looking::start(&serving).await?) } else { None };
    let orgs_per_second = serving.campaign(orgs).await?;
    let looks = match looking {
        Some(looking) => Some(looking.end().await?),
        None => None,
    };
    let peak_mb = serving.end().await?;
    eprintln!("bench: {} orgs/s {}", orgs_per_second.round(), if looked_at { "looked at" } else { "alone" });
    Ok(Round { orgs_per_second, peak_mb, looks })
}

fn number(name: &str, default: u64) -> Result<u64, Trouble> {
    match std::env::var(name) {
        Ok(text) => text.parse().map_err(|_| format!("{name} is a number, not {text:?}").into()),
        Err(_) => Ok(default),
    }
}
