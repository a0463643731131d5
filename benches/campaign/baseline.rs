//! What the same server can do at most.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, Pool};
use mover::demo::sample::MOVED_TABLES;
use tempfile::NamedTempFile;
use tokio::process::Command;
use tokio_postgres::NoTls;

use crate::Trouble;
use crate::world::World;

/// How long rates are measured.
const RATE_OVER: Duration = Duration::from_secs(5);
const PROBE: &str = include_str!("sql/probe.sql");
const UPDATE: &str = include_str!("sql/update_one.sql");
const TWO_UPDATES: &str = include_str!("sql/two_updates.pgbench");

/// Copies whole tables, one after the other, without checking anything; answers seconds.
pub(crate) async fn pipe(world: &World) -> Result<f64, Trouble> {
    let begun = Instant::now();
    for table in MOVED_TABLES {
        let mut from = psql(world, "old", &format!("COPY {table} TO STDOUT")).stdout(Stdio::piped()).spawn()?;
        let rows: Stdio = from.stdout.take().ok_or("psql has no output")?.try_into()?;
        let to = psql(world, "new", &format!("COPY {table} FROM STDIN"))
            .env("PGOPTIONS", "-c session_replication_role=replica")
            .stdin(rows)
            .spawn()?
            .wait()
            .await?;
        if !from.wait().await?.success() || !to.success() {
            return Err(format!("psql could not copy {table}").into());
        }
    }
    Ok(begun.elapsed().as_secs_f64())
}

fn psql(world: &World, database: &str, command: &str) -> Command {
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname"])
        .arg(world.postgres_url(database))
        .args(["--command", command])
        .kill_on_drop(true);
    psql
}

/// Transactions a second that update one row each, over a pool of so many connections.
pub(crate) async fn commits(world: &World, connections: u32) -> Result<f64, Trouble> {
    world.client("postgres").await?.batch_execute(PROBE).await?;
    let config = world.postgres_url("postgres").parse()?;
    let size = usize::try_from(connections)?;
    let pool = Pool::builder(Manager::new(config, NoTls)).max_size(size).build()?;
    let done = Arc::new(AtomicU64::new(0));
    // Connecting and preparing are not measured, as they count for nothing in a campaign.
    commit_until(&pool, size, Duration::from_millis(500), &done).await?;
    done.store(0, Ordering::Relaxed);
    let begun = Instant::now();
    commit_until(&pool, size, RATE_OVER, &done).await?;
    Ok(done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64())
}

async fn commit_until(pool: &Pool, tasks: usize, over: Duration, done: &Arc<AtomicU64>) -> Result<(), Trouble> {
    let until = Instant::now() + over;
    let mut running = tokio::task::JoinSet::new();
    for task in 0..tasks {
        let (pool, done) = (pool.clone(), done.clone());
        running.spawn(async move {
            let mut id = i32::try_from(task)? * 300;
            while Instant::now() < until {
                id = id % 20_000 + 1;
                let client = pool.get().await?;
                let statement = client.prepare_cached(UPDATE).await?;
                client.execute(&statement, &[&id]).await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), Trouble>(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

/// What pgbench reaches with two single-row updates a transaction and 8 clients; answers transactions a second.
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
