//! A throwaway Postgres for tests, gone when dropped.
//!
//! `MOVER_TEST_POSTGRES="DIR DIR"` names the programs of two versions of Postgres: a world of two stores then has a server of the
//! first for the store `old` and everything else, and one of the second for the store `new` (scripts/versions.sh).

use std::path::{Path, PathBuf};

use mover::embedded::{Options, Private, ServerKind};
use tokio_postgres::{Client, NoTls};

/// The store that has a server of its own if two versions are tested.
const TARGET: &str = "new";

/// A running server, or one for each store. All roles may log in, but `guarded` needs its password `secret`.
pub(crate) struct Server {
    source: Private,
    target: Option<Private>,
}

#[allow(dead_code, reason = "each test binary uses its part")]
impl Server {
    /// Starts one and waits until it answers.
    pub(crate) async fn start() -> Self {
        match versions() {
            None => Self { source: start(None).await, target: None },
            Some([source, target]) => {
                let (source, target) = tokio::join!(start(Some(source)), start(Some(target)));
                Self { source, target: Some(target) }
            }
        }
    }

    fn of(&self, database: &str) -> &Private {
        self.target.as_ref().filter(|_| database == TARGET).unwrap_or(&self.source)
    }

    fn all(&self) -> impl Iterator<Item = &Private> {
        std::iter::once(&self.source).chain(&self.target)
    }

    /// Makes a database on the server that it belongs to.
    pub(crate) async fn create_database(&self, name: &str) {
        connect(self.of(name), "postgres").await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    }

    /// Runs a statement about roles, which concerns all databases.
    pub(crate) async fn everywhere(&self, sql: &str) {
        for server in self.all() {
            connect(server, "postgres").await.batch_execute(sql).await.unwrap();
        }
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_as("mover", database)
    }

    /// The same for another user, perhaps with a password: `guarded:secret`.
    pub(crate) fn url_as(&self, user: &str, database: &str) -> String {
        self.of(database).postgres_url(database).replace("mover@", &format!("{user}@"))
    }

    /// Where the socket of a database's server is.
    pub(crate) fn socket_dir(&self, database: &str) -> &Path {
        self.of(database).postgres_socket_dir()
    }

    /// A connection of one's own.
    pub(crate) async fn connect(&self, database: &str) -> Client {
        connect(self.of(database), database).await
    }

    /// Ends every connection at once and starts again.
    pub(crate) async fn restart(&self) {
        for server in self.all() {
            server.restart(ServerKind::Postgres).await.unwrap();
        }
    }

    /// Ends it as a power cut would, and starts it again.
    pub(crate) async fn crash(&self) {
        for server in self.all() {
            server.kill9(ServerKind::Postgres).await.unwrap();
            server.start_again(ServerKind::Postgres).await.unwrap();
        }
    }
}

fn versions() -> Option<[PathBuf; 2]> {
    let dirs = std::env::var("MOVER_TEST_POSTGRES").ok()?;
    let dirs: Vec<PathBuf> = dirs.split_whitespace().map(PathBuf::from).collect();
    Some(dirs.try_into().expect("MOVER_TEST_POSTGRES names two directories"))
}

async fn start(programs: Option<PathBuf>) -> Private {
    let templates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
    let mut options =
        Options::throwaway().postgres_only().template(templates).postgres_setting("max_prepared_transactions", "4");
    options.program_dirs = programs.map(|dir| vec![dir]);
    let server = Private::start(options).await.unwrap();
    let access = "local all guarded scram-sha-256\nlocal all all trust\n";
    let postgres = connect(&server, "postgres").await;
    let file: String = postgres.query_one("SHOW hba_file", &[]).await.unwrap().get(0);
    std::fs::write(file, access).unwrap();
    postgres.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    server
}

async fn connect(server: &Private, database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.postgres_url(database), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
