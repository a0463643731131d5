//! Starting and stopping, common to both servers.
//!
//! A server's standard input is its `alive.lock`, opened and locked by the process that started it. The server and
//! its children never read it, but they hold it, and the kernel releases the lock when the last of them is
//! gone. So whether a server lives is never a guess from a process id in a file, which another process may
//! have by now, even if the Mover that started it was killed.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    ServerKind,
    account::Account,
    error::{DoingTo, EmbeddedError},
    lock::FileLock,
};

const POLL: Duration = Duration::from_millis(4);
const LOG_TAIL_LINES: usize = 15;

/// One kind of server: how it is prepared and run, and how to see that it is ready.
pub(super) trait Daemon: Send + Sync {
    fn kind(&self) -> ServerKind;
    /// Its own directory, with its lock and its log.
    fn dir(&self) -> &Path;
    fn account(&self) -> Account;
    /// Creates everything that the first start needs, and returns the start command. A program that works on the data meanwhile
    /// holds `alive`.
    fn prepare(&self, alive: &FileLock) -> Result<Command, EmbeddedError>;
    /// Whether it accepts connections now.
    fn is_ready(&self) -> bool;
    /// Its main process, from its pid file; valid only while the server is alive.
    fn pid(&self) -> Option<Pid>;
    fn signal(&self, how: Stop) -> Signal;

    fn alive_lock(&self) -> PathBuf {
        self.dir().join("alive.lock")
    }
    fn log(&self) -> PathBuf {
        self.dir().join("log")
    }
}

/// How to stop a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Closes connections, then leaves its data consistent.
    Orderly,
    /// Stops at once. For disposable data.
    AtOnce,
    /// Like a crash: SIGKILL, for the main process only.
    Kill,
}

/// Makes sure that the server runs and accepts connections. Returns whether it had to be started.
pub(super) fn ensure_running(server: &dyn Daemon, limit: Duration) -> Result<bool, EmbeddedError> {
    let waiting_since = Instant::now();
    loop {
        if let Some(alive) = FileLock::try_exclusive(&server.alive_lock())? {
            start(server, &alive)?;
            drop(alive);
            wait_until_ready(server, limit)?;
            tracing::debug!(
                server = %server.kind(), took_ms = waiting_since.elapsed().as_millis(), "started"
            );
            return Ok(true);
        }
        // It runs, or is starting or stopping: another Mover may have been killed while it started it.
        if server.is_ready() {
            return Ok(false);
        }
        if waiting_since.elapsed() > limit {
            return Err(no_answer(server, limit));
        }
        thread::sleep(POLL);
    }
}

fn start(server: &dyn Daemon, alive: &FileLock) -> Result<(), EmbeddedError> {
    tracing::debug!(server = %server.kind(), dir = %server.dir().display(), "starting");
    let mut command = server.prepare(alive)?;
    let log = fresh_log(server)?;
    command
        .current_dir(server.dir())
        .stdin(alive.copy()?)
        .stdout(log.try_clone().doing("opening", &server.log())?)
        .stderr(log)
        // Ctrl-C in the operator's terminal must reach Mover alone, which drains while its servers still work.
        .process_group(0);
    let mut child = server
        .account()
        .runs(&mut command)
        .spawn()
        .map_err(|source| EmbeddedError::Run { program: command.get_program().into(), source })?;
    // Reaps it, so that a dead server does not become a zombie; the log has the reason for its end.
    thread::spawn(move || child.wait());
    Ok(())
}

/// The log of the previous run is kept: it has the reason for its end.
fn fresh_log(server: &dyn Daemon) -> Result<File, EmbeddedError> {
    let log = server.log();
    match fs::rename(&log, log.with_extension("before")) {
        Err(none) if none.kind() == io::ErrorKind::NotFound => {}
        other => other.doing("putting aside", &log)?,
    }
    File::create(&log).doing("creating", &log)
}

fn wait_until_ready(server: &dyn Daemon, limit: Duration) -> Result<(), EmbeddedError> {
    let waiting_since = Instant::now();
    while !server.is_ready() {
        if FileLock::try_exclusive(&server.alive_lock())?.is_some() {
            return Err(EmbeddedError::DidNotStart {
                server: server.kind(),
                log: server.log(),
                tail: tail(&server.log()),
            });
        }
        if waiting_since.elapsed() > limit {
            return Err(no_answer(server, limit));
        }
        thread::sleep(POLL);
    }
    Ok(())
}

/// Stops the server, if it runs, and waits until its last process is gone.
pub(super) fn stop(server: &dyn Daemon, how: Stop, limit: Duration) -> Result<(), EmbeddedError> {
    if end(server, server.signal(how), limit)? {
        return Ok(());
    }
    tracing::warn!(server = %server.kind(), "did not stop in time, killing it");
    if end(server, Signal::SIGKILL, limit)? {
        return Ok(());
    }
    Err(EmbeddedError::DidNotStop { server: server.kind(), dir: server.dir().to_owned(), limit_ms: limit.as_millis() })
}

/// Sends a signal and waits. False if the server still lives after the limit.
fn end(server: &dyn Daemon, signal: Signal, limit: Duration) -> Result<bool, EmbeddedError> {
    let waiting_since = Instant::now();
    let mut signalled = None;
    while FileLock::try_exclusive(&server.alive_lock())?.is_none() {
        // A server that was just started by a killed Mover has not written its process id yet.
        let pid = server.pid();
        if let Some(pid) = pid.filter(|_| pid != signalled) {
            match kill(pid, signal) {
                Ok(()) | Err(Errno::ESRCH) => signalled = Some(pid),
                Err(source) => {
                    return Err(EmbeddedError::Signal { server: server.kind(), pid: pid.as_raw(), source });
                }
            }
        }
        if waiting_since.elapsed() > limit {
            return Ok(false);
        }
        thread::sleep(POLL);
    }
    Ok(true)
}

/// Runs a program on a server's data to its end. It holds `alive`: if we are killed, the next start waits for it.
pub(super) fn run(account: Account, command: &mut Command, alive: &FileLock) -> Result<(), EmbeddedError> {
    command.stdin(alive.copy()?).process_group(0);
    let program = PathBuf::from(command.get_program());
    let output =
        account.runs(command).output().map_err(|source| EmbeddedError::Run { program: program.clone(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(EmbeddedError::Failed {
        program,
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&text).trim().to_owned(),
    })
}

fn no_answer(server: &dyn Daemon, limit: Duration) -> EmbeddedError {
    EmbeddedError::NoAnswer {
        server: server.kind(),
        limit_ms: limit.as_millis(),
        log: server.log(),
        tail: tail(&server.log()),
    }
}

fn tail(log: &Path) -> String {
    let text = match fs::read(log) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => return format!("(unreadable: {error})"),
    };
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}
