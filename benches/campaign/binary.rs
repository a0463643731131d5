//! The real binary, carrying out one command.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::Trouble;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A command that was carried out.
pub(crate) struct Ran {
    /// From the start of the process to its end.
    pub(crate) seconds: f64,
    /// Its peak memory.
    pub(crate) peak_mb: f64,
    /// Its answer.
    pub(crate) answer: Value,
}

/// Carries out a command of the console's language.
pub(crate) async fn exec(config: &Path, line: &str) -> Result<Ran, Trouble> {
    let begun = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_mover"))
        .arg("--config")
        .arg(config)
        .args(["--log", "error", "exec", "--yes", "--json", line])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let watch = tokio::spawn(peak_mb(child.id()));
    let output = Child::wait_with_output(child).await?;
    let seconds = begun.elapsed().as_secs_f64();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        return Err(format!("mover exec '{line}' ended with {}: {said}", output.status).into());
    }
    Ok(Ran { seconds, peak_mb: watch.await?, answer: serde_json::from_slice(&output.stdout)? })
}

/// Polls until the process is gone. The kernel records the peak, so only the last poll matters.
async fn peak_mb(process: Option<u32>) -> f64 {
    let Some(process) = process else { return f64::NAN };
    let mut peak = f64::NAN;
    while let Ok(status) = tokio::fs::read_to_string(format!("/proc/{process}/status")).await {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let Some(kb) = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok()) else { break };
        peak = kb / 1024.0;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    peak
}
