//! Loads a backup into a store.

use std::path::Path;

use bytes::Bytes;
use futures_util::SinkExt;
use mover_actors::ports::EngineError;
use tokio_postgres::CopyInSink;

use crate::engine::live::backup_file::{Footer, Header, HeaderTable, Reader, failed};
use crate::engine::live::plan::LivePlan;
use crate::engine::schema::name::{TableName, quote};
use crate::engine::schema::resolve::resolve;
use crate::engine::store::Store;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// Loads all rows in one transaction into the receiving store of `live`, and compares their numbers.
pub(super) async fn restore(live: &LivePlan, store: &Store, file: &Path, header: &Header) -> Result<i64, EngineError> {
    let doing = Doing::new(store.name(), "restoring a backup");
    let session = store.session().await?;
    let names = header.tables.iter().map(|table| table.name.parse()).collect::<Result<Vec<TableName>, _>>();
    let names = names.map_err(|error| failed(file, error))?;
    let resolved = resolve(&session, &names, doing).await?;
    session.batch_execute("BEGIN").await.map_err(|error| doing.failed(error))?;
    refuse_rows(live, &session, header, doing).await?;
    let (mut reader, _) = Reader::open(file).await.map_err(|error| failed(file, error))?;
    for ((table, name), resolved) in header.tables.iter().zip(&names).zip(resolved) {
        let quoted = resolved.map_or_else(|| name.quoted(), |found| found.quoted);
        load(&session, &mut reader, file, (table, &quoted), doing).await?;
    }
    let footer = reader.end().await.map_err(|error| failed(file, error))?;
    let rows = compare(live, &session, header, &footer, doing).await?;
    live.plan.references.prove(&session, &live.plan, &[header.key.to_string()]).await?;
    session.batch_execute("COMMIT").await.map_err(|error| doing.failed(error))?;
    session.release();
    Ok(rows)
}

async fn refuse_rows(live: &LivePlan, session: &Session, header: &Header, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let occupied = session.query(&live.plan.occupied, &[&[header.key.as_str()].as_slice()]).await.map_err(failed)?;
    match occupied.first().map(|row| live.plan.table_of(row)).transpose().map_err(failed)?.flatten() {
        Some(table) => {
            let problem = format!("it already holds rows of org {}; remove them first", header.org);
            Err(doing.on(&table.label).refused(problem))
        }
        None => Ok(()),
    }
}

async fn load(
    session: &Session,
    reader: &mut Reader,
    file: &Path,
    (table, quoted): (&HeaderTable, &str),
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let doing = doing.on(&table.name);
    let columns: Vec<String> = table.columns.iter().map(|column| quote(column)).collect();
    let copy = format!("COPY {quoted} ({}) FROM STDIN (FORMAT binary)", columns.join(", "));
    let sink: CopyInSink<Bytes> = session.copy_in(&copy).await.map_err(|error| doing.failed(error))?;
    let mut sink = std::pin::pin!(sink);
    while let Some(part) = reader.part().await.map_err(|error| failed(file, error))? {
        sink.feed(Bytes::from(part)).await.map_err(|error| doing.failed(error))?;
    }
    sink.finish().await.map(drop).map_err(|error| doing.failed(error))
}

/// The org must have as many rows as were written.
async fn compare(
    live: &LivePlan,
    session: &Session,
    header: &Header,
    footer: &Footer,
    doing: Doing<'_>,
) -> Result<i64, EngineError> {
    let mut sum = 0;
    for (label, expected) in &footer.rows {
        let doing = doing.on(label);
        let failed = |error| doing.failed(error);
        let missing = || doing.refused("the migration does not move it (any more)");
        let table = live.plan.table(label).ok_or_else(missing)?;
        let count = format!("SELECT count(*) {}", table.target.rows());
        let row = session.query_one(&count, &[&[header.key.as_str()].as_slice()]).await.map_err(failed)?;
        let found: i64 = row.try_get(0).map_err(failed)?;
        if found != *expected {
            let org = &header.org;
            return Err(
                doing.refused(format!("the backup has {expected} rows, and {found} of them are org {org}'s here"))
            );
        }
        sum += found;
    }
    Ok(sum)
}
