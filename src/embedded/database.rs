//! Databases of the private Postgres.

use std::path::Path;

use tokio_postgres::{Client, NoTls, error::SqlState};

use super::{
    error::EmbeddedError,
    postgres::{PORT, USER},
};

/// The database to connect to while others are created and dropped.
pub(super) const MAINTENANCE: &str = "postgres";

/// The URL of a database. The directory has no characters that need escaping, see `servers_dir`.
pub(super) fn url(socket_dir: &Path, database: &str) -> String {
    let database = percent_encoded(database);
    let host = socket_dir.display();
    format!("postgresql://{USER}@/{database}?host={host}&port={PORT}")
}

pub(super) async fn ensure(url: &str, name: &str) -> Result<(), EmbeddedError> {
    create(url, name).await.map_err(|source| EmbeddedError::Database {
        doing: "creating",
        name: name.to_owned(),
        source,
    })
}

async fn create(url: &str, name: &str) -> Result<(), tokio_postgres::Error> {
    let client = connect(url).await?;
    let exists = client.query_one(include_str!("sql/database_exists.sql"), &[&name]).await?;
    if exists.try_get(0)? {
        return Ok(());
    }
    match client.batch_execute(&format!("CREATE DATABASE {}", quoted(name))).await {
        // Another process was faster.
        Err(error)
            if [Some(&SqlState::DUPLICATE_DATABASE), Some(&SqlState::UNIQUE_VIOLATION)].contains(&error.code()) =>
        {
            Ok(())
        }
        other => other,
    }
}

pub(super) async fn drop(url: &str, name: &str) -> Result<(), EmbeddedError> {
    let dropped = async {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name));
        connect(url).await?.batch_execute(&drop).await
    };
    dropped.await.map_err(|source| EmbeddedError::Database { doing: "dropping", name: name.to_owned(), source })
}

async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    // A Unix socket of our own server has no TLS and needs none.
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // It ends with the client; an error of the connection is also the error of the query that waits on it.
    tokio::spawn(connection);
    Ok(client)
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
