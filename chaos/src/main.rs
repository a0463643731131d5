//! Runs a trial and prints the result; the exit code is not zero if there was a fault.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use mover_chaos::{Options, built_mover, run};

/// Kills Mover, Postgres and Redis again and again while orgs move online and clients write, and counts every row.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// The seed of everything that is random [default: a new one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// How often Mover is killed
    #[arg(long, default_value_t = 1_000)]
    kills: u64,
    /// The trial ends after this many minutes, even with fewer kills
    #[arg(long, default_value_t = 90.0, value_name = "MINUTES")]
    minutes: f64,
    /// Orgs of the shop
    #[arg(long, default_value_t = 8)]
    shops: u32,
    /// More orgs of the shop that join while the trial runs, one for each that is finalized
    #[arg(long, default_value_t = 24)]
    shops_later: u32,
    /// Branches of pgbench's bank
    #[arg(long, default_value_t = 4)]
    branches: u32,
    /// Accounts of a branch
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    accounts: u32,
    /// Accounts of the first branch; with more than 100,000 it is copied in ranges
    #[arg(long, default_value_t = 120_000)]
    big_accounts: u32,
    /// Clients of each application
    #[arg(long, default_value_t = 8)]
    clients: u32,
    /// Writes per second of all clients of an application
    #[arg(long, default_value_t = 80, value_name = "PER_SECOND")]
    writes: u32,
    /// After this many kills everything comes to rest and is checked
    #[arg(long, default_value_t = 40, value_name = "KILLS")]
    check_every: u64,
    /// The mean time between faults of servers, in seconds
    #[arg(long, default_value_t = 2.5, value_name = "SECONDS")]
    mishap_every: f64,
    /// Directories with the programs of Postgres for the stores `old` and `new` [default: the system's for both]
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"])]
    postgres: Option<Vec<PathBuf>>,
    /// The program under test [default: the mover beside this program]
    #[arg(long)]
    mover: Option<PathBuf>,
    /// The directory for Mover's output [default: a directory for the seed, below that of temporary files]
    #[arg(long, value_name = "DIRECTORY")]
    evidence: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(rand::random);
    // Mover is started in another directory.
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    let mover = match arguments.mover.map(absolute).map_or_else(built_mover, Ok) {
        Ok(mover) => mover,
        Err(error) => {
            eprintln!("mover-chaos: {error}");
            return ExitCode::from(2);
        }
    };
    let evidence =
        arguments.evidence.map(absolute).unwrap_or_else(|| std::env::temp_dir().join(format!("mover-chaos-{seed}")));
    let options = Options {
        seed,
        kills: arguments.kills,
        limit: Duration::from_secs_f64(arguments.minutes * 60.0),
        shops: arguments.shops,
        shops_later: arguments.shops_later,
        branches: arguments.branches,
        accounts: arguments.accounts,
        big_accounts: arguments.big_accounts,
        clients: arguments.clients,
        writes_per_second: arguments.writes,
        kills_between_checks: arguments.check_every,
        mishap_every: Duration::from_secs_f64(arguments.mishap_every),
        postgres: arguments.postgres.and_then(|dirs| dirs.try_into().ok()),
        mover,
        evidence: evidence.clone(),
    };
    println!("seed {seed}; what Mover says is kept in {}", evidence.display());
    match run(&options, |figures| println!("{}", figures.line())).await {
        Ok(figures) => {
            println!("\n{figures}\nEvery acknowledged write is in exactly one place. seed {seed}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            println!("\nWRONG, seed {seed}:\n{wrong}\nWhat Mover said is in {}", evidence.display());
            ExitCode::FAILURE
        }
    }
}
