//! A short trial, the same each time except for the timing of the machine; MOVER_CHAOS_SEED changes it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use mover_chaos::{Options, built_mover, run};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_in_a_short_trial() {
    let seed = std::env::var("MOVER_CHAOS_SEED").map_or(20_011, |seed| seed.parse().unwrap());
    let evidence = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{seed}"));
    println!("MOVER_CHAOS_SEED={seed}; what Mover says is in {}", evidence.display());
    let options = Options {
        kills: 14,
        limit: Duration::from_secs(25),
        shops: 4,
        shops_later: 2,
        branches: 2,
        accounts: 300,
        big_accounts: 300,
        clients: 4,
        writes_per_second: 60,
        kills_between_checks: 7,
        mishap_every: Duration::from_millis(1_500),
        postgres: None,
        mover: built_mover().unwrap_or_else(|error| panic!("{error}")),
        evidence,
        seed,
    };
    let figures = run(&options, |figures| println!("{}", figures.line())).await;
    let figures = figures.unwrap_or_else(|wrong| panic!("seed {seed}:\n{wrong}"));
    println!("{figures}");
    assert!(figures.kills > 0 && figures.moves > 0 && figures.checks > 0 && figures.writes > 0, "{figures:#?}");
}
