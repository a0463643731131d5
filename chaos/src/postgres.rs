//! The trial's own connections.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

/// A server that was stopped is up again long before this.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Connects; the connection lives as long as the client. What it commits is durable, whatever is set for the role.
pub(crate) async fn connect(url: &str) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // The next user of the client receives the error.
    tokio::spawn(connection);
    client.batch_execute("SET synchronous_commit = on").await?;
    Ok(client)
}

/// Connects as soon as the server is up.
pub(crate) async fn connect_patiently(url: &str) -> Result<Client, Error> {
    let until = Instant::now() + PATIENCE;
    loop {
        match connect(url).await {
            Err(_) if Instant::now() < until => sleep(LOOK_EVERY).await,
            connected => return connected,
        }
    }
}

/// An error with all its causes: the driver's own text is only `db error`.
pub(crate) fn causes(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The meaning of an error for a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// `MV001` or `MV002`: the org lives in the other store.
    Elsewhere,
    /// A conflict with another transaction.
    Again,
    /// The server went down.
    Gone,
    /// A constraint. In the store that an org has left, a foreign key or a unique index may fail before the guard refuses: its
    /// trigger runs only when all rows of a statement are written and their constraints checked.
    Constraint,
    /// An error that must not happen in this trial.
    Unexpected,
}

pub(crate) fn meaning(error: &Error) -> Meaning {
    let Some(code) = error.code() else {
        let io = std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>());
        return if error.is_closed() || io { Meaning::Gone } else { Meaning::Unexpected };
    };
    match code.code() {
        "MV001" | "MV002" => Meaning::Elsewhere,
        "40001" | "40P01" => Meaning::Again,
        // An internal error of Postgres when a row has many lockers; the transaction is rolled back whole.
        "XX000" if causes(error).contains("new multixact has more than one updating member") => Meaning::Again,
        "23503" | "23505" => Meaning::Constraint,
        // Ended by an administrator or a crash, not up yet, connection lost.
        code if code.starts_with("57P") || code.starts_with("08") => Meaning::Gone,
        _ => Meaning::Unexpected,
    }
}

/// Executes one statement without parameters and returns how many rows it changed or found.
pub(crate) async fn execute(client: &Client, sql: &str) -> Result<u64, Error> {
    let messages = client.simple_query(sql).await?;
    let count = messages.iter().rev().find_map(|message| match message {
        SimpleQueryMessage::CommandComplete(count) => Some(*count),
        _ => None,
    });
    Ok(count.unwrap_or_default())
}

/// The first column of all rows, as text.
pub(crate) async fn texts(client: &Client, sql: &str) -> Result<Vec<String>, Error> {
    let messages = client.simple_query(sql).await?;
    let text = |message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(String::from),
        _ => None,
    };
    Ok(messages.into_iter().filter_map(text).collect())
}
