//! The schema `mover`, brought up to date by numbered migrations that only go forward.

use deadpool_postgres::Transaction;

use super::decode::Columns;
use super::query::{begin, commit, execute, only, query};
use super::{PgMoveLog, StateError};

const DOING: &str = "migrating the schema of the move log";

/// One migration of the schema.
struct Migration {
    number: i32,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: [Migration; 11] = [
    Migration { number: 1, name: "nodes_and_campaigns", sql: include_str!("schema/001_nodes_and_campaigns.sql") },
    Migration { number: 2, name: "moves", sql: include_str!("schema/002_moves.sql") },
    Migration { number: 3, name: "desired_flags", sql: include_str!("schema/003_desired_flags.sql") },
    Migration { number: 4, name: "online", sql: include_str!("schema/004_online.sql") },
    Migration { number: 5, name: "runbooks", sql: include_str!("schema/005_runbooks.sql") },
    Migration { number: 6, name: "window_and_history", sql: include_str!("schema/006_window_and_history.sql") },
    Migration { number: 7, name: "serve", sql: include_str!("schema/007_serve.sql") },
    Migration { number: 8, name: "runs_elsewhere", sql: include_str!("schema/008_runs_elsewhere.sql") },
    Migration { number: 9, name: "forward", sql: include_str!("schema/009_forward.sql") },
    Migration { number: 10, name: "signed_backups", sql: include_str!("schema/010_signed_backups.sql") },
    Migration { number: 11, name: "store_seen", sql: include_str!("schema/011_store_seen.sql") },
];

/// How current the schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaStatus {
    /// As this program needs it.
    Current,
    /// This many migrations must be run.
    Pending(usize),
}

/// A migration that was run, as the database has it.
struct Applied {
    number: i32,
    name: String,
    checksum: String,
}

impl PgMoveLog {
    /// Runs the missing migrations and returns how many. Safe with many processes at once.
    pub async fn migrate_schema(&self) -> Result<usize, StateError> {
        let mut ran = 0;
        for migration in &MIGRATIONS {
            let mut client = self.client(DOING).await?;
            let transaction = begin(&mut client, DOING).await?;
            // Taken before anything is read, so that of many processes the first one migrates and the others see the result.
            transaction
                .batch_execute("SELECT pg_advisory_xact_lock(1297044072)")
                .await
                .map_err(|error| StateError::postgres(DOING, &error))?;
            let applied = applied(&transaction).await?;
            check(&applied)?;
            if applied.iter().any(|done| done.number == migration.number) {
                continue;
            }
            run(&transaction, migration).await?;
            commit(transaction, DOING).await?;
            tracing::info!(number = migration.number, name = migration.name, "migrated the schema of the move log");
            ran += 1;
        }
        self.schema_status().await.map(|_| ran)
    }

    /// How current the schema is; an error if it is newer than this program or differs from it.
    pub async fn schema_status(&self) -> Result<SchemaStatus, StateError> {
        let mut client = self.client(DOING).await?;
        let transaction = begin(&mut client, DOING).await?;
        let applied = applied(&transaction).await?;
        check(&applied)?;
        self.verify_checksums(&transaction, &applied).await?;
        match MIGRATIONS.len() - applied.len() {
            0 => Ok(SchemaStatus::Current),
            pending => Ok(SchemaStatus::Pending(pending)),
        }
    }

    /// Whether migrations of the schema must be run before anything else works.
    pub async fn needs_migration(&self) -> Result<bool, StateError> {
        Ok(self.schema_status().await? != SchemaStatus::Current)
    }

    async fn verify_checksums(&self, transaction: &Transaction<'_>, applied: &[Applied]) -> Result<(), StateError> {
        for (done, migration) in applied.iter().zip(&MIGRATIONS) {
            if done.checksum != checksum(transaction, migration).await? {
                let (number, found, name) = (done.number, done.name.clone(), migration.name.into());
                return Err(StateError::SchemaDiffers { number, found, name });
            }
        }
        Ok(())
    }
}

/// The migrations that were run, in order; none if the bookkeeping table does not exist.
async fn applied(transaction: &Transaction<'_>) -> Result<Vec<Applied>, StateError> {
    let exists = "SELECT to_regclass('mover.schema_migration') IS NOT NULL AS is_there";
    let row = only(DOING, query(transaction, DOING, exists, &[]).await?)?;
    if !Columns::new(DOING, &row).get::<bool>("is_there")? {
        return Ok(Vec::new());
    }
    let rows = query(transaction, DOING, include_str!("sql/schema_applied.sql"), &[]).await?;
    let read = |row| {
        let columns = Columns::new(DOING, row);
        Ok(Applied { number: columns.get("number")?, name: columns.get("name")?, checksum: columns.get("checksum")? })
    };
    rows.iter().map(read).collect()
}

/// Numbers and names must be a prefix of those that this program knows.
fn check(applied: &[Applied]) -> Result<(), StateError> {
    let known = MIGRATIONS.last().map_or(0, |last| last.number);
    for (place, done) in applied.iter().enumerate() {
        let Some(migration) = MIGRATIONS.get(place) else {
            let found = applied.last().map_or(done.number, |last| last.number);
            return Err(StateError::SchemaTooNew { found, known });
        };
        if done.number != migration.number || done.name != migration.name {
            let (number, found, name) = (done.number, done.name.clone(), migration.name.into());
            return Err(StateError::SchemaDiffers { number, found, name });
        }
    }
    Ok(())
}

async fn run(transaction: &Transaction<'_>, migration: &Migration) -> Result<(), StateError> {
    let doing = format!("running schema migration {} ({}) of the move log", migration.number, migration.name);
    let failed = |error| StateError::postgres(&doing, &error);
    transaction.batch_execute(include_str!("sql/schema_bookkeeping.sql")).await.map_err(failed)?;
    transaction.batch_execute(migration.sql).await.map_err(failed)?;
    let checksum = checksum(transaction, migration).await?;
    let record = include_str!("sql/schema_record.sql");
    execute(transaction, &doing, record, &[&migration.number, &migration.name, &checksum]).await?;
    Ok(())
}

/// Postgres computes it, which saves a crate.
async fn checksum(transaction: &Transaction<'_>, migration: &Migration) -> Result<String, StateError> {
    let sql = "SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex') AS checksum";
    let row = only(DOING, query(transaction, DOING, sql, &[&migration.sql]).await?)?;
    Columns::new(DOING, &row).get("checksum")
}
