//! The real `mover serve`, and a campaign in it.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Trouble;
use crate::clients::Connection;
use crate::world::World;

pub(crate) const WORKERS: u32 = 8;

/// A Mover that serves.
pub(crate) struct Serving {
    child: Child,
    first_mb: f64,
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
        let first_mb = memory_mb(child.id().ok_or("mover serve has ended")?, "VmRSS:").await?;
        Ok(Self { child, first_mb, address, token })
    }

    /// Its memory after the start, and its peak memory, in MB.
    pub(crate) async fn end(mut self) -> Result<(f64, f64), Trouble> {
        let process = self.child.id().ok_or("mover serve has ended")?;
        let peak_mb = memory_mb(process, "VmHWM:").await?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(process.cast_signed()), nix::sys::signal::SIGTERM)?;
        self.child.wait().await?;
        Ok((self.first_mb, peak_mb))
    }
}

async fn memory_mb(process: u32, what: &str) -> Result<f64, Trouble> {
    let status = tokio::fs::read_to_string(format!("/proc/{process}/status")).await?;
    let kb = status.lines().find_map(|line| line.strip_prefix(what)).and_then(|line| line.trim().split(' ').next());
    Ok(kb.ok_or("the kernel does not say")?.parse::<f64>()? / 1024.0)
}

/// The campaign that moves all orgs.
pub(crate) struct Campaign<'a> {
    serving: &'a Serving,
    path: String,
}

impl<'a> Campaign<'a> {
    pub(crate) async fn begin(serving: &'a Serving) -> Result<Self, Trouble> {
        let mut connection = Connection::open(&serving.address, &serving.token).await?;
        let give = json!({ "command": format!("migrate whole_org all workers={WORKERS}") });
        let given: Value = serde_json::from_slice(&connection.post("/api/v1/commands", &give.to_string()).await?)?;
        Ok(Self { serving, path: format!("/api/v1/campaigns/{}", given["campaign"]) })
    }

    /// How many orgs it has moved.
    pub(crate) async fn moved(&self) -> Result<f64, Trouble> {
        self.look().await?["migrated"].as_f64().ok_or_else(|| "a campaign has no number of orgs".into())
    }

    /// Whether it has ended, with all of them moved.
    pub(crate) async fn has_ended(&self, orgs: u32) -> Result<bool, Trouble> {
        let campaign = self.look().await?;
        let is_ended = campaign["phase"] == "ended";
        if is_ended && campaign["migrated"] != orgs {
            return Err(format!("not all of {orgs} orgs were migrated: {campaign}").into());
        }
        Ok(is_ended)
    }

    async fn look(&self) -> Result<Value, Trouble> {
        // A kept connection would be closed between two polls.
        let mut connection = Connection::open(&self.serving.address, &self.serving.token).await?;
        Ok(serde_json::from_slice(&connection.get(&self.path).await?)?)
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
