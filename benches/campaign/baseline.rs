//! The most that the same server can do.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mover::demo::sample::MOVED_TABLES;
use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::Trouble;
use crate::world::World;

/// How long rates are measured.
const RATE_OVER: Duration = Duration::from_secs(5);
const PROBE: &str = include_str!("sql/probe.sql");
const TWO_UPDATES: &str = include_str!("sql/two_updates.pgbench");

/// Copies whole tables in two streams, the largest first, without checking anything; returns seconds.
pub(crate) async fn pipes(world: &World) -> Result<f64, Trouble> {
    let names: Vec<&str> = MOVED_TABLES.into_iter().collect();
    let sorted = world.client("old").await?.query(include_str!("sql/largest_first.sql"), &[&names]).await?;
    let tables: Mutex<VecDeque<String>> = Mutex::new(sorted.iter().map(|row| row.get(0)).collect());
    let next = || tables.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let stream = async || {
        while let Some(table) = next() {
            pipe(world, &table).await?;
        }
        Ok::<(), Trouble>(())
    };
    let begun = Instant::now();
    tokio::try_join!(stream(), stream())?;
    Ok(begun.elapsed().as_secs_f64())
}

async fn pipe(world: &World, table: &str) -> Result<(), Trouble> {
    let mut from = psql(world, "old", &format!("COPY {table} TO STDOUT")).stdout(Stdio::piped()).spawn()?;
    let rows: Stdio = from.stdout.take().ok_or("psql has no output")?.try_into()?;
    let to = psql(world, "new", &format!("COPY {table} FROM STDIN"))
        .env("PGOPTIONS", "-c session_replication_role=replica")
        .stdin(rows)
        .spawn()?
        .wait()
        .await?;
    match from.wait().await?.success() && to.success() {
        true => Ok(()),
        false => Err(format!("psql could not copy {table}").into()),
    }
}

fn psql(world: &World, database: &str, command: &str) -> Command {
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname"])
        .arg(world.postgres_url(database))
        .args(["--command", command])
        .kill_on_drop(true);
    psql
}

/// The rate of pgbench with two single-row updates per transaction and 8 clients; returns transactions per second.
pub(crate) async fn pgbench(world: &World) -> Result<f64, Trouble> {
    world.client("postgres").await?.batch_execute(PROBE).await?;
    let script = NamedTempFile::new()?;
    std::fs::write(script.path(), TWO_UPDATES)?;
    let seconds = RATE_OVER.as_secs().to_string();
    let output = Command::new("pgbench")
        .args(["--no-vacuum", "--protocol", "prepared", "--client", "8", "--jobs", "2", "--time", &seconds, "--file"])
        .arg(script.path())
        .arg(world.postgres_url("postgres"))
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.ok_or_else(|| format!("pgbench: {said}{}", String::from_utf8_lossy(&output.stderr)).into())
}
