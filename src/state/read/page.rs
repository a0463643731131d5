//! Lists of moves, page by page.

use std::time::SystemTime;

use mover_actors::domain::ids::{MigrationName, MoveId, NodeId, OrgName};
use mover_actors::domain::record::MoveRecord;
use strum::VariantNames;
use tokio_postgres::Row;

use crate::state::decode::Columns;
use crate::state::{PgMoveLog, StateError};

/// A state without its step, for filters.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::Display,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case", parse_err_fn = unknown_state, parse_err_ty = StateError)]
pub enum StateName {
    /// Captured; not released to move yet.
    Holding,
    /// May be claimed.
    Ready,
    /// In flight, at whichever step.
    Started,
    /// Done.
    Migrated,
    /// Parked with a reason.
    Failed,
    /// On its source again.
    RolledBack,
    /// Migrated, and gone from the source.
    Finalized,
}

impl StateName {
    /// The name used in tables, logs and JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

fn unknown_state(text: &str) -> StateError {
    let known = <StateName as VariantNames>::VARIANTS.join(", ");
    StateError::invalid("reading a state", format!("{text:?} is none of {known}"))
}

/// A move with details that only operators need.
#[derive(Debug, Clone, PartialEq)]
pub struct MoveView {
    /// The move.
    pub record: MoveRecord,
    /// The node that owns it, or owned it last.
    pub node: Option<NodeId>,
    /// Rows copied.
    pub rows: Option<i64>,
    /// Bytes copied.
    pub bytes: Option<i64>,
    /// When it was captured.
    pub captured_at: SystemTime,
    /// When it changed last.
    pub updated_at: SystemTime,
    /// When writes to the org were blocked.
    pub closed_at: Option<SystemTime>,
    /// When they were unblocked.
    pub opened_at: Option<SystemTime>,
    /// When it reached the end of its claim.
    pub finished_at: Option<SystemTime>,
}

impl PgMoveLog {
    /// At most `limit` moves of a migration in the order of capture, of one state or of all, after the move `after`.
    pub async fn list(
        &self,
        migration: &MigrationName,
        state: Option<StateName>,
        after: Option<MoveId>,
        limit: u32,
    ) -> Result<Vec<MoveView>, StateError> {
        let doing = "listing moves";
        let (after, limit) = (after.map_or(0, |id| id.0), i64::from(limit));
        let sql = include_str!("../sql/list_moves.sql");
        let rows = self.query(doing, sql, &[&migration.as_str(), &names(state), &after, &limit]).await?;
        views(doing, &rows)
    }

    /// At most `limit` moves of orgs with this name prefix, in the order of names, after one of them.
    pub async fn list_by_name(
        &self,
        migration: &MigrationName,
        state: Option<StateName>,
        begin: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<MoveView>, StateError> {
        let doing = "listing moves by name";
        let sql = include_str!("../sql/list_prefix.sql");
        let limit = i64::from(limit);
        let rows = self.query(doing, sql, &[&migration.as_str(), &names(state), &begin, &after, &limit]).await?;
        views(doing, &rows)
    }

    /// One move.
    pub async fn move_view(&self, id: MoveId) -> Result<MoveView, StateError> {
        let doing = "reading a move";
        let rows = self.query(doing, include_str!("../sql/move_one.sql"), &[&id.0]).await?;
        views(doing, &rows)?.pop().ok_or(StateError::UnknownMove(id))
    }

    /// The number and the state of every org of a migration, in the order of capture.
    pub async fn map(&self, migration: &MigrationName) -> Result<Vec<(MoveId, StateName)>, StateError> {
        let doing = "reading the map of orgs";
        let rows = self.query(doing, include_str!("../sql/map.sql"), &[&migration.as_str()]).await?;
        let cell = |row| {
            let columns = Columns::new(doing, row);
            Ok((MoveId(columns.get("id")?), columns.get::<&str>("state")?.parse()?))
        };
        rows.iter().map(cell).collect()
    }

    /// Puts a ready org at the head of the queue; false if it is not ready.
    pub async fn touch(&self, migration: &MigrationName, org: &OrgName) -> Result<bool, StateError> {
        let doing = "putting an org at the head of the queue";
        let sql = include_str!("../sql/move_touch.sql");
        Ok(!self.query(doing, sql, &[&migration.as_str(), &org.as_str()]).await?.is_empty())
    }

    /// The first `limit` failed moves of a migration, each with its failure.
    pub async fn failures(&self, migration: &MigrationName, limit: u32) -> Result<Vec<MoveView>, StateError> {
        self.list(migration, Some(StateName::Failed), None, limit).await
    }
}

fn names(state: Option<StateName>) -> Vec<&'static str> {
    match state {
        Some(state) => vec![state.as_str()],
        None => <StateName as VariantNames>::VARIANTS.to_vec(),
    }
}

pub(super) fn views(doing: &str, rows: &[Row]) -> Result<Vec<MoveView>, StateError> {
    let view = |row| {
        let columns = Columns::new(doing, row);
        Ok(MoveView {
            record: columns.record()?,
            node: columns.node("node")?,
            rows: columns.get("rows")?,
            bytes: columns.get("bytes")?,
            captured_at: columns.get("captured_at")?,
            updated_at: columns.get("updated_at")?,
            closed_at: columns.time("closed_at")?,
            opened_at: columns.time("opened_at")?,
            finished_at: columns.time("finished_at")?,
        })
    };
    rows.iter().map(view).collect()
}
