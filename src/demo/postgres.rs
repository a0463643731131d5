//! The demo's own connections: not those of the engine, which the demo checks. They go to the private servers, over Unix
//! sockets, which have no TLS.

use tokio_postgres::{Client, Error, NoTls};

/// Connects; the connection lives as long as the client.
pub(super) async fn connect(url: &str) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // The next user of the client receives the error.
    tokio::spawn(connection);
    Ok(client)
}

/// An error with all its causes: the driver's own text is only `db error`.
pub(super) fn causes(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
