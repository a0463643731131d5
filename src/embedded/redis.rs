//! The private Redis.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::{sys::signal::Signal, unistd::Pid};

use super::{
    ServerKind,
    account::Account,
    binaries,
    daemon::{Daemon, Stop},
    error::{DoingTo, EmbeddedError},
    lock::FileLock,
    options::Options,
};

const PING_LIMIT: Duration = Duration::from_secs(1);

/// The private Redis.
pub(super) struct Redis {
    dir: PathBuf,
    socket: PathBuf,
    account: Account,
    options: Options,
}

impl Redis {
    pub(super) fn new(dir: PathBuf, socket: PathBuf, account: Account, options: &Options) -> Self {
        Self { dir, socket, account, options: options.clone() }
    }

    fn pid_file(&self) -> PathBuf {
        self.dir.join("pid")
    }

    fn ping(&self) -> io::Result<bool> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PING_LIMIT))?;
        stream.write_all(b"PING\r\n")?;
        // While it loads its data, it answers with an error.
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG")
    }
}

impl Daemon for Redis {
    fn kind(&self) -> ServerKind {
        ServerKind::Redis
    }

    fn dir(&self) -> &Path {
        &self.dir
    }

    fn account(&self) -> Account {
        self.account
    }

    fn prepare(&self, _alive: &FileLock) -> Result<Command, EmbeddedError> {
        match fs::remove_file(self.pid_file()) {
            Err(none) if none.kind() == io::ErrorKind::NotFound => {}
            other => other.doing("removing", &self.pid_file())?,
        }
        let program = binaries::find_redis(self.options.program_dirs.as_deref())?;
        let fsync = if self.options.redis_fsync_always { "always" } else { "everysec" };
        let mut command = Command::new(program);
        // No port: only a user who may enter the directory of the socket can connect.
        command
            .args(["--port", "0", "--unixsocketperm", "700", "--unixsocket"])
            .arg(&self.socket)
            // Names relative to its own directory need no quoting.
            .args(["--dir", "./", "--pidfile", "pid"])
            .args(["--daemonize", "no", "--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", fsync]);
        Ok(command)
    }

    fn is_ready(&self) -> bool {
        self.ping().unwrap_or(false)
    }

    fn pid(&self) -> Option<Pid> {
        let pid = fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()?;
        Some(Pid::from_raw(pid))
    }

    fn signal(&self, how: Stop) -> Signal {
        match how {
            Stop::Orderly => Signal::SIGTERM,
            Stop::AtOnce | Stop::Kill => Signal::SIGKILL,
        }
    }
}
