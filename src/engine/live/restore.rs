//! Loads a backup into a store: nothing in the file is believed. It must be of an org of the definition, have the tables and columns of
//! the definition and the store, and every row must belong to the org.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::SinkExt;
use mover_actors::domain::ids::{Epoch, MigrationName, MoveId, OrgKey, OrgName};
use mover_actors::domain::record::Lease;
use mover_actors::ports::EngineError;
use mover_actors::protocol::Mode;
use tokio_postgres::CopyInSink;

use crate::config::Definition;
use crate::engine::guard;
use crate::engine::live::backup_file::{Contents, Header, Reader, Trust, check, failed};
use crate::engine::live::plan::LivePlan;
use crate::engine::live::purge::{self, Opened};
use crate::engine::live::restore_tables::{Matched, Tables};
use crate::engine::live::signature::{BackupKey, KeySource};
use crate::engine::live::standing::{self, LOCK_ROW};
use crate::engine::plan::sequences::{self, FarBehind, Outermost};
use crate::engine::plan::{Plan, TablePlan};
use crate::engine::schema::catalog::Catalog;
use crate::engine::schema::name::quote;
use crate::engine::store::Store;
use crate::engine::store::cohort::Cohort;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// The snapshot keeps the org's rows apart from those that others write meanwhile.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET CONSTRAINTS ALL DEFERRED";

/// A backup that was read to its end, and was as it was written.
#[derive(Debug)]
pub struct OpenedBackup {
    file: PathBuf,
    trust: Trust,
    key: BackupKey,
    pub(super) header: Header,
    pub(super) contents: Contents,
}

/// What a restore has done.
#[derive(Debug)]
pub struct Restored {
    /// Rows over all tables.
    pub rows: i64,
    /// What the guard of the store has of the org; `None` if it has nothing.
    pub mode: Option<&'static str>,
    /// Columns that the file does not have, as `table.column`: they have their defaults.
    pub defaulted: Vec<String>,
}

/// Reads a file to its end.
pub(in crate::engine) async fn open(file: &Path, keys: &KeySource, trust: Trust) -> Result<OpenedBackup, EngineError> {
    let key = keys.key().await?;
    let (header, contents) = check(file, &key, trust).await.map_err(|error| error.of(file))?;
    Ok(OpenedBackup { file: file.to_owned(), trust, key, header, contents })
}

impl OpenedBackup {
    /// The migration.
    pub fn migration(&self) -> &MigrationName {
        &self.header.migration
    }

    /// The org.
    pub fn org(&self) -> &OrgName {
        &self.header.org
    }

    /// The key of its rows.
    pub fn key(&self) -> &OrgKey {
        &self.header.key
    }

    /// The epoch under which it was backed up.
    pub fn epoch(&self) -> Epoch {
        self.header.epoch
    }

    /// Rows over all tables.
    pub fn rows(&self) -> i64 {
        self.contents.rows.values().sum()
    }

    /// Whether this file has this sum.
    pub fn has_sum(&self, sum: &str) -> bool {
        self.contents.sum == sum
    }

    /// Whether it is signed with the key of this move log.
    pub fn is_signed(&self) -> bool {
        self.contents.is_signed
    }

    /// Whether it is signed, and takes the place of the file with this sum.
    pub fn replaces(&self, sum: &str) -> bool {
        self.contents.replaces(&self.header, sum)
    }

    fn lease(&self, epoch: Epoch) -> Lease {
        let Header { migration, org, key, .. } = &self.header;
        Lease { id: MoveId(0), migration: migration.clone(), org: org.clone(), key: key.clone(), epoch }
    }

    pub(super) fn failed(&self, problem: impl std::fmt::Display) -> EngineError {
        failed(&self.file, problem)
    }
}

/// Loads all rows in one transaction into a store whose catalog is known, or none.
pub(in crate::engine) async fn restore(
    backup: &OpenedBackup,
    definition: &Definition,
    store: &Store,
    catalog: &Catalog,
) -> Result<Restored, EngineError> {
    // The other store does not matter, and may be gone.
    let here = Definition { from: store.name().clone(), to: store.name().clone(), ..definition.clone() };
    let plan = Plan::make(&here, catalog, catalog)?;
    let doing = Doing::new(store.name(), "restoring a backup");
    let tables = Tables { backup, definition, plan: &plan, catalog, doing }.matched()?;
    let has_guard = guard::has_fence(store).await?;

    let session = store.session().await?;
    let lease = backup.lease(backup.epoch());
    session.batch_execute(BEGIN).await.map_err(|error| doing.failed(error))?;
    let mode = match has_guard {
        // No move of the org begins or ends meanwhile.
        true => standing::read(&session, LOCK_ROW, &Cohort::one(&lease), doing).await?.remove(&lease.key),
        false => None,
    };
    refuse_rows(&plan, &session, backup, doing).await?;
    refuse_types(&session, &tables.matched, doing).await?;
    let opened = Reader::open(&backup.file, &backup.key, backup.trust).await;
    let (mut reader, _) = opened.map_err(|error| backup.failed(error))?;
    let mut loaded = BTreeMap::new();
    for matched in &tables.matched {
        let rows = load(&session, &mut reader, backup, matched, doing).await?;
        loaded.insert(matched.file.name.as_str(), rows);
    }
    let contents = reader.end().await.map_err(|error| backup.failed(error))?;
    if contents.sum != backup.contents.sum {
        return Err(
            backup.failed("it was changed while it was loaded, so nothing was; next: use another copy of the file")
        );
    }
    for matched in &tables.matched {
        let rows = loaded.get(matched.file.name.as_str()).copied().unwrap_or_default();
        prove(&session, backup, matched.plan, rows, doing).await?;
    }
    plan.references.prove(&session, &plan, &[backup.key().to_string()]).await?;
    let outermost = Outermost::of_rows(&session, &plan, &[backup.key().as_str()], doing).await?;
    sequences::keep_ahead(&session, &plan, &outermost, FarBehind::Leave).await?;
    session.batch_execute("COMMIT").await.map_err(|error| doing.failed(error))?;
    session.release();
    Ok(Restored {
        rows: loaded.values().sum(),
        mode: mode.map(|standing| standing.mode).map(Mode::as_str),
        defaulted: tables.defaulted,
    })
}

/// Removes the rows of the backup again from a store that the org has left.
pub(in crate::engine) async fn remove(
    backup: &OpenedBackup,
    live: &LivePlan,
    store: &Store,
    epoch: Epoch,
    rows_at_once: i64,
) -> Result<i64, EngineError> {
    let (doing, lease) = (Doing::new(store.name(), "removing restored rows"), backup.lease(epoch));
    let session = store.session().await?;
    for table in &live.plan.tables {
        let found = count(&session, backup, table, doing.on(&table.label)).await?;
        let expected = backup.contents.rows.get(&table.label).copied().unwrap_or_default();
        if found != expected {
            return Err(doing.on(&table.label).refused(format!(
                "it has {found} rows of org {}, and the backup {expected}: these are not the rows that were restored; nothing was removed",
                backup.org()
            )));
        }
    }
    session.release();
    let opened = Reader::open(&backup.file, &backup.key, backup.trust).await;
    let (reader, header) = opened.map_err(|error| backup.failed(error))?;
    let opened = Opened { file: backup.file.clone(), reader, header };
    purge::purge(live, store, &lease, rows_at_once, Some(opened)).await
}

async fn refuse_rows(
    plan: &Plan,
    session: &Session,
    backup: &OpenedBackup,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let occupied = session.query(&plan.occupied, &[&[backup.key().as_str()].as_slice()]).await.map_err(failed)?;
    match occupied.first().map(|row| plan.table_of(row)).transpose().map_err(failed)?.flatten() {
        Some(table) => {
            let problem =
                format!("it already holds rows of org {}; remove them first; nothing was loaded", backup.org());
            Err(doing.on(&table.label).refused(problem))
        }
        None => Ok(()),
    }
}

/// What rows in binary have where a column holds XML.
const XML_IS_READ_AS: &str = "text";

/// Refuses columns of other types than those that the rows were read from: values in binary are not converted, and could be taken for
/// others.
async fn refuse_types(session: &Session, tables: &[Matched<'_>], doing: Doing<'_>) -> Result<(), EngineError> {
    for Matched { file, plan, columns, table, .. } in tables {
        let doing = doing.on(&plan.label);
        let select = format!("SELECT {columns} FROM {table}");
        let statement = session.prepared(&select).await.map_err(|error| doing.failed(error))?;
        let takes = |here: &str, written: &str| here == written || (here == "xml" && written == XML_IS_READ_AS);
        let found = statement
            .columns()
            .iter()
            .zip(&file.types)
            .find(|(column, written)| !takes(column.type_().name(), written));
        if let Some((column, written)) = found {
            let (store, name, here) = (doing.store, column.name(), column.type_().name());
            return Err(doing.refused(format!(
                "column {name} has type {here} here, and the backup has values of type {written}; nothing was loaded; next: run in \
                 {store}: ALTER TABLE {table} ALTER COLUMN {column} TYPE {written} USING {column}::{written}",
                column = quote(name)
            )));
        }
    }
    Ok(())
}

/// Loads the rows of one table; returns how many.
async fn load(
    session: &Session,
    reader: &mut Reader,
    backup: &OpenedBackup,
    matched: &Matched<'_>,
    doing: Doing<'_>,
) -> Result<i64, EngineError> {
    let doing = doing.on(&matched.plan.label);
    let sink: CopyInSink<Bytes> = session.copy_in(&matched.copy()).await.map_err(|error| doing.failed(error))?;
    let mut sink = std::pin::pin!(sink);
    while let Some(part) = reader.part().await.map_err(|error| backup.failed(error))? {
        sink.feed(Bytes::from(part)).await.map_err(|error| doing.failed(error))?;
    }
    let rows = sink.finish().await.map_err(|error| doing.failed(error))?;
    Ok(i64::try_from(rows).unwrap_or(i64::MAX))
}

/// The file must have as many rows as it says, and all of them must be the org's: it had none before.
async fn prove(
    session: &Session,
    backup: &OpenedBackup,
    table: &TablePlan,
    loaded: i64,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let doing = doing.on(&table.label);
    let expected = backup.contents.rows.get(&table.label).copied().unwrap_or_default();
    if loaded != expected {
        let problem = format!(
            "it says that table {} has {expected} rows, and there are {loaded}; nothing was loaded",
            table.label
        );
        return Err(backup.failed(problem));
    }
    let owned = count(session, backup, table, doing).await?;
    match owned == loaded {
        true => Ok(()),
        false => Err(doing.refused(format!(
            "the backup has {loaded} rows, and {owned} of them are org {}'s here: it has rows of other orgs; nothing was loaded; next: \
             use the file as finalize wrote it",
            backup.org()
        ))),
    }
}

/// How many rows the org has in a table of the receiving store.
async fn count(
    session: &Session,
    backup: &OpenedBackup,
    table: &TablePlan,
    doing: Doing<'_>,
) -> Result<i64, EngineError> {
    let count = format!("SELECT count(*) {}", table.target.rows());
    let row = session.query_one(&count, &[&[backup.key().as_str()].as_slice()]).await;
    row.and_then(|row| row.try_get(0)).map_err(|error| doing.failed(error))
}
