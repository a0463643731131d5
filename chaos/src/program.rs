//! The program under test as a process: started, perhaps killed, with its output.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// No command may take longer: so that a trial that hangs says where.
const HANGS_AFTER: Duration = Duration::from_secs(180);

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// By itself.
    Natural,
    /// By SIGKILL, this long after its start, if it still runs then.
    After(Duration),
    /// By itself, when it passes a failpoint for the first time.
    At(&'static str),
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) command: String,
    pub(crate) status: ExitStatus,
    pub(crate) took: Duration,
    /// Standard output and error.
    pub(crate) said: String,
    pub(crate) file: PathBuf,
}

impl Ended {
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The last lines, which have the reason.
    pub(crate) fn tail(&self) -> String {
        let lines: Vec<&str> = self.said.lines().collect();
        format!(
            "`mover {}` ended with {} ({}):\n    {}",
            self.command,
            self.status,
            self.file.display(),
            lines[lines.len().saturating_sub(6)..].join("\n    ")
        )
    }
}

/// The path of the program and of its configuration.
#[derive(Debug)]
pub(crate) struct Program {
    binary: PathBuf,
    dir: PathBuf,
    runs: AtomicU64,
}

impl Program {
    pub(crate) fn new(binary: &Path, dir: &Path) -> Self {
        Self { binary: binary.into(), dir: dir.into(), runs: AtomicU64::default() }
    }

    /// Carries out a command of the console's language.
    pub(crate) async fn exec(&self, command: &str, death: Death) -> io::Result<Ended> {
        self.run(&["exec", "--yes", command], death).await
    }

    pub(crate) async fn run(&self, arguments: &[&str], death: Death) -> io::Result<Ended> {
        let mut running = self.start(arguments, death)?;
        if let Death::After(time) = death {
            tokio::select! {
                _ = running.child.wait() => {}
                () = sleep(time) => running.child.start_kill()?,
            }
        }
        running.end(HANGS_AFTER).await
    }

    /// Starts a command that ends at a failpoint or not at all.
    pub(crate) fn start(&self, arguments: &[&str], death: Death) -> io::Result<Running> {
        let file = self.dir.join(format!("run-{:06}.log", self.runs.fetch_add(1, Relaxed)));
        let output = File::create(&file)?;
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(&self.dir).kill_on_drop(true).stdin(Stdio::null());
        command.stdout(output.try_clone()?).stderr(output);
        command.env_remove("MOVER_FAILPOINT").env_remove("MOVER_CONFIG").env_remove("MOVER_LOG");
        if let Death::At(place) = death {
            command.env("MOVER_FAILPOINT", place);
        }
        Ok(Running { command: arguments.join(" "), child: command.spawn()?, begun: Instant::now(), file })
    }
}

/// A process that has not been reaped; killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    command: String,
    child: Child,
    begun: Instant,
    file: PathBuf,
}

impl Running {
    /// Sends a signal, if it still runs.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id() {
            // It cannot be another process by now: only `end` reaps ours.
            let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
        }
    }

    /// Waits until it ends.
    pub(crate) async fn end(&mut self, limit: Duration) -> io::Result<Ended> {
        let Ok(status) = timeout(limit, self.child.wait()).await else {
            let text = format!("`mover {}` did not end in {limit:?}: {}", self.command, self.file.display());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        };
        let (command, file) = (self.command.clone(), self.file.clone());
        let said = String::from_utf8_lossy(&std::fs::read(&file)?).into_owned();
        Ok(Ended { command, status: status?, took: self.begun.elapsed(), said, file })
    }
}
