//! The settings at the start of every session with a store or the move log, which override those of role and database: name lookup in `pg_catalog`, and
//! durable commits.

use tokio_postgres::{Client, Error, SimpleQueryMessage};

/// Sets what a session needs. Repeating it is harmless.
pub(crate) const BEGIN: &str = include_str!("session.sql");

/// Begins a session, and answers with the `search_path` that it would have had: what the names of tables in a definition
/// are looked up in.
pub(crate) async fn begin(client: &Client) -> Result<String, Error> {
    // SHOW looks no name up.
    let answers = client.simple_query(&format!("SHOW search_path;\n{BEGIN}")).await?;
    let path = answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(path.unwrap_or_default().to_owned())
}
