//! The private Postgres.

use std::{
    fs, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
};

use nix::{sys::signal::Signal, unistd::Pid};
use uuid::Uuid;

use super::{
    ServerKind,
    account::Account,
    binaries::{self, PostgresPrograms},
    daemon::{Daemon, Stop, run},
    error::{DoingTo, EmbeddedError},
    lock::FileLock,
    options::Options,
};

/// The role of all clients in the private Postgres.
pub(super) const USER: &str = "mover";
/// Part of the socket's name only: nothing listens on this port.
pub(super) const PORT: u16 = 5432;

/// The private Postgres.
pub(super) struct Postgres {
    dir: PathBuf,
    sockets: PathBuf,
    account: Account,
    options: Options,
}

impl Postgres {
    pub(super) fn new(dir: PathBuf, sockets: PathBuf, account: Account, options: &Options) -> Self {
        Self { dir, sockets, account, options: options.clone() }
    }

    /// The installed programs that can work with the existing data, if there are any.
    fn programs(&self) -> Result<PostgresPrograms, EmbeddedError> {
        let data = self.data();
        let written_by = data_major(&data)?;
        let dirs = self.options.program_dirs.as_deref();
        let programs = binaries::find_postgres(dirs, written_by.as_deref())?;
        match written_by.filter(|major| *major != programs.major) {
            None => Ok(programs),
            Some(data_major) => Err(EmbeddedError::OtherMajor {
                data,
                data_major,
                server: programs.postgres,
                server_major: programs.major,
            }),
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn make_data(&self, programs: &PostgresPrograms, alive: &FileLock) -> Result<(), EmbeddedError> {
        let unfinished = self.dir.join("data.unfinished");
        match fs::remove_dir_all(&unfinished) {
            Err(none) if none.kind() == io::ErrorKind::NotFound => {}
            other => other.doing("removing", &unfinished)?,
        }
        // A template can be copied only to the user and by the version that created it.
        let name = format!("postgres-{}-of-{}", programs.major, self.account.uid());
        match self.options.template_dir.as_ref().map(|dir| dir.join(name)) {
            Some(template) if template.exists() => copy_dir(&template, &unfinished, alive)?,
            Some(template) => {
                self.initdb(&programs.initdb, &unfinished, alive)?;
                keep_as_template(&unfinished, &template, alive)?;
            }
            None => self.initdb(&programs.initdb, &unfinished, alive)?,
        }
        fs::rename(&unfinished, self.data()).doing("creating", &self.data())
    }

    fn initdb(&self, program: &Path, data: &Path, alive: &FileLock) -> Result<(), EmbeddedError> {
        tracing::info!(data = %data.display(), "making a Postgres data directory");
        let mut initdb = Command::new(program);
        initdb
            .current_dir(&self.dir)
            .arg("--pgdata")
            .arg(data)
            .args(["--username", USER, "--auth=trust"])
            .args(["--locale=C.UTF-8", "--encoding=UTF8"]);
        if !self.options.durable {
            initdb.arg("--no-sync");
        }
        forget_postgres_variables(&mut initdb);
        run(self.account, &mut initdb, alive)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("-D").arg(self.data()).arg("-k").arg(&self.sockets).args(["-p", &PORT.to_string()]);
        // No port: only a user who may enter the directory of the socket can be the superuser `mover`.
        let always = [
            ("listen_addresses", ""),
            ("unix_socket_permissions", "0700"),
            ("max_connections", "200"),
            ("cluster_name", "mover"),
        ];
        // With these a crash of the machine may lose the data, a crash of Postgres does not.
        let throwaway = [("fsync", "off"), ("full_page_writes", "off")];
        let durability: &[_] = if self.options.durable { &[] } else { &throwaway };
        for (name, value) in always.iter().chain(durability) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        for (name, value) in &self.options.postgres_settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        forget_postgres_variables(&mut command);
        command
    }
}

impl Daemon for Postgres {
    fn kind(&self) -> ServerKind {
        ServerKind::Postgres
    }

    fn dir(&self) -> &Path {
        &self.dir
    }

    fn account(&self) -> Account {
        self.account
    }

    fn prepare(&self, alive: &FileLock) -> Result<Command, EmbeddedError> {
        let programs = self.programs()?;
        if self.data().exists() {
            remove_stale_pid_file(&self.data())?;
        } else {
            self.make_data(&programs, alive)?;
        }
        Ok(self.command(&programs.postgres))
    }

    fn is_ready(&self) -> bool {
        // The file alone is not enough: it still says so after a SIGKILL.
        let socket = self.sockets.join(format!(".s.PGSQL.{PORT}"));
        pid_file_line(&self.data(), 8).is_some_and(|state| state == "ready") && UnixStream::connect(socket).is_ok()
    }

    fn pid(&self) -> Option<Pid> {
        let pid = pid_file_line(&self.data(), 1)?.parse().ok()?;
        Some(Pid::from_raw(pid))
    }

    fn signal(&self, how: Stop) -> Signal {
        match how {
            Stop::Orderly => Signal::SIGINT,
            Stop::AtOnce => Signal::SIGQUIT,
            Stop::Kill => Signal::SIGKILL,
        }
    }
}

/// The version that wrote a data directory, or `None` if there is none.
fn data_major(data: &Path) -> Result<Option<String>, EmbeddedError> {
    let path = data.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(major) => Ok(Some(major.trim().to_owned())),
        Err(none) if none.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(source).doing("reading", &path),
    }
}

/// Lines: process, data directory, start time, port, socket directory, address, shared memory, state.
fn pid_file_line(data: &Path, number: usize) -> Option<String> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let line = text.lines().nth(number.checked_sub(1)?)?;
    Some(line.trim().to_owned())
}

/// After a crash, Postgres takes its old process id for a running server if any process of the same user has that id now, as
/// happens in a container that starts again. If that process works in another directory, the file is stale.
fn remove_stale_pid_file(data: &Path) -> Result<(), EmbeddedError> {
    let Some(pid) = pid_file_line(data, 1) else {
        return Ok(());
    };
    let works_elsewhere = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd != data);
    if works_elsewhere {
        let file = data.join("postmaster.pid");
        fs::remove_file(&file).doing("removing", &file)?;
    }
    Ok(())
}

/// A copy gets the template's name when it is complete.
fn keep_as_template(data: &Path, template: &Path, alive: &FileLock) -> Result<(), EmbeddedError> {
    let unfinished = template.with_extension(Uuid::new_v4().simple().to_string());
    if let Some(parent) = template.parent() {
        fs::create_dir_all(parent).doing("creating", parent)?;
    }
    copy_dir(data, &unfinished, alive)?;
    match fs::rename(&unfinished, template) {
        // Another process was faster.
        Err(_) if template.exists() => fs::remove_dir_all(&unfinished).doing("removing", &unfinished),
        other => other.doing("creating", template),
    }
}

/// With owners and modes, without which Postgres refuses the data.
fn copy_dir(from: &Path, to: &Path, alive: &FileLock) -> Result<(), EmbeddedError> {
    let mut copy = Command::new("cp");
    copy.arg("-Rp").arg(from).arg(to);
    run(Account::Own, &mut copy, alive)
}

/// The operator's PGPORT and the like are meant for other servers.
fn forget_postgres_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
}
