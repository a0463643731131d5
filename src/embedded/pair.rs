//! The servers of one directory together, and the counting of those who use them.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{
    Left, ServerKind,
    daemon::{self, Daemon, Stop},
    error::EmbeddedError,
    home::Home,
    lock::FileLock,
    options::Options,
    postgres::Postgres,
    redis::Redis,
};

/// Our share in the servers of one directory.
pub(super) struct Pair {
    place: Place,
    options: Options,
    /// Held shared by every user; nothing once we have left.
    membership: Mutex<Option<FileLock>>,
}

/// Both servers of one directory, whether they run or not.
struct Place {
    home: Home,
    sockets: PathBuf,
    postgres: Postgres,
    redis: Redis,
}

impl Place {
    /// Only under the start lock: it makes and records directories.
    fn find(home: Home, options: &Options) -> Result<Self, EmbeddedError> {
        let data = home.data_dir(options)?;
        let sockets = home.socket_dir(&data)?;
        let (postgres, redis) = (data.join("postgres"), data.join("redis"));
        for dir in [&sockets, &postgres, &redis] {
            home.make_servers_dir(dir)?;
        }
        let account = home.account();
        Ok(Self {
            postgres: Postgres::new(postgres, sockets.clone(), account, options),
            redis: Redis::new(redis, redis_socket(&sockets), account, options),
            home,
            sockets,
        })
    }

    /// All of them, also those that we did not ask for: somebody else may have.
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
        let home = Home::open(dir)?;
        let start = home.lock_start()?;
        let users = home.users_lock();
        let pair = Self {
            place: Place::find(home, &options)?,
            options,
            membership: Mutex::new(Some(FileLock::shared(&users)?)),
        };
        if let Err(error) = pair.ensure_running() {
            // What did start must not stay behind, unless others use it. The first error says what is wrong.
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
        let _start = self.place.home.lock_start()?;
        self.ensure_running()
    }

    pub(super) fn leave(&self) -> Result<Left, EmbeddedError> {
        self.leave_and(Stop::Orderly)
    }

    pub(super) fn leave_and(&self, how: Stop) -> Result<Left, EmbeddedError> {
        if self.has_left() {
            return Ok(Left::StillUsed);
        }
        let start = self.place.home.lock_start()?;
        self.leave_locked(&start, how)
    }

    fn leave_locked(&self, _start: &FileLock, how: Stop) -> Result<Left, EmbeddedError> {
        let users = self.place.home.users_lock();
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

    /// Ends one server, as an accident or an administrator would. Nobody can start it again meanwhile.
    pub(super) fn end(&self, kind: ServerKind, how: Stop) -> Result<(), EmbeddedError> {
        let _start = self.place.home.lock_start()?;
        daemon::stop(self.server(kind), how, self.options.stop_limit)
    }

    /// Starts one server.
    pub(super) fn begin(&self, kind: ServerKind) -> Result<bool, EmbeddedError> {
        let _start = self.place.home.lock_start()?;
        daemon::ensure_running(self.server(kind), self.options.start_limit)
    }

    pub(super) fn remove(&self) -> Result<(), EmbeddedError> {
        self.place.home.remove()
    }

    fn server(&self, kind: ServerKind) -> &dyn Daemon {
        match kind {
            ServerKind::Postgres => &self.place.postgres,
            ServerKind::Redis => &self.place.redis,
        }
    }

    /// Whether we asked for a server of this kind.
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
            tracing::error!(%error, dir = %self.place.home.dir().display(), "leaving the private servers");
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("dir", &self.place.home.dir())
            .field("sockets", &self.place.sockets)
            .finish_non_exhaustive()
    }
}

/// Stops the servers of a directory and deletes it. Tells whether it was there.
pub(super) fn clean(dir: &Path) -> Result<bool, EmbeddedError> {
    let Some(home) = Home::find(dir)? else {
        return Ok(false);
    };
    let _start = home.lock_start()?;
    if FileLock::try_exclusive(&home.users_lock())?.is_none() {
        return Err(EmbeddedError::InUse { dir: home.dir().to_owned() });
    }
    let options = Options::default();
    let place = Place::find(home, &options)?;
    // Nobody will read these data again.
    place.stop(Stop::AtOnce, &options)?;
    place.home.remove()?;
    Ok(true)
}
