//! The program under test as a process: started, read from, killed.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Only so that a test that hangs says where.
const HANGS_AFTER: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until something is true.
pub(crate) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            sleep(LOOK_EVERY).await;
        }
    };
    assert!(timeout(HANGS_AFTER, waiting).await.is_ok(), "it never came about that {what}");
}

/// A running `mover`; killed when dropped.
pub(crate) struct Program {
    child: Child,
    said: watch::Receiver<String>,
    answer: JoinHandle<String>,
    listener: JoinHandle<()>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Standard output.
    pub(crate) answer: String,
    /// Standard error.
    pub(crate) said: String,
}

impl Program {
    /// Starts `mover` in a directory, where its mover.toml is. With a failpoint it kills itself there.
    pub(crate) fn start(dir: &Path, arguments: &[&str], failpoint: Option<&str>) -> Self {
        Self::fed(dir, arguments, failpoint, "")
    }

    /// The same, with something on its standard input.
    pub(crate) fn fed(dir: &Path, arguments: &[&str], failpoint: Option<&str>, input: &str) -> Self {
        let (program, mut stdin) = Self::open(dir, arguments, failpoint);
        let input = input.to_owned();
        tokio::spawn(async move {
            // A killed process reads no more.
            let _ = stdin.write_all(input.as_bytes()).await;
        });
        program
    }

    /// The same, with its standard input to write to; it ends when that is dropped.
    pub(crate) fn open(dir: &Path, arguments: &[&str], failpoint: Option<&str>) -> (Self, ChildStdin) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mover"));
        command.args(arguments).current_dir(dir).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_remove("MOVER_FAILPOINT").env_remove("MOVER_CONFIG").env_remove("MOVER_LOG");
        command.env_remove("MOVER_CONNECT").env_remove("MOVER_TOKEN");
        if let Some(place) = failpoint {
            command.env("MOVER_FAILPOINT", place);
        }
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let answer = tokio::spawn(async move {
            let mut text = String::new();
            stdout.read_to_string(&mut text).await.unwrap();
            text
        });
        let (heard, said) = watch::channel(String::new());
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listener = tokio::spawn(async move {
            while let Some(line) = lines.next_line().await.unwrap() {
                heard.send_modify(|text| text.extend([line.as_str(), "\n"]));
            }
        });
        (Self { child, said, answer, listener }, stdin)
    }

    /// Waits until it has printed a text on standard error; returns everything that it has printed there.
    pub(crate) async fn says(&mut self, text: &str) -> String {
        let heard = timeout(HANGS_AFTER, self.said.wait_for(|said| said.contains(text))).await;
        let heard = heard.ok().and_then(|heard| heard.ok().map(|said| said.clone()));
        heard.unwrap_or_else(|| panic!("mover never said {text:?}, but:\n{}", *self.said.borrow()))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().expect("mover still runs");
        kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
    }

    /// Kills it as a power cut would, if it still runs.
    pub(crate) async fn kill9(mut self) -> Ended {
        self.child.start_kill().unwrap();
        self.end().await
    }

    /// Waits until it ends.
    pub(crate) async fn end(mut self) -> Ended {
        let Ok(status) = timeout(HANGS_AFTER, self.child.wait()).await else {
            panic!("mover does not end; it said:\n{}", *self.said.borrow());
        };
        self.listener.await.unwrap();
        let said = self.said.borrow().clone();
        Ended { status: status.unwrap(), answer: self.answer.await.unwrap(), said }
    }
}

impl Ended {
    /// It must have ended with this exit code.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// It must have been ended by SIGKILL, and by nothing else.
    #[track_caller]
    pub(crate) fn by_sigkill(self) -> Self {
        assert_eq!(self.status.signal(), Some(Signal::SIGKILL as i32), "it should have been killed: {self}");
        self
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\nit answered:\n{}\nit said:\n{}", self.status, self.answer, self.said)
    }
}
