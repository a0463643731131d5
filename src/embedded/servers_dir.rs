//! The directory of the private servers: its owner, and its contents.
//!
//! ```text
//! .mover/
//!   start.lock    held exclusively while servers are started, stopped or cleaned away
//!   users.lock    held shared by all processes that use the servers
//!   moved-to      where the data is, if the servers' user cannot enter this directory
//!   sockets-in    where the sockets are, if their path here would not do
//!   postgres/     alive.lock, log, data/
//!   redis/        alive.lock, log, appendonlydir/
//!   run/          the sockets
//! ```

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use nix::unistd::Uid;
use uuid::Uuid;

use super::{
    account::{Account, name_of},
    error::{DoingTo, EmbeddedError},
    lock::FileLock,
    options::Options,
};

/// The kernel allows about a hundred bytes for the path of a socket, to which Postgres adds `/.s.PGSQL.5432`.
const SOCKET_DIR_LEN_MAX: usize = 80;

/// The directory that the operator knows, usually `.mover`.
#[derive(Clone, Debug)]
pub(super) struct ServersDir {
    dir: PathBuf,
    account: Account,
}

impl ServersDir {
    /// Creates the directory if it is missing, and checks that it is ours.
    pub(super) fn open(dir: &Path) -> Result<Self, EmbeddedError> {
        let account = Account::for_servers()?;
        if !dir.exists() {
            make_dir(dir, account.parent_mode())?;
        }
        let dir = dir.canonicalize().doing("finding", dir)?;
        let dir = Self { dir, account };
        dir.check_owner()?;
        Ok(dir)
    }

    /// The directory if Mover created it before, or `None` if there is none.
    pub(super) fn find(dir: &Path) -> Result<Option<Self>, EmbeddedError> {
        if !dir.exists() {
            return Ok(None);
        }
        let dir = Self::open(dir)?;
        if !dir.start_lock().exists() {
            return Err(EmbeddedError::NotOurs { dir: dir.dir });
        }
        Ok(Some(dir))
    }

    fn check_owner(&self) -> Result<(), EmbeddedError> {
        let owner = self.dir.metadata().doing("looking at", &self.dir)?.uid();
        let us = Uid::effective().as_raw();
        if owner == us {
            return Ok(());
        }
        Err(EmbeddedError::OtherOwner { dir: self.dir.clone(), owner: name_of(owner), us: name_of(us) })
    }

    /// Waits for the right to start and stop servers here.
    pub(super) fn lock_start(&self) -> Result<FileLock, EmbeddedError> {
        loop {
            if !self.dir.exists() {
                make_dir(&self.dir, self.account.parent_mode())?;
            }
            let lock = FileLock::exclusive(&self.start_lock())?;
            // While we waited, `mover clean` may have removed the directory and its lock.
            if lock.is_in_place() {
                return Ok(lock);
            }
        }
    }

    fn start_lock(&self) -> PathBuf {
        self.dir.join("start.lock")
    }

    pub(super) fn users_lock(&self) -> PathBuf {
        self.dir.join("users.lock")
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn account(&self) -> Account {
        self.account
    }

    /// The directory of the servers' data: here, or where their user can enter.
    pub(super) fn data_dir(&self, options: &Options) -> Result<PathBuf, EmbeddedError> {
        let record = self.dir.join("moved-to");
        if let Some(elsewhere) = read_record(&record)? {
            return Ok(elsewhere);
        }
        if self.account.can_enter(&self.dir)? {
            return Ok(self.dir.clone());
        }
        let base = &options.root_data_dir;
        if !base.exists() {
            make_dir(base, 0o711)?;
        }
        let elsewhere = base.join(Uuid::new_v4().simple().to_string());
        make_dir(&elsewhere, 0o711)?;
        write_record(&record, &elsewhere)?;
        tracing::info!(
            dir = %self.dir.display(), data = %elsewhere.display(),
            "the servers' user cannot enter the directory, so their data is kept elsewhere"
        );
        Ok(elsewhere)
    }

    /// The directory of the sockets: beside the data, or in a short directory of their own.
    pub(super) fn socket_dir(&self, data_dir: &Path) -> Result<PathBuf, EmbeddedError> {
        let beside = data_dir.join("run");
        if is_plain_and_short(&beside) {
            return Ok(beside);
        }
        let record = self.dir.join("sockets-in");
        // The system may have emptied /tmp since, and another user may have created a directory of that name.
        if let Some(dir) = read_record(&record)?
            && dir.symlink_metadata().is_ok_and(|found| found.is_dir() && found.uid() == self.account.uid())
        {
            return Ok(dir);
        }
        let short = Uuid::new_v4().simple().to_string();
        let dir = Path::new("/tmp").join(format!("mover-{}", &short[..12]));
        self.make_servers_dir(&dir)?;
        write_record(&record, &dir)?;
        Ok(dir)
    }

    /// Creates a directory that belongs to the servers' user alone.
    pub(super) fn make_servers_dir(&self, dir: &Path) -> Result<(), EmbeddedError> {
        if dir.exists() {
            return Ok(());
        }
        make_dir(dir, 0o700)?;
        self.account.owns(dir)
    }

    /// Deletes everything, including directories elsewhere. The servers must be down.
    pub(super) fn remove(&self) -> Result<(), EmbeddedError> {
        for record in ["moved-to", "sockets-in"] {
            if let Some(elsewhere) = read_record(&self.dir.join(record))? {
                remove_dir(&elsewhere)?;
            }
        }
        remove_dir(&self.dir)
    }
}

fn make_dir(dir: &Path, mode: u32) -> Result<(), EmbeddedError> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).doing("creating", parent)?;
    }
    match DirBuilder::new().mode(mode).create(dir) {
        // Another process was faster; callers check who owns the directory.
        Err(made) if made.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        other => other.doing("creating", dir)?,
    }
    // The process's umask may have removed rights that the servers' user needs.
    fs::set_permissions(dir, Permissions::from_mode(mode)).doing("setting the mode of", dir)
}

fn remove_dir(dir: &Path) -> Result<(), EmbeddedError> {
    match fs::remove_dir_all(dir) {
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.doing("removing", dir),
    }
}

fn read_record(record: &Path) -> Result<Option<PathBuf>, EmbeddedError> {
    match fs::read_to_string(record) {
        Ok(path) => Ok(Some(PathBuf::from(path.trim_end()))),
        Err(none) if none.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(source).doing("reading", record),
    }
}

/// Written beside and renamed, so that a record is either complete or missing.
fn write_record(record: &Path, path: &Path) -> Result<(), EmbeddedError> {
    let unfinished = record.with_extension("new");
    fs::write(&unfinished, path.as_os_str().as_bytes()).doing("writing", &unfinished)?;
    fs::rename(&unfinished, record).doing("writing", record)
}

/// Plain, because commas, quotes and spaces have a meaning in Postgres settings and in URLs.
fn is_plain_and_short(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    bytes.len() <= SOCKET_DIR_LEN_MAX && bytes.iter().all(plain)
}
