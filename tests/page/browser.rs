//! Chromium without a window, spoken to in its DevTools protocol.
//!
//! The messages go through pipes (`--remote-debugging-pipe`): JSON, with a zero byte after each. So there is no port that another process
//! else could have, no WebSocket, no driver and no further crate; and a Chromium whose test was killed finds its pipe closed and ends.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What distributions call it.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Chromium expects its pipes as the descriptors 3 and 4, which only a shell can give to a program without unsafe code.
const WITH_PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>&2"#;

const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--disable-gpu",
    // As root there is no sandbox; what is looked at is our own.
    "--no-sandbox",
    // Containers have little of it.
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-extensions",
    "--no-first-run",
    "about:blank",
];

/// Only so that a test that hangs says where.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// A browser with a profile of its own; killed when dropped.
pub(crate) struct Browser {
    child: Child,
    pipe: Mutex<ChildStdin>,
    calls: AtomicU64,
    heard: Arc<Heard>,
    profile: TempDir,
}

/// Messages from Chromium.
#[derive(Default)]
struct Heard {
    /// Callers that wait for an answer. There are none when Chromium has ended.
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    events: Mutex<Vec<Value>>,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let Some(program) = PROGRAMS.into_iter().find(|program| is_installed(program)) else {
            panic!("the page is tested in Chromium, and none of {PROGRAMS:?} is in PATH; next: make setup");
        };
        let profile = tempfile::tempdir().unwrap();
        let log = File::create(log_of(&profile)).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", WITH_PIPES, program]).args(ARGUMENTS);
        command.arg(format!("--user-data-dir={}", profile.path().join("profile").display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        // Its many processes are to end together.
        let mut child = command.process_group(0).spawn().unwrap();
        let pipe = Mutex::new(child.stdin.take().unwrap());
        let stdout = child.stdout.take().unwrap();
        let heard = Arc::new(Heard::default());
        let hearing = heard.clone();
        std::thread::spawn(move || listen(stdout, &hearing));
        Self { child, pipe, calls: AtomicU64::new(1), heard, profile }
    }

    /// Calls a method, in a session with a tab if one is given; the error is why Chromium cannot do that.
    pub(crate) async fn call(&self, session: Option<&str>, method: &str, parameters: Value) -> Result<Value, String> {
        let id = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let (sender, answer) = oneshot::channel();
        self.heard.waiting.lock().unwrap().insert(id, sender);
        let written = self.pipe.lock().unwrap().write_all(format!("{message}\0").as_bytes());
        let answer = match written {
            Ok(()) => {
                timeout(HANGS_AFTER, answer).await.unwrap_or_else(|_| panic!("Chromium does not answer {method}"))
            }
            Err(error) => panic!("Chromium cannot be called: {error}; it said:\n{}", self.said()),
        };
        let mut answer = answer.unwrap_or_else(|_| panic!("Chromium has ended; it said:\n{}", self.said()));
        match answer["error"]["message"].as_str() {
            Some(error) => Err(format!("{method}: {error}")),
            None => Ok(answer["result"].take()),
        }
    }

    /// The unsolicited events so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.heard.events.lock().unwrap().clone()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(log_of(&self.profile)).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.child.id().cast_signed());
        // A process that has ended already needs neither.
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn is_installed(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|dir| dir.join(program).is_file())
}

fn log_of(profile: &TempDir) -> impl AsRef<Path> + use<> {
    profile.path().join("chromium.log")
}

fn listen(stdout: ChildStdout, heard: &Heard) {
    for message in BufReader::new(stdout).split(0).map_while(Result::ok) {
        // It may be killed in the middle of one.
        let Ok(message) = serde_json::from_slice::<Value>(&message) else { break };
        match message["id"].as_u64() {
            Some(id) => {
                if let Some(waiting) = heard.waiting.lock().unwrap().remove(&id) {
                    let _ = waiting.send(message);
                }
            }
            None => heard.events.lock().unwrap().push(message),
        }
    }
    heard.waiting.lock().unwrap().clear();
}
