//! The settings at the start of every session with a store or the move log, which override those of role and database: name
//! lookup in `pg_catalog`, and durable commits.
//! durable commits.

use tokio_postgres::{Client, Error, SimpleQueryMessage};

/// The settings of a session. Repeating them is harmless.
pub(crate) const BEGIN: &str = include_str!("session.sql");

/// Begins a session, and returns the `search_path` that it had: table names of a definition are looked up in it.
pub(crate) async fn begin(client: &Client) -> Result<String, Error> {
    // SHOW looks up no names.
    let answers = client.simple_query(&format!("SHOW search_path;\n{BEGIN}")).await?;
    let path = answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(path.unwrap_or_default().to_owned())
}
