//! The rows of a backup in temporary tables of the session that removes them from the store: only rows that are in the file are
//! removed, whatever came since.

use std::path::Path;

use bytes::Bytes;
use futures_util::SinkExt;
use mover_actors::ports::EngineError;
use tokio_postgres::CopyInSink;
use tokio_postgres::error::SqlState;

use crate::engine::live::backup_file::{Header, HeaderTable, Reader};
use crate::engine::live::plan::LivePlan;
use crate::engine::schema::name::quote;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// The temporary table with the rows of the plan's table of this number.
pub(super) fn name(number: usize) -> String {
    format!("pg_temp.backed_up_{number}")
}

/// Loads all rows of the file. They are gone when the session ends.
pub(super) async fn load(
    session: &Session,
    live: &LivePlan,
    file: &Path,
    (mut reader, header): (Reader, Header),
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    for table in &header.tables {
        let doing = doing.on(&table.name);
        let number = live.number_of(&table.name).ok_or_else(|| {
            doing.refused(
                "the backup has it, and the definition does not any more; next: add the table to the definition again",
            )
        })?;
        let create = create(live, number, table, doing)?;
        session.batch_execute(&create).await.map_err(|error| match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => doing.refused(
                "Mover's role may make no temporary table here, in which it looks up what is in the backup; next: GRANT TEMPORARY ON \
                 DATABASE <this database> TO <its role>",
            ),
            _ => doing.failed(error),
        })?;
        let copy = format!("COPY {} FROM STDIN (FORMAT binary)", name(number));
        let sink: CopyInSink<Bytes> = session.copy_in(&copy).await.map_err(|error| doing.failed(error))?;
        let mut sink = std::pin::pin!(sink);
        while let Some(part) = reader.part().await.map_err(|error| error.of(file))? {
            sink.feed(Bytes::from(part)).await.map_err(|error| doing.failed(error))?;
        }
        sink.finish().await.map_err(|error| doing.failed(error))?;
        let key: Vec<String> = live.tables[number].key.iter().map(|column| quote(column)).collect();
        let index = format!("CREATE INDEX ON {} ({}); ANALYZE {}", name(number), key.join(", "), name(number));
        session.batch_execute(&index).await.map_err(|error| doing.failed(error))?;
    }
    reader.end().await.map_err(|error| error.of(file)).map(drop)
}

/// A table with the columns of the file, in the types in which rows are read.
fn create(live: &LivePlan, number: usize, table: &HeaderTable, doing: Doing<'_>) -> Result<String, EngineError> {
    let plan = &live.plan.tables[number];
    let column = |name: &String| {
        match plan.copied.iter().position(|copied| copied == name) {
        Some(place) => Ok(format!("{} AS {}", plan.read[place], quote(name))),
        None => Err(doing.refused(format!(
            "the backup has values of column {name}, which the table has not any more: whether all rows are in the file cannot be said, \
             so nothing is removed; next: add the column again until the org is finalized"
        ))),
    }
    };
    let columns = table.columns.iter().map(column).collect::<Result<Vec<_>, _>>()?.join(", ");
    Ok(format!("CREATE TABLE {} AS SELECT {columns} FROM {} AS t LIMIT 0", name(number), live.tables[number].from))
}
