//! Writing an org's rows to a file, before they are removed from the store that it has left.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use futures_util::TryStreamExt;
use mover_actors::domain::record::Lease;
use mover_actors::ports::{BackedUp, EngineError};
use tokio::fs;

use super::super::error::Doing;
use super::super::reframe::CopyFrames;
use super::super::store::Store;
use super::backup_file::{FORMAT, Header, HeaderTable, Writer, failed};
use super::guard_row;
use super::log::SNAPSHOT;
use super::plan::LivePlan;

/// Writes the org's rows to a file in `directory`. It gets its name when it is complete and on the disk, so a file with
/// that name is good; writing it again replaces it.
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
    // Somebody might write to it otherwise, after the backup.
    guard_row::must_be(&session, guard_row::READ, "moved", lease, doing).await?;
    let mut rows_by_table = BTreeMap::new();
    for table in &live.plan.tables {
        let reading = |error| doing.on(&table.label).failed(error);
        let select = session.prepared(&table.select).await.map_err(reading)?;
        let mut rows =
            std::pin::pin!(session.query_raw(&select, [[lease.key.as_str()].as_slice()]).await.map_err(reading)?);
        let mut frames = CopyFrames::begin();
        while let Some(row) = rows.try_next().await.map_err(reading)? {
            frames.push(&row).map_err(reading)?;
            while let Some(chunk) = frames.full_chunk() {
                writer.part(&chunk).await.map_err(written)?;
            }
        }
        writer.part(&frames.end()).await.map_err(written)?;
        writer.end_table().await.map_err(written)?;
        rows_by_table.insert(table.label.clone(), frames.rows());
    }
    session.batch_execute("COMMIT").await.map_err(|error| doing.failed(error))?;
    session.release();

    let rows = rows_by_table.values().sum();
    writer.end(rows_by_table).await.map_err(written)?;
    fs::rename(&partial, &path).await.map_err(written)?;
    // The name, too, must outlive a power cut.
    fs::File::open(directory).await.map_err(written)?.sync_all().await.map_err(written)?;
    Ok(BackedUp { path, rows })
}

/// An org's name as a part of a file name: what could mean something to a file system is written as its number.
fn file_name(org: &str) -> String {
    const CHARACTERS_MAX: usize = 100;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let written = |c: char| if plain(c) { c.to_string() } else { format!("%{:x}", u32::from(c)) };
    // The epoch behind it tells orgs apart whose names begin alike.
    org.chars().map(written).collect::<String>().chars().take(CHARACTERS_MAX).collect()
}
