//! The real `mover serve`, and a campaign in it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::Trouble;
use crate::looking::Connection;
use crate::world::World;

pub(crate) const WORKERS: u32 = 8;
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A Mover that serves.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: String,
    pub(crate) token: String,
}

impl Serving {
    /// All orgs are ready, and it listens.
    pub(crate) async fn start(world: &World) -> Result<Self, Trouble> {
        let config = world.config()?;
        for command in ["orgs capture whole_org", "orgs ready whole_org all"] {
            mover(&config, &["exec", command]).await?;
        }
        for store in ["old", "new"] {
            mover(&config, &["guard", "install", store, "--awake"]).await?;
        }
        let token = mover(&config, &["token", "create", "bench", "--role", "operator"]).await?.trim().to_owned();
        let mut child = command(&config, &["serve"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let url = BufReader::new(stdout).lines().next_line().await?.ok_or("mover serve has ended")?;
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Ok(Self { child, address, token })
    }

    /// Moves all orgs; answers how many in a second.
    pub(crate) async fn campaign(&self, orgs: u32) -> Result<f64, Trouble> {
        let mut connection = Connection::open(&self.address, &self.token).await?;
        let give = json!({ "command": format!("migrate whole_org all workers={WORKERS}") });
        let given: Value = serde_json::from_slice(&connection.post("/api/v1/commands", &give.to_string()).await?)?;
        let path = format!("/api/v1/campaigns/{}", given["campaign"]);
        loop {
            let campaign: Value = serde_json::from_slice(&connection.get(&path).await?)?;
            if campaign["phase"] == "ended" {
                if campaign["migrated"] != orgs {
                    return Err(format!("not all of {orgs} orgs were migrated: {campaign}").into());
                }
                let time = |name: &str| campaign[name].as_str().unwrap_or_default().parse::<jiff::Timestamp>();
                let took = time("ended_at")?.duration_since(time("opened_at")?);
                return Ok(f64::from(orgs) / took.as_secs_f64());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// The most memory that it ever had, in MB.
    pub(crate) async fn end(mut self) -> Result<f64, Trouble> {
        let process = self.child.id().ok_or("mover serve has ended")?;
        let status = tokio::fs::read_to_string(format!("/proc/{process}/status")).await?;
        let kb =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|line| line.trim().split(' ').next());
        let peak_mb = kb.ok_or("the kernel does not say")?.parse::<f64>()? / 1024.0;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(process.cast_signed()), nix::sys::signal::SIGTERM)?;
        self.child.wait().await?;
        Ok(peak_mb)
    }
}

fn command(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mover"));
    command.arg("--config").arg(config).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn mover(config: &Path, arguments: &[&str]) -> Result<String, Trouble> {
    let output = command(config, arguments).stderr(Stdio::inherit()).output().await?;
    if !output.status.success() {
        return Err(format!("mover {arguments:?} ended with {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
