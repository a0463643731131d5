//! Everything about one org.

use std::time::SystemTime;

use mover_actors::domain::ids::{Epoch, MigrationName, OrgName};
use mover_actors::domain::state::State;
use serde_json::Value;

use super::MoveView;
use super::page::views;
use crate::state::decode::Columns;
use crate::state::release::near_names;
use crate::state::{PgMoveLog, StateError};

const READING: &str = "reading an org's history";

/// The history of one org in one migration.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// When it was captured.
    pub captured_at: SystemTime,
    /// Every transition and takeover, the oldest first.
    pub happenings: Vec<HistoryEntry>,
}

/// One transition or takeover.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// When.
    pub at: SystemTime,
    /// The state before.
    pub from: State,
    /// The state after; the same at a takeover, and when the owner got a new epoch for an abort.
    pub to: State,
    /// The node that wrote it, by name.
    pub node: Option<String>,
    /// The epoch of the lease under which it was written.
    pub epoch: Epoch,
    /// The operator, unless the node itself acted.
    pub actor: Option<String>,
    /// Details: `failure` with its reason and place, `rows` and `bytes`, `campaign`, `taken_over_from`, `renewed_from`.
    pub detail: Option<Value>,
}

impl PgMoveLog {
    /// Names of orgs of these migrations with this prefix, at most `limit`, sorted.
    pub async fn org_names(&self, migrations: &[String], begin: &str, limit: u32) -> Result<Vec<String>, StateError> {
        let doing = "reading names of orgs";
        let sql = include_str!("../sql/org_names.sql");
        let rows = self.query(doing, sql, &[&migrations, &begin, &i64::from(limit)]).await?;
        rows.iter().map(|row| Columns::new(doing, row).get("org_name")).collect()
    }

    /// The history of an org in a migration; the error suggests similar names if the org is unknown there.
    pub async fn org_history(&self, migration: &MigrationName, org: &OrgName) -> Result<History, StateError> {
        let client = self.client(READING).await?;
        let sql = include_str!("../sql/org_history.sql");
        let rows = crate::state::query::query(&client, READING, sql, &[&migration.as_str(), &org.as_str()]).await?;
        let Some(first) = rows.first() else {
            let near = near_names(&client, READING, migration, org.as_str()).await?;
            return Err(StateError::UnknownOrg { migration: migration.clone(), org: org.to_string(), near });
        };
        let mut history =
            History { captured_at: Columns::new(READING, first).get("captured_at")?, happenings: Vec::new() };
        for row in &rows {
            let columns = Columns::new(READING, row);
            let Some(at) = columns.time("at")? else { continue };
            history.happenings.push(HistoryEntry {
                at,
                from: columns.state("from_state", "from_step")?,
                to: columns.state("to_state", "to_step")?,
                node: columns.get("node_name")?,
                epoch: Epoch(columns.get("epoch")?),
                actor: columns.get("actor")?,
                detail: columns.get("detail")?,
            });
        }
        Ok(history)
    }

    /// An org in every migration that knows it; the error suggests similar names if none does.
    pub async fn org_moves(&self, org: &OrgName) -> Result<Vec<MoveView>, StateError> {
        let doing = "reading an org's moves";
        let migrations = self.migration_names().await?;
        let names: Vec<&str> = migrations.iter().map(MigrationName::as_str).collect();
        let client = self.client(doing).await?;
        let sql = include_str!("../sql/org_moves.sql");
        let rows = crate::state::query::query(&client, doing, sql, &[&org.as_str(), &names]).await?;
        if !rows.is_empty() {
            return views(doing, &rows);
        }
        let mut near = Vec::new();
        for migration in &migrations {
            near.extend(near_names(&client, doing, migration, org.as_str()).await?);
        }
        near.sort();
        near.dedup();
        Err(StateError::UnknownEverywhere { org: org.to_string(), near })
    }
}
