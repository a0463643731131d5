//! `cargo bench --bench serve`: the cost of many reading clients for moves.
//!
//! Campaigns of `mover serve` run one after the other. In each of them, phases without clients and phases with clients
//! alternate: 200
//! clients listen to events, 20 listen and never read, and a thousand requests per second read the status. The clients run at the
//! lowest priority, as they would be on other machines. Read the ratios, which are taken within a campaign.

mod client_process;
mod clients;
mod phases;
mod serving;
mod world;

use phases::{Measured, measure};
use serving::Serving;
use world::World;

/// An error that ends the benchmark.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Trouble> {
    if client_process::is_here() {
        return client_process::look().await;
    }
    let rounds = number("BENCH_RUNS", 3)?.max(1);
    let orgs = u32::try_from(number("BENCH_ORGS", 3000)?)?.max(10);
    let world = World::start().await?;
    println!("{rounds} rounds of {orgs} orgs, {} workers", serving::WORKERS);
    println!(
        "| round | phases | alone, orgs/s | looked at, orgs/s | ratio | status/s | p50 ms | p99 ms | listeners left | memory MB, at first | at most |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for round in 1..=rounds {
        world.reset(orgs).await?;
        let serving = Serving::start(&world).await?;
        // The order alternates, so that neither is always the first.
        let Measured { phases, alone, looked_at, looks } = measure(&serving, orgs, round % 2 == 0).await?;
        let (first_mb, peak_mb) = serving.end().await?;
        println!(
            "| {round} | {phases} | {alone:.1} | {looked_at:.1} | {:.2} | {:.0} | {:.1} | {:.1} | {} | {first_mb:.0} | {peak_mb:.0} |",
            looked_at / alone,
            looks.per_second,
            looks.p50_ms,
            looks.p99_ms,
            looks.listeners,
        );
    }
    Ok(())
}

fn number(name: &str, default: u64) -> Result<u64, Trouble> {
    match std::env::var(name) {
        Ok(text) => text.parse().map_err(|_| format!("{name} is a number, not {text:?}").into()),
        Err(_) => Ok(default),
    }
}
