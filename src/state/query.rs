//! Runs a query on a connection of the pool, prepared once per connection.

use deadpool_postgres::{Client, GenericClient, Transaction};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{PgMoveLog, StateError};

/// Parameters of a query.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl PgMoveLog {
    pub(super) async fn client(&self, doing: &str) -> Result<Client, StateError> {
        self.pool.get().await.map_err(|error| StateError::pool(doing, &error))
    }

    /// Runs one query on a connection of its own.
    pub(super) async fn query(&self, doing: &str, sql: &str, params: Params<'_>) -> Result<Vec<Row>, StateError> {
        query(&self.client(doing).await?, doing, sql, params).await
    }

    /// Runs one statement on a connection of its own; returns the number of changed rows.
    pub(super) async fn execute(&self, doing: &str, sql: &str, params: Params<'_>) -> Result<u64, StateError> {
        execute(&self.client(doing).await?, doing, sql, params).await
    }
}

pub(super) async fn query(
    client: &impl GenericClient,
    doing: &str,
    sql: &str,
    params: Params<'_>,
) -> Result<Vec<Row>, StateError> {
    let statement = client.prepare_cached(sql).await.map_err(|error| StateError::postgres(doing, &error))?;
    client.query(&statement, params).await.map_err(|error| StateError::postgres(doing, &error))
}

pub(super) async fn execute(
    client: &impl GenericClient,
    doing: &str,
    sql: &str,
    params: Params<'_>,
) -> Result<u64, StateError> {
    let statement = client.prepare_cached(sql).await.map_err(|error| StateError::postgres(doing, &error))?;
    client.execute(&statement, params).await.map_err(|error| StateError::postgres(doing, &error))
}

pub(super) async fn begin<'a>(client: &'a mut Client, doing: &str) -> Result<Transaction<'a>, StateError> {
    client.transaction().await.map_err(|error| StateError::postgres(doing, &error))
}

pub(super) async fn commit(transaction: Transaction<'_>, doing: &str) -> Result<(), StateError> {
    transaction.commit().await.map_err(|error| StateError::postgres(doing, &error))
}

/// The only row of a query that always returns one.
pub(super) fn only(doing: &str, rows: Vec<Row>) -> Result<Row, StateError> {
    rows.into_iter().next().ok_or_else(|| StateError::invalid(doing, "the move log answered with no row"))
}
