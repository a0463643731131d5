//! The machine on which the benchmark runs.

use std::fs;

use crate::Trouble;
use crate::world::World;

/// The unit of times in /proc, on every present Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The machine and the versions of the software on it.
pub(crate) async fn describe(world: &World) -> Result<String, Trouble> {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = value_of(&info, "model name").unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_kb: f64 = value_of(&memory, "MemTotal").and_then(leading_number).unwrap_or(f64::NAN);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let postgres = world.setting("server_version").await?;
    let settings = ["fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size"];
    let mut shown = Vec::new();
    for name in settings {
        shown.push(format!("{name}={}", world.setting(name).await?));
    }
    Ok(format!(
        "mover {}, {cores} cores of {model}, {:.0} GB, Linux {}\nPostgreSQL {postgres} ({}), Redis {}",
        env!("CARGO_PKG_VERSION"),
        memory_kb / 1e6,
        kernel.trim(),
        shown.join(", "),
        world.redis_version().await?,
    ))
}

/// How many processes wanted a core in the last minute: shows what else runs here.
pub(crate) fn load() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    leading_number(&load).unwrap_or(f64::NAN)
}

/// Processor seconds of a process and of those of its children that have ended.
pub(crate) fn cpu_seconds(process: &str) -> Result<f64, Trouble> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in brackets, may contain anything.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after_name.split_whitespace().skip(11).take(4).filter_map(|n| n.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS_PER_SECOND)
}

fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find(|line| line.starts_with(name))?.split(':').nth(1).map(str::trim)
}

fn leading_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}
