//! A throwaway Postgres for tests, gone when dropped.

use std::path::Path;

use mover::embedded::{Options, Private, ServerKind};
use tokio_postgres::{Client, NoTls};

/// A running server. All roles may log in, but `guarded` needs its password `secret`.
pub(crate) struct Server(Private);

#[allow(dead_code, reason = "each test binary uses its part")]
impl Server {
    /// Starts one and waits until it answers.
    pub(crate) async fn start() -> Self {
        let templates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
        let options =
            Options::throwaway().postgres_only().template(templates).postgres_setting("max_prepared_transactions", "4");
        let server = Self(Private::start(options).await.unwrap());
        let access = "local all guarded scram-sha-256\nlocal all all trust\n";
        let postgres = server.connect("postgres").await;
        let file: String = postgres.query_one("SHOW hba_file", &[]).await.unwrap().get(0);
        std::fs::write(file, access).unwrap();
        postgres.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        server
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_as("mover", database)
    }

    /// The same for another user, perhaps with a password: `guarded:secret`.
    pub(crate) fn url_as(&self, user: &str, database: &str) -> String {
        self.0.postgres_url(database).replace("mover@", &format!("{user}@"))
    }

    /// Where its socket is.
    pub(crate) fn socket_dir(&self) -> &Path {
        self.0.postgres_socket_dir()
    }

    /// A connection of one's own.
    pub(crate) async fn connect(&self, database: &str) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.0.postgres_url(database), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Ends every connection at once and starts again.
    pub(crate) async fn restart(&self) {
        self.0.restart(ServerKind::Postgres).await.unwrap();
    }

    /// Ends it as a power cut would, and starts it again.
    pub(crate) async fn crash(&self) {
        self.0.kill9(ServerKind::Postgres).await.unwrap();
        self.0.start_again(ServerKind::Postgres).await.unwrap();
    }
}
