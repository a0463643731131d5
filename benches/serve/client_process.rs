//! Reading clients in a separate process. They would be on other machines, so they run at the lowest priority.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, stdin};
use tokio::process::{Child, Command};

use crate::Trouble;
use crate::clients::{Looking, Looks};
use crate::serving::Serving;

const ROLE: &str = "look";
const ADDRESS: &str = "MOVER_BENCH_ADDRESS";
const TOKEN: &str = "MOVER_BENCH_TOKEN";

/// Whether this process is a client process.
pub(crate) fn is_here() -> bool {
    std::env::args().nth(1).is_some_and(|role| role == ROLE)
}

/// Runs clients until the end of standard input, and prints the results.
pub(crate) async fn look() -> Result<(), Trouble> {
    let looking = Looking::start(&std::env::var(ADDRESS)?, &std::env::var(TOKEN)?).await?;
    stdin().read_to_end(&mut Vec::new()).await?;
    println!("{}", serde_json::to_string(&looking.end().await?)?);
    Ok(())
}

/// The client process.
pub(crate) struct ClientProcess(Child);

impl ClientProcess {
    pub(crate) fn start(serving: &Serving) -> Result<Self, Trouble> {
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(std::env::current_exe()?).arg(ROLE).kill_on_drop(true);
        command.env(ADDRESS, &serving.address).env(TOKEN, &serving.token);
        Ok(Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?))
    }

    pub(crate) async fn end(mut self) -> Result<Looks, Trouble> {
        drop(self.0.stdin.take());
        Ok(serde_json::from_slice(&self.0.wait_with_output().await?.stdout)?)
    }
}
