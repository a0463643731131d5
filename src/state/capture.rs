//! The capture of orgs into the move log: the list of a whole store as a stream, or single orgs.

use std::error::Error;

use deadpool_postgres::Transaction;
use futures_util::{Stream, TryStreamExt};
use mover_actors::domain::ids::{MigrationName, OrgKey, OrgName};
use mover_actors::domain::state::Strategy;
use thiserror::Error;

use super::decode::Columns;
use super::query::{begin, commit, execute, query};
use super::{PgMoveLog, StateError};

const DOING: &str = "capturing orgs";
/// Large enough that the round trip does not matter, small enough for little memory.
const BATCH_ORGS: usize = 5_000;

/// The report names this many orgs that are known otherwise.
const NAMED_MAX: usize = 20;

/// What a capture found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured {
    /// Orgs that the source listed.
    pub listed: u64,
    /// Of these, the ones that are now in `holding`.
    pub new: u64,
    /// Of these, the ones that were known before; their state is as it was.
    pub known: u64,
    /// Of these, the ones with a conflict: their name is known with another key, or their key under another name. They were
    /// left as they are.
    pub otherwise: u64,
    /// Some of those with a conflict.
    pub named: Vec<KnownOtherwise>,
}

/// An org that the source lists with another name or key than the move log has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownOtherwise {
    /// The listed name.
    pub name: OrgName,
    /// The listed key.
    pub key: OrgKey,
    /// The stored name.
    pub known_name: OrgName,
    /// The stored key.
    pub known_key: OrgKey,
    /// The state of that org.
    pub state: String,
}

impl KnownOtherwise {
    /// Whether it is the same org under a new name.
    pub fn is_renamed(&self) -> bool {
        self.key == self.known_key
    }
}

impl Captured {
    /// Adds the result of another capture.
    pub fn include(&mut self, other: Self) {
        self.listed += other.listed;
        self.new += other.new;
        self.known += other.known;
        self.add_otherwise(other.named, other.otherwise);
    }

    fn add_otherwise(&mut self, named: Vec<KnownOtherwise>, count: u64) {
        self.otherwise += count;
        let room = NAMED_MAX.saturating_sub(self.named.len());
        self.named.extend(named.into_iter().take(room));
    }
}

/// Why a capture captured nothing.
#[derive(Debug, Error)]
pub enum CaptureError<E: Error + 'static> {
    /// The list of orgs broke off.
    #[error("the list of orgs of migration {migration} cannot be read")]
    Source {
        /// The migration.
        migration: MigrationName,
        /// The error of its source.
        #[source]
        cause: E,
    },
    /// The move log refused.
    #[error(transparent)]
    State(#[from] StateError),
}

impl PgMoveLog {
    /// Captures a source's list of orgs into `holding`, in one transaction and in constant memory. Known orgs stay as they are,
    /// so it can be repeated at any time; so do orgs that are known by another name or key, which are reported.
    pub async fn capture<E: Error + 'static>(
        &self,
        migration: &MigrationName,
        strategy: Strategy,
        orgs: impl Stream<Item = Result<(OrgName, OrgKey), E>> + Send,
    ) -> Result<Captured, CaptureError<E>> {
        let mut client = self.client(DOING).await?;
        let transaction = begin(&mut client, DOING).await?;
        query(&transaction, DOING, include_str!("sql/capture_lock.sql"), &[&migration.as_str()]).await?;
        let mut captured = Captured::default();
        let broken = |cause| CaptureError::Source { migration: migration.clone(), cause };
        let mut batches = std::pin::pin!(orgs.try_chunks(BATCH_ORGS));
        while let Some(batch) = batches.try_next().await.map_err(|error| broken(error.1))? {
            let (new, otherwise) = insert(&transaction, migration, strategy, &batch).await?;
            captured.listed += batch.len() as u64;
            captured.new += new;
            let count = otherwise.len() as u64;
            captured.add_otherwise(otherwise, count);
        }
        captured.known = captured.listed - captured.new - captured.otherwise;
        commit(transaction, DOING).await?;
        drop(client);
        self.vacuum_moves(captured.new).await;
        Ok(captured)
    }

    /// Captures one org into `holding`; returns whether it was new.
    pub async fn add_org(
        &self,
        migration: &MigrationName,
        strategy: Strategy,
        org: OrgName,
        key: OrgKey,
    ) -> Result<bool, StateError> {
        let mut client = self.client(DOING).await?;
        let transaction = begin(&mut client, DOING).await?;
        let (new, otherwise) = insert(&transaction, migration, strategy, &[(org, key)]).await?;
        if let Some(KnownOtherwise { name, key, known_name, known_key, .. }) = otherwise.into_iter().next() {
            let migration = migration.clone();
            return Err(StateError::OrgConflict { migration, name, key, known_name, known_key });
        }
        commit(transaction, DOING).await?;
        Ok(new > 0)
    }
}

/// Inserts unknown orgs; returns how many, and which are known otherwise.
async fn insert(
    transaction: &Transaction<'_>,
    migration: &MigrationName,
    strategy: Strategy,
    orgs: &[(OrgName, OrgKey)],
) -> Result<(u64, Vec<KnownOtherwise>), StateError> {
    let names: Vec<&str> = orgs.iter().map(|(name, _)| name.as_str()).collect();
    let keys: Vec<&str> = orgs.iter().map(|(_, key)| key.as_str()).collect();
    let (migration_name, strategy) = (migration.as_str(), strategy.as_str());
    let sql = include_str!("sql/capture_batch.sql");
    let new = execute(transaction, DOING, sql, &[&migration_name, &strategy, &names, &keys]).await?;
    if new == orgs.len() as u64 {
        return Ok((new, Vec::new()));
    }
    let sql = include_str!("sql/capture_conflict.sql");
    let rows = query(transaction, DOING, sql, &[&migration_name, &names, &keys]).await?;
    let otherwise = rows.iter().map(|row| {
        let columns = Columns::new(DOING, row);
        Ok(KnownOtherwise {
            name: columns.id("name")?,
            key: columns.id("key")?,
            known_name: columns.id("org_name")?,
            known_key: columns.id("org_key")?,
            state: columns.get("state")?,
        })
    });
    Ok((new, otherwise.collect::<Result<_, StateError>>()?))
}
