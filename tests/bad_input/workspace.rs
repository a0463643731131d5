//! A place to call `mover` from: a directory with a configuration and a small migration, and servers that it leads to.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use mover::embedded::{Options, Private};
use serde_json::Value;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// Must never appear in any output.
pub(crate) const PASSWORD: &str = "hunter2-is-secret";

pub(crate) const DEFINITION: &str = include_str!("small.toml");

/// A directory without servers.
pub(crate) struct Workspace {
    dir: TempDir,
}

/// A directory and the servers that its configuration names. The store `old` has four orgs with five items each.
pub(crate) struct Served {
    pub(crate) servers: Private,
    place: Workspace,
}

/// The output of the program, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Workspace {
    /// With this configuration and a directory `migrations` that holds `small.toml`.
    pub(crate) fn with(configuration: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("migrations")).unwrap();
        let place = Self { dir };
        place.write("mover.toml", configuration);
        place.write("migrations/small.toml", DEFINITION);
        place
    }

    /// A directory with nothing in it.
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn has_private_servers(&self) -> bool {
        self.dir.path().join(".mover").exists()
    }

    pub(crate) fn assert_nothing_was_started(&self) {
        assert!(!self.has_private_servers(), "private servers were started");
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.dir.path().join(file), text).unwrap();
    }

    /// Calls the program.
    pub(crate) fn mover(&self, arguments: &[&str]) -> Said {
        self.mover_with(arguments, &[])
    }

    /// Calls the program with these environment variables.
    pub(crate) fn mover_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
        run(self.dir.path(), arguments, variables)
    }

    /// Carries out one command.
    pub(crate) fn exec(&self, command: &str) -> Said {
        self.mover(&["exec", "--yes", command])
    }
}

impl Served {
    /// With servers of its own.
    pub(crate) async fn new() -> Self {
        let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgres-template");
        let servers = Private::start(Options::throwaway().template(template)).await.unwrap();
        for database in ["mover", "old", "new"] {
            servers.ensure_database(database).await.unwrap();
        }
        let place = Workspace::with(&configuration(&servers));
        let served = Self { servers, place };
        for store in ["old", "new"] {
            served.sql(store, include_str!("tables.sql")).await;
        }
        served.sql("old", include_str!("rows.sql")).await;
        served.sql("new", "SELECT setval('items_id_seq', 1000000)").await;
        served.exec("darklaunch default cell=old").with_code(0);
        served
    }

    /// The same, with all orgs ready to move.
    pub(crate) async fn ready() -> Self {
        let served = Self::new().await;
        served.make_ready();
        served
    }

    /// Captures the orgs that the source lists now, and makes them ready.
    pub(crate) fn make_ready(&self) {
        self.exec("orgs capture small").with_code(0);
        self.exec("orgs ready small all").with_code(0);
    }

    /// Another place, whose configuration leads elsewhere.
    pub(crate) fn elsewhere(&self, edit: impl FnOnce(String) -> String) -> Workspace {
        Workspace::with(&edit(configuration(&self.servers)))
    }

    pub(crate) async fn client(&self, database: &str) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.servers.postgres_url(database), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    pub(crate) async fn sql(&self, database: &str, sql: &str) {
        self.client(database).await.batch_execute(sql).await.unwrap();
    }

    /// The one number that a query answers.
    pub(crate) async fn number(&self, database: &str, sql: &str) -> i64 {
        self.client(database).await.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// A field of a flag hash.
    pub(crate) async fn flag(&self, hash: &str, field: &str) -> Option<String> {
        let client = redis::Client::open(self.servers.redis_url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("HGET").arg(hash).arg(field).query_async(&mut connection).await.unwrap()
    }

    /// No org has begun to move, and nothing came to the target.
    pub(crate) async fn assert_nothing_moved(&self) {
        let begun = "SELECT count(*) FROM mover.org_migration_state WHERE state NOT IN ('holding', 'ready')";
        assert_eq!(self.number("mover", begun).await, 0);
        assert_eq!(self.number("new", "SELECT count(*) FROM orgs").await, 0);
    }
}

impl std::ops::Deref for Served {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        &self.place
    }
}

fn configuration(servers: &Private) -> String {
    let url = |database| servers.postgres_url(database);
    format!(
        "[state]\nurl = {:?}\n[redis]\nurl = {:?}\n[stores.old]\nurl = {:?}\n[stores.new]\nurl = {:?}\n\
         [campaign]\nsleep_time_ms = 0\n",
        url("mover"),
        servers.redis_url(),
        url("old"),
        url("new")
    )
}

fn run(dir: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mover"));
    command.args(arguments).current_dir(dir).stdin(Stdio::null());
    command.env_remove("MOVER_FAILPOINT").env_remove("MOVER_CONFIG").env_remove("MOVER_LOG");
    command.env_remove("MOVER_CONNECT").env_remove("MOVER_TOKEN");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("whatever Mover says is UTF-8");
    let said = Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
    assert!(!said.to_string().contains(PASSWORD), "a password was told: {said}");
    said
}

impl Said {
    /// It must have ended with this exit code.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// It must have said all of this on standard error.
    #[track_caller]
    pub(crate) fn complaining(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.err.contains(text), "{text:?} is missing in: {self}");
        }
        self
    }

    /// It must have answered all of this on standard output.
    #[track_caller]
    pub(crate) fn answering(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.out.contains(text), "{text:?} is missing in: {self}");
        }
        self
    }

    /// Standard output, read as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {:?}\nstandard output:\n{}\nstandard error:\n{}", self.code, self.out, self.err)
    }
}
