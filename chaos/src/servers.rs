//! The servers of a trial: one Postgres with the store `old` and the move log, one with `new`, and a Redis.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mover::embedded::{EmbeddedError, Options, Private, ServerKind};
use rand::seq::IndexedRandom;
use rand::{RngExt, rngs::StdRng};
use tokio::time::sleep;

use crate::link::Link;
use crate::postgres::connect;

/// The store that an org lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Store {
    Old,
    New,
}

impl Store {
    pub(crate) const BOTH: [Self; 2] = [Self::Old, Self::New];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Old => Self::New,
            Self::New => Self::Old,
        }
    }
}

/// Faults of servers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mishap {
    /// A clean restart.
    Restart(Store),
    /// A few of Mover's connections, or all of them, are closed.
    Cut(Store, u8),
    /// SIGKILL, and a start after a while.
    Crash(Store),
    /// What Mover and the server send each other arrives late.
    Delay(Store),
    RedisForgets,
    RedisCrashes,
    RedisCrashesAndForgets,
}

impl Mishap {
    pub(crate) fn choose(random: &mut StdRng) -> Self {
        let store = if random.random() { Store::Old } else { Store::New };
        match random.random_range(0..28) {
            0..3 => Self::Restart(store),
            3..6 => Self::Crash(store),
            6..8 => Self::RedisForgets,
            8 => Self::RedisCrashes,
            9 => Self::RedisCrashesAndForgets,
            10..14 => Self::Delay(store),
            _ => Self::Cut(store, *[1, 1, 2, 100].choose(random).unwrap_or(&1)),
        }
    }
}

pub(crate) struct Servers {
    /// Postgres with `mover` and `old`, and Redis.
    first: Private,
    /// Postgres with `new`.
    second: Private,
    /// Mover's way to them.
    links: [Link; 2],
}

impl Servers {
    /// `programs`: the directories with the programs of the two Postgres, if not the system's.
    pub(crate) async fn start(
        templates: &Path,
        programs: Option<&[PathBuf; 2]>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let options = |index: usize| {
            // A commit that does not wait for the disk is lost when the server is killed within this time.
            let mut options = Options::throwaway().template(templates).postgres_setting("wal_writer_delay", "10s");
            // Redis is looked for in the same directories.
            let path = std::env::var_os("PATH").unwrap_or_default();
            options.program_dirs =
                programs.map(|dirs| std::iter::once(dirs[index].clone()).chain(std::env::split_paths(&path)).collect());
            options
        };
        let (first, second) =
            tokio::try_join!(Private::start(options(0)), async { Private::start(options(1).postgres_only()).await })?;
        first.ensure_database("mover").await?;
        first.ensure_database("old").await?;
        second.ensure_database("new").await?;
        let links = [Link::open(first.postgres_socket_dir())?, Link::open(second.postgres_socket_dir())?];
        let servers = Self { first, second, links };
        for store in Store::BOTH {
            // Mover's commits must be durable all the same; clients ask for it themselves.
            let lazy = "ALTER ROLE mover SET synchronous_commit = off";
            connect(&servers.store_url(store)).await?.batch_execute(lazy).await?;
        }
        Ok(servers)
    }

    fn link(&self, store: Store) -> &Link {
        match store {
            Store::Old => &self.links[0],
            Store::New => &self.links[1],
        }
    }

    /// The address of a database for Mover.
    fn by_link(&self, store: Store, url: &str) -> String {
        let socket_dir = self.socket_dir(store).display().to_string();
        url.replace(&socket_dir, &self.link(store).dir().display().to_string())
    }

    /// The address of a store for Mover.
    pub(crate) fn store_url_for_mover(&self, store: Store) -> String {
        self.by_link(store, &self.store_url(store))
    }

    /// The address of the move log for Mover.
    pub(crate) fn state_url_for_mover(&self) -> String {
        self.by_link(Store::Old, &self.state_url())
    }

    fn postgres(&self, store: Store) -> &Private {
        match store {
            Store::Old => &self.first,
            Store::New => &self.second,
        }
    }

    pub(crate) fn store_url(&self, store: Store) -> String {
        self.postgres(store).postgres_url(store.name())
    }

    /// The server of a store, without the store.
    pub(crate) fn postgres_url(&self, store: Store) -> String {
        self.postgres(store).postgres_url("postgres")
    }

    pub(crate) fn socket_dir(&self, store: Store) -> &Path {
        self.postgres(store).postgres_socket_dir()
    }

    pub(crate) fn state_url(&self) -> String {
        self.first.postgres_url("mover")
    }

    pub(crate) fn redis_url(&self) -> String {
        self.first.redis_url()
    }

    /// Causes a fault; afterwards everything is up again. A server that crashed stays down for a while.
    pub(crate) async fn suffer(&self, mishap: Mishap, away: Duration) -> Result<(), EmbeddedError> {
        match mishap {
            Mishap::Restart(store) => self.postgres(store).restart(ServerKind::Postgres).await,
            Mishap::Cut(store, connections) => {
                self.cut(store, connections).await;
                Ok(())
            }
            Mishap::Crash(store) => crash(self.postgres(store), ServerKind::Postgres, away).await,
            Mishap::Delay(store) => {
                self.link(store).hold(true);
                sleep(away * 3).await;
                self.link(store).hold(false);
                Ok(())
            }
            Mishap::RedisForgets => {
                self.forget().await;
                Ok(())
            }
            Mishap::RedisCrashes => crash(&self.first, ServerKind::Redis, away).await,
            Mishap::RedisCrashesAndForgets => {
                self.forget().await;
                crash(&self.first, ServerKind::Redis, away).await
            }
        }
    }

    async fn cut(&self, store: Store, connections: u8) {
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM (
                 SELECT pid FROM pg_stat_activity WHERE application_name = 'mover' ORDER BY random() LIMIT {connections}
             ) AS some"
        );
        if let Ok(client) = connect(&self.store_url(store)).await {
            // A server that goes down meanwhile has closed them all.
            let _ = client.batch_execute(&sql).await;
        }
    }

    async fn forget(&self) {
        let Ok(client) = redis::Client::open(self.redis_url()) else { return };
        if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
            // A Redis that does not answer has a worse fault already.
            let _: Result<(), _> = redis::cmd("FLUSHALL").query_async(&mut connection).await;
        }
    }
}

async fn crash(server: &Private, kind: ServerKind, away: Duration) -> Result<(), EmbeddedError> {
    server.kill9(kind).await?;
    sleep(away).await;
    server.start_again(kind).await
}
