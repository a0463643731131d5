//! The servers of one directory, and the count of their users.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{
    Left, ServerKind,
    daemon::{self, Daemon, Stop},
    error::EmbeddedError,
    lock::FileLock,
    options::Options,
    postgres::Postgres,
    redis::Redis,
    servers_dir::ServersDir,
};

/// Our share in the servers of one directory.
pub(super) struct Pair {
    place: Place,
    options: Options,
    /// A shared lock that every user holds; `None` once we have left.
    membership: Mutex<Option<FileLock>>,
}

/// Both servers of one directory, whether they run or not.
struct Place {
    servers_dir: ServersDir,
    sockets: PathBuf,
    postgres: Postgres,
    redis: Redis,
}

impl Place {
    /// Only under the start lock: it creates and records directories.
    fn find(servers_dir: ServersDir, options: &Options) -> Result<Self, EmbeddedError> {
        let data = servers_dir.data_dir(options)?;
        let sockets = servers_dir.socket_dir(&data)?;
        let (postgres, redis) = (data.join("postgres"), data.join("redis"));
        for dir in [&sockets, &postgres, &redis] {
            servers_dir.make_servers_dir(dir)?;
        }
        let account = servers_dir.account();
        Ok(Self {
            postgres: Postgres::new(postgres, sockets.clone(), account, options),
            redis: Redis::new(redis, redis_socket(&sockets), account, options),
            servers_dir,
            sockets,
        })
    }

    /// All of them: another process may have requested the others.
    fn stop(&self, how: Stop, options: &Options) -> Result<(), EmbeddedError> {
        let redis = daemon::stop(&self.redis, how, options.stop_limit);
        daemon::stop(&self.postgres, how, options.stop_limit).and(redis)
    }
}

fn redis_socket(sockets: &Path) -> PathBuf {
    sockets.join("redis.sock")
}

impl Pair {
    /// Becomes a user of the directory's servers and makes sure that they run.
    pub(super) fn join(dir: &Path, options: Options) -> Result<Self, EmbeddedError> {
        let servers_dir = ServersDir::open(dir)?;
        let start = servers_dir.lock_start()?;
        let users = servers_dir.users_lock();
        let pair = Self {
            place: Place::find(servers_dir, &options)?,
            options,
            membership: Mutex::new(Some(FileLock::shared(&users)?)),
        };
        if let Err(error) = pair.ensure_running() {
            // The servers that we started must stop, unless other processes use them. The first error is the relevant one.
            if let Err(second) = pair.leave_locked(&start, Stop::Orderly) {
                tracing::warn!(error = %second, "stopping the servers again");
            }
            return Err(error);
        }
        Ok(pair)
    }

    fn ensure_running(&self) -> Result<Vec<ServerKind>, EmbeddedError> {
        let mut started = Vec::new();
        for server in self.servers() {
            if daemon::ensure_running(server, self.options.start_limit)? {
                started.push(server.kind());
            }
        }
        Ok(started)
    }

    pub(super) fn heal(&self) -> Result<Vec<ServerKind>, EmbeddedError> {
        let _start = self.place.servers_dir.lock_start()?;
        self.ensure_running()
    }

    pub(super) fn leave(&self) -> Result<Left, EmbeddedError> {
        self.leave_and(Stop::Orderly)
    }

    pub(super) fn leave_and(&self, how: Stop) -> Result<Left, EmbeddedError> {
        if self.has_left() {
            return Ok(Left::StillUsed);
        }
        let start = self.place.servers_dir.lock_start()?;
        self.leave_locked(&start, how)
    }

    fn leave_locked(&self, _start: &FileLock, how: Stop) -> Result<Left, EmbeddedError> {
        let users = self.place.servers_dir.users_lock();
        let membership = self.membership.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(membership) = membership {
            membership.release()?;
        }
        if FileLock::try_exclusive(&users)?.is_none() {
            return Ok(Left::StillUsed);
        }
        self.place.stop(how, &self.options)?;
        Ok(Left::Stopped)
    }

    fn has_left(&self) -> bool {
        self.membership.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Stops one server, like an accident or an administrator. No other process can start it meanwhile.
    pub(super) fn end(&self, kind: ServerKind, how: Stop) -> Result<(), EmbeddedError> {
        let _start = self.place.servers_dir.lock_start()?;
        daemon::stop(self.server(kind), how, self.options.stop_limit)
    }

    /// Starts one server.
    pub(super) fn begin(&self, kind: ServerKind) -> Result<bool, EmbeddedError> {
        let _start = self.place.servers_dir.lock_start()?;
        daemon::ensure_running(self.server(kind), self.options.start_limit)
    }

    pub(super) fn remove(&self) -> Result<(), EmbeddedError> {
        self.place.servers_dir.remove()
    }

    fn server(&self, kind: ServerKind) -> &dyn Daemon {
        match kind {
            ServerKind::Postgres => &self.place.postgres,
            ServerKind::Redis => &self.place.redis,
        }
    }

    /// Whether we requested a server of this kind.
    pub(super) fn runs(&self, kind: ServerKind) -> bool {
        match kind {
            ServerKind::Postgres => self.options.postgres,
            ServerKind::Redis => self.options.redis,
        }
    }

    fn servers(&self) -> impl Iterator<Item = &dyn Daemon> {
        [ServerKind::Postgres, ServerKind::Redis]
            .into_iter()
            .filter(|kind| self.runs(*kind))
            .map(|kind| self.server(kind))
    }

    pub(super) fn socket_dir(&self) -> &Path {
        &self.place.sockets
    }

    pub(super) fn redis_socket(&self) -> PathBuf {
        redis_socket(&self.place.sockets)
    }

    pub(super) fn logs(&self) -> Vec<PathBuf> {
        self.servers().map(Daemon::log).collect()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if self.has_left() {
            return;
        }
        if let Err(error) = self.leave() {
            tracing::error!(%error, dir = %self.place.servers_dir.dir().display(), "leaving the private servers");
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("dir", &self.place.servers_dir.dir())
            .field("sockets", &self.place.sockets)
            .finish_non_exhaustive()
    }
}

/// Stops the servers of a directory and deletes it. Returns whether it existed.
pub(super) fn clean(dir: &Path) -> Result<bool, EmbeddedError> {
    let Some(servers_dir) = ServersDir::find(dir)? else {
        return Ok(false);
    };
    let _start = servers_dir.lock_start()?;
    if FileLock::try_exclusive(&servers_dir.users_lock())?.is_none() {
        return Err(EmbeddedError::InUse { dir: servers_dir.dir().to_owned() });
    }
    let options = Options::default();
    let place = Place::find(servers_dir, &options)?;
    // The data are disposable.
    place.stop(Stop::AtOnce, &options)?;
    place.servers_dir.remove()?;
    Ok(true)
}
