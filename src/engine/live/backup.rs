//! Writes an org's rows to a file before they are removed from the store that it has left.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use futures_util::TryStreamExt;
use mover_actors::domain::record::Lease;
use mover_actors::ports::{BackedUp, EngineError};
use mover_actors::protocol::Mode;
use tokio::fs;

use crate::engine::live::backup_file::{FORMAT, Header, HeaderTable, Writer, failed};
use crate::engine::live::plan::LivePlan;
use crate::engine::live::standing;
use crate::engine::rows::copy::SNAPSHOT;
use crate::engine::rows::reframe::{Frames, HEADER, TRAILER};
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// Writes the org's rows to a file in `directory`. The file gets its name when it is complete and synced, so a file with that
/// name is valid; writing it again replaces it.
pub(super) async fn back_up(
    live: &LivePlan,
    store: &Store,
    lease: &Lease,
    directory: &Path,
) -> Result<BackedUp, EngineError> {
    let name = format!("{}.{}.{}.backup", lease.migration, file_name(lease.org.as_str()), lease.epoch);
    let path = directory.join(name);
    let partial = path.with_extension("partial");
    let written = |error: io::Error| failed(&path, error);
    fs::create_dir_all(directory).await.map_err(written)?;
    let tables = live.plan.tables.iter();
    let header = Header {
        format: FORMAT.into(),
        migration: lease.migration.clone(),
        org: lease.org.clone(),
        key: lease.key.clone(),
        epoch: lease.epoch,
        store: store.name().clone(),
        tables: tables.map(|table| HeaderTable { name: table.label.clone(), columns: table.copied.clone() }).collect(),
    };
    let mut writer = Writer::begin(&partial, &header).await.map_err(written)?;

    let doing = Doing::new(store.name(), "backing up the org");
    let session = store.session().await?;
    session.batch_execute(SNAPSHOT).await.map_err(|error| doing.failed(error))?;
    // Otherwise writes could follow the backup.
    standing::must_be(&session, standing::READ, Mode::Moved, lease, doing).await?;
    let mut rows_by_table = BTreeMap::new();
    for table in &live.plan.tables {
        let reading = |error| doing.on(&table.label).failed(error);
        let select = session.prepared(&table.select).await.map_err(reading)?;
        let mut rows =
            std::pin::pin!(session.query_raw(&select, [[lease.key.as_str()].as_slice()]).await.map_err(reading)?);
        writer.part(HEADER).await.map_err(written)?;
        let (mut frames, mut count) = (Frames::default(), 0);
        loop {
            let row = rows.try_next().await.map_err(reading)?;
            let is_over = row.is_none();
            row.map_or(Ok(()), |row| frames.push(&row)).map_err(reading)?;
            if let Some((part, rows)) = (is_over || frames.is_full()).then(|| frames.take()).flatten() {
                writer.part(&part).await.map_err(written)?;
                count += rows;
            }
            if is_over {
                break;
            }
        }
        writer.part(TRAILER).await.map_err(written)?;
        writer.end_table().await.map_err(written)?;
        rows_by_table.insert(table.label.clone(), count);
    }
    session.batch_execute("COMMIT").await.map_err(|error| doing.failed(error))?;
    session.release();

    let rows = rows_by_table.values().sum();
    writer.end(rows_by_table).await.map_err(written)?;
    fs::rename(&partial, &path).await.map_err(written)?;
    // The name must survive a power cut, too.
    fs::File::open(directory).await.map_err(written)?.sync_all().await.map_err(written)?;
    Ok(BackedUp { path, rows })
}

/// An org's name as a part of a file name: characters that may have a meaning to a file system are written as numbers.
fn file_name(org: &str) -> String {
    const CHARACTERS_MAX: usize = 100;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let written = |c: char| if plain(c) { c.to_string() } else { format!("%{:x}", u32::from(c)) };
    // The epoch after it distinguishes orgs whose names begin alike.
    org.chars().map(written).collect::<String>().chars().take(CHARACTERS_MAX).collect()
}
