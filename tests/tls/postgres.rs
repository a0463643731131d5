//! A Postgres that listens on an address of its own and has a certificate, if it is given one.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use deadpool_postgres::Pool;
use mover::config::{Config, Postgres as Address};
use mover::embedded::{Options, Private, ServerKind};
use mover::state::{self, StateError};
use tokio_postgres::{Client, NoTls};

use crate::certificates::{Authority, Issued};

/// The host in addresses; it is in no name service, so every address says where it is.
pub(crate) const HOST: &str = "db.test";

/// All roles may log in over TLS, but `guarded` needs its password `secret`.
pub(crate) const ONLY_TLS: &str = "hostssl all guarded all scram-sha-256\nhostssl all all all trust\n";
/// All roles may log in, without TLS too.
pub(crate) const EVERYBODY: &str = "host all all all trust\n";

pub(crate) struct Postgres {
    pub(crate) private: Private,
    pub(crate) address: Ipv4Addr,
}

impl Postgres {
    /// Starts one that accepts the network connections in `access`, which is in the format of pg_hba.conf.
    pub(crate) async fn start(certificate: Option<&Issued>, access: &str) -> Self {
        Self::start_for_clients_of(None, certificate, access).await
    }

    /// The same, with an authority for the certificates of clients.
    pub(crate) async fn start_for_clients_of(
        authority: Option<&Authority>,
        certificate: Option<&Issued>,
        access: &str,
    ) -> Self {
        let address = free_address();
        let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
        let options = Options::throwaway()
            .postgres_only()
            .template(template)
            .postgres_setting("listen_addresses", &address.to_string());
        let server = Self { private: Private::start(options).await.unwrap(), address };
        let client = server.client("postgres").await;
        if let Some(issued) = certificate {
            write(&client, "server.crt", &issued.certificate).await;
            write(&client, "server.key", &issued.key).await;
            client.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
        }
        if let Some(authority) = authority {
            write(&client, "clients.crt", &authority.pem()).await;
            client.batch_execute("ALTER SYSTEM SET ssl_ca_file = 'clients.crt'").await.unwrap();
        }
        client.batch_execute("CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'secret'").await.unwrap();
        let file: String = client.query_one("SHOW hba_file", &[]).await.unwrap().get(0);
        std::fs::write(file, format!("local all all trust\n{access}")).unwrap();
        // Each process would notice a reload in its own time.
        server.private.restart(ServerKind::Postgres).await.unwrap();
        server
    }

    /// A connection of the test's own, over the Unix socket.
    pub(crate) async fn client(&self, database: &str) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.private.postgres_url(database), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Its address over the network, under this host name.
    pub(crate) fn url(&self, user: &str, host: &str) -> String {
        format!("postgres://{user}@{host}:5432/postgres?hostaddr={}", self.address)
    }
}

/// An address of this machine without a listener: each server has the usual port on its own.
fn free_address() -> Ipv4Addr {
    let mut addresses = std::iter::repeat_with(|| Ipv4Addr::from_bits(0x7f00_0000 | (rand::random::<u32>() >> 8)));
    let free =
        |address: &Ipv4Addr| !address.octets()[3].is_multiple_of(255) && TcpListener::bind((*address, 5432)).is_ok();
    addresses.find(free).unwrap()
}

/// The server writes its own file: only then it belongs to the server's user, as a key must.
async fn write(client: &Client, file: &str, text: &str) {
    let sql = format!(
        "COPY (SELECT line FROM unnest(string_to_array('{}', E'\\n')) line) TO PROGRAM 'umask 077; cat > {file}'",
        text.trim_end()
    );
    client.batch_execute(&sql).await.unwrap();
}

/// The address of a configuration with these lines below `[state]`.
pub(crate) fn configured(url: &str, keys: &str) -> Address {
    let text = format!("[state]\nurl = {url:?}\n{keys}");
    let config = Config::read("mover.toml", &text, Path::new(""), &[]);
    config.unwrap_or_else(|mistakes| panic!("{mistakes}")).state.unwrap()
}

/// A pool as Mover makes one.
pub(crate) async fn connect(address: &Address) -> Result<Pool, StateError> {
    state::connect(address.options(), address.encryption(), 2).await
}

/// Whether a new connection there is encrypted, as the server sees it.
pub(crate) async fn encrypted(address: &Address) -> bool {
    let client = connect(address).await.unwrap().get().await.unwrap();
    client.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await.unwrap().get(0)
}

/// Why there is no connection; without any secret.
pub(crate) async fn refusal(address: &Address) -> String {
    let error = connect(address).await.map(drop).unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(!told.contains("secret") && !told.contains("PRIVATE KEY"), "{told}");
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
    error.to_string()
}
