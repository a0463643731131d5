//! pgbench as a process.

use tokio::process::Command;

use crate::Trouble;

const CLIENTS: &str = "8";

/// Fills a database with `scale` branches.
pub(crate) async fn fill(url: &str, scale: &str) -> Result<(), Trouble> {
    say(&["--initialize", "--quiet", "--scale", scale], url).await.map(drop)
}

/// Tables and keys without rows.
pub(crate) async fn make_tables(url: &str) -> Result<(), Trouble> {
    say(&["--initialize", "--quiet", "--init-steps", "dtp"], url).await.map(drop)
}

/// The usual transaction; returns the rate per second.
pub(crate) async fn run(url: &str, seconds: usize) -> Result<f64, Trouble> {
    let seconds = seconds.to_string();
    let arguments =
        ["--no-vacuum", "--protocol", "prepared", "--client", CLIENTS, "--jobs", "2", "--time", seconds.as_str()];
    let said = say(&arguments, url).await?;
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.ok_or_else(|| format!("pgbench told no rate: {said}").into())
}

async fn say(arguments: &[&str], url: &str) -> Result<String, Trouble> {
    let ended = Command::new("pgbench").args(arguments).arg(url).kill_on_drop(true).output().await?;
    let errors = String::from_utf8_lossy(&ended.stderr);
    match ended.status.success() && !errors.contains("aborted") {
        true => Ok(String::from_utf8_lossy(&ended.stdout).into_owned()),
        false => Err(format!("pgbench: {errors}").into()),
    }
}
