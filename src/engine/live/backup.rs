//! Writes an org's rows to a file before they are removed from the store that it has left, and reads it again before that.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use futures_util::TryStreamExt;
use mover_actors::domain::record::{Backup, Lease};
use mover_actors::ports::{BackedUp, EngineError};
use mover_actors::protocol::Mode;
use mover_actors::protocol::store::{self, Kept};
use tokio::fs;

use crate::engine::live::backup_dir;
use crate::engine::live::backup_file::{
    BackupError, FORMAT, Header, HeaderTable, Reader, Trust, Writer, check, failed,
};
use crate::engine::live::plan::LivePlan;
use crate::engine::live::purge::Opened;
use crate::engine::live::signature::KeySource;
use crate::engine::live::standing;
use crate::engine::plan::Plan;
use crate::engine::rows::copy::SNAPSHOT;
use crate::engine::rows::reframe::{Frames, HEADER, TRAILER};
use crate::engine::rows::side::{Leaves, PlannedSession};
use crate::engine::store::cohort::Cohort;
use crate::engine::store::error::Failed;

const BACKING_UP: &str = "backing up the org";

/// Where backups are, and what signs them.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Backups {
    pub(in crate::engine) directory: PathBuf,
    pub(in crate::engine) keys: KeySource,
}

/// Writes the org's rows to a file in the directory of backups, or in the place of another backup. The file gets its name when it is
/// complete and synced, so a file with that name is valid; writing it again replaces it.
pub(super) async fn back_up(
    open: PlannedSession<LivePlan, Leaves>,
    lease: &Lease,
    live: &BTreeSet<String>,
    instead_of: Option<&Backup>,
) -> Result<BackedUp, EngineError> {
    let Backups { directory, keys } = &open.side.terms.backups;
    let key = keys.key().await?;
    let (path, epoch, replaced) = match instead_of {
        None => {
            let name = format!("{}.{}.{}.backup", lease.migration, file_name(lease.org.as_str()), lease.epoch);
            (backup_dir::ready(directory).await?.join(name), lease.epoch, None)
        }
        Some(backup) => {
            let opened = Reader::open(&backup.path, &key, Trust::AlsoUnsigned).await;
            let (_, header) = opened.map_err(|error| error.of(&backup.path))?;
            (backup.path.clone(), header.epoch, backup.sum.clone())
        }
    };
    let written = |error: io::Error| failed(&path, error);
    let doing = open.doing(BACKING_UP);
    let session = &open.session;
    session.batch_execute(SNAPSHOT).await.map_err(|error| doing.failed(error))?;
    // Otherwise writes could follow the backup.
    standing::must_be(session, standing::READ, Mode::Moved, lease, doing).await?;

    let mut tables = Vec::new();
    for table in &open.plan().tables {
        let select = session.prepared(&table.select).await.map_err(|error| doing.on(&table.label).failed(error))?;
        let types = select.columns().iter().map(|column| column.type_().name().to_owned()).collect();
        tables.push(HeaderTable { name: table.label.clone(), columns: table.copied.clone(), types });
    }
    let header = Header {
        format: FORMAT.into(),
        key_id: key.id(),
        migration: lease.migration.clone(),
        org: lease.org.clone(),
        key: lease.key.clone(),
        epoch,
        instead_of: replaced,
        store: open.side.store.name().clone(),
        live: live.clone(),
        tables,
    };
    let partial = path.with_extension("partial");
    let mut writer = Writer::begin(&partial, &header, &key).await.map_err(|error| error.of(&path))?;
    let mut sum = 0;
    for table in &open.plan().tables {
        let reading = |error| doing.on(&table.label).failed(error);
        let select = session.prepared(&table.select).await.map_err(reading)?;
        let mut rows =
            std::pin::pin!(session.query_raw(&select, [[lease.key.as_str()].as_slice()]).await.map_err(reading)?);
        writer.part(HEADER).await.map_err(written)?;
        let mut frames = Frames::default();
        loop {
            let row = rows.try_next().await.map_err(reading)?;
            let is_over = row.is_none();
            row.map_or(Ok(()), |row| frames.push(&row)).map_err(reading)?;
            if let Some((part, rows)) = (is_over || frames.is_full()).then(|| frames.take()).flatten() {
                writer.part(&part).await.map_err(written)?;
                sum += rows;
            }
            if is_over {
                break;
            }
        }
        writer.part(TRAILER).await.map_err(written)?;
        writer.end_table().await.map_err(written)?;
    }
    let tally = store::Session::tally(&open, &Cohort::one(lease)).await?.remove(&lease.key).unwrap_or_default();
    if tally.rows() != sum {
        return Err(doing.refused(format!("{sum} rows were read, and {} are there", tally.rows())));
    }
    session.batch_execute("COMMIT").await.map_err(|error| doing.failed(error))?;
    let digest = writer.end(&tally).await.map_err(written)?;
    fs::rename(&partial, &path).await.map_err(written)?;
    if let Some(directory) = path.parent() {
        // The name must survive a power cut, too.
        fs::File::open(directory).await.map_err(written)?.sync_all().await.map_err(written)?;
    }
    store::Session::release(Box::new(open));
    Ok(BackedUp { file: Backup { path, sum: Some(digest) }, rows: sum })
}

/// Opens a backup that was read before.
pub(super) async fn open(keys: &KeySource, backup: &Backup) -> Result<Opened, EngineError> {
    let trust = if backup.sum.is_some() { Trust::Signed } else { Trust::AlsoUnsigned };
    let opened = Reader::open(&backup.path, &keys.key().await?, trust).await;
    let (reader, header) = opened.map_err(|error| error.of(&backup.path))?;
    Ok(Opened { file: backup.path.clone(), reader, header })
}

/// Reads a backup of the org to its end.
pub(super) async fn read(plan: &Plan, keys: &KeySource, lease: &Lease, backup: &Backup) -> Result<Kept, EngineError> {
    let path = &backup.path;
    let trust = if backup.sum.is_some() { Trust::Signed } else { Trust::AlsoUnsigned };
    let checked = check(path, &keys.key().await?, trust).await;
    let (header, contents) = checked.map_err(|error| match error {
        BackupError::Io(error) if error.kind() == io::ErrorKind::NotFound => failed(
            path,
            "it is not there any more, so no row is removed; next: put the file back, from the machine that wrote it or from where \
             it is kept; the org goes on by itself then",
        ),
        error => error.of(path),
    })?;
    let is_it = |sum: &String| contents.sum == *sum || contents.replaces(&header, sum);
    if !backup.sum.as_ref().is_none_or(is_it) {
        let problem =
            "it is another backup than the one that this move wrote, so no row is removed; next: put that one back";
        return Err(failed(path, problem));
    }
    if (&header.migration, &header.org, &header.key) != (&lease.migration, &lease.org, &lease.key) {
        let Header { migration, org, key, .. } = header;
        let problem = format!("it is of org {org} with key {key} in migration {migration}, so no row is removed");
        return Err(failed(path, problem));
    }
    let lacks = lacks(plan, &header);
    Ok(Kept { epoch: header.epoch, rows: contents.rows, lacks, live: header.live, tally: contents.tally })
}

/// A column that the plan copies and the backup does not have.
fn lacks(plan: &Plan, header: &Header) -> Option<String> {
    plan.tables.iter().find_map(|table| {
        let Some(known) = header.tables.iter().find(|known| known.name == table.label) else {
            return table.copied.first().map(|column| format!("{}.{column}", table.label));
        };
        let missing = table.copied.iter().find(|column| !known.columns.contains(column))?;
        Some(format!("{}.{missing}", table.label))
    })
}

/// An org's name as a part of a file name: characters that may have a meaning to a file system are written as numbers.
fn file_name(org: &str) -> String {
    const CHARACTERS_MAX: usize = 100;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let written = |c: char| if plain(c) { c.to_string() } else { format!("%{:x}", u32::from(c)) };
    // The epoch after it distinguishes orgs whose names begin alike.
    org.chars().map(written).collect::<String>().chars().take(CHARACTERS_MAX).collect()
}
