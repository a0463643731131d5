//! Converts rows of the move log to types of the domain. A value that does not fit is an error, never a default.

use std::time::SystemTime;

use mover_actors::domain::campaign::{Campaign, FailurePolicy, Phase, Selection, Tuning};
use mover_actors::domain::ids::{CampaignId, Epoch, IdError, MoveId, NodeId};
use mover_actors::domain::record::{Backup, Failure, MoveRecord};
use mover_actors::domain::state::{Aim, State, Strategy};
use mover_actors::domain::verified::Verified;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Json};

use super::StateError;

/// A row with the operation that read it, for errors.
pub(super) struct Columns<'a> {
    pub(super) row: &'a Row,
    pub(super) doing: &'a str,
}

impl<'a> Columns<'a> {
    pub(super) fn new(doing: &'a str, row: &'a Row) -> Self {
        Self { row, doing }
    }

    pub(super) fn get<T: FromSql<'a>>(&self, column: &str) -> Result<T, StateError> {
        self.row
            .try_get(column)
            .map_err(|error| StateError::invalid(self.doing, format!("column {column} cannot be read: {error}")))
    }

    /// A name or key that was checked when it was written.
    pub(super) fn id<T: TryFrom<String, Error = IdError>>(&self, column: &str) -> Result<T, StateError> {
        let text: String = self.get(column)?;
        T::try_from(text).map_err(|error| StateError::stored_id(self.doing, &error))
    }

    pub(super) fn count(&self, column: &str) -> Result<u64, StateError> {
        let number: i64 = self.get(column)?;
        u64::try_from(number)
            .map_err(|_| StateError::invalid(self.doing, format!("column {column} holds the negative {number}")))
    }

    fn count_u32(&self, column: &str) -> Result<u32, StateError> {
        let number = self.count(column)?;
        u32::try_from(number)
            .map_err(|_| StateError::invalid(self.doing, format!("column {column} holds {number}, which is too much")))
    }

    pub(super) fn time(&self, column: &str) -> Result<Option<SystemTime>, StateError> {
        self.get(column)
    }

    pub(super) fn state(&self, state: &str, step: &str) -> Result<State, StateError> {
        let (name, step): (&str, Option<&str>) = (self.get(state)?, self.get(step)?);
        State::from_parts(name, step).map_err(|error| StateError::invalid(self.doing, error.to_string()))
    }

    pub(super) fn record(&self) -> Result<MoveRecord, StateError> {
        let verified: Option<Json<Verified>> = self.get("verified")?;
        let failure: Option<Json<Failure>> = self.get("failure")?;
        Ok(MoveRecord {
            id: MoveId(self.get("id")?),
            migration: self.id("migration")?,
            org: self.id("org_name")?,
            key: self.id("org_key")?,
            strategy: self.strategy()?,
            aim: self.aim()?,
            state: self.state("state", "step")?,
            epoch: Epoch(self.get("epoch")?),
            campaign: self.get::<Option<i64>>("campaign")?.map(CampaignId),
            attempts: self.get("attempts")?,
            verified: verified.map(|json| json.0),
            failure: failure.map(|json| json.0),
            backup: self.backup()?,
        })
    }

    fn backup(&self) -> Result<Option<Backup>, StateError> {
        let path: Option<String> = self.get("backup")?;
        let sum = self.get("backup_sum")?;
        Ok(path.map(|path| Backup { path: path.into(), sum }))
    }

    pub(super) fn strategy(&self) -> Result<Strategy, StateError> {
        let name: &str = self.get("strategy")?;
        name.parse().map_err(|_| StateError::invalid(self.doing, format!("unknown strategy {name:?}")))
    }

    fn aim(&self) -> Result<Aim, StateError> {
        let name: &str = self.get("aim")?;
        name.parse().map_err(|_| StateError::invalid(self.doing, format!("unknown aim {name:?}")))
    }

    pub(super) fn node(&self, column: &str) -> Result<Option<NodeId>, StateError> {
        Ok(self.get::<Option<i32>>(column)?.map(|id| NodeId(id.into())))
    }

    pub(super) fn campaign(&self) -> Result<Campaign, StateError> {
        let Json(selection): Json<Selection> = self.get("selection")?;
        let failures_max = match self.get::<Option<i64>>("failures_max")? {
            None => None,
            Some(_) => Some(self.count_u32("failures_max")?),
        };
        Ok(Campaign {
            id: CampaignId(self.get("id")?),
            migration: self.id("migration")?,
            aim: self.aim()?,
            selection,
            phase: self.phase()?,
            tuning: Tuning {
                concurrency: self.count_u32("concurrency")?,
                sleep_time_ms: self.count("sleep_time_ms")?,
                pace_ms: self.count("pace_ms")?,
            },
            failure_policy: FailurePolicy { error_halts: self.get("error_halts")?, failures_max },
            node: NodeId(self.get::<i32>("node")?.into()),
            reason: self.get("reason")?,
            claimed: self.count("claimed")?,
            migrated: self.count("migrated")?,
            failed: self.count("failed")?,
        })
    }

    fn phase(&self) -> Result<Phase, StateError> {
        match self.get("phase")? {
            "running" => Ok(Phase::Running),
            "paused" => Ok(Phase::Paused),
            "halting" => Ok(Phase::Halting),
            "ended" => Ok(Phase::Ended),
            other => Err(StateError::invalid(self.doing, format!("unknown phase {other:?}"))),
        }
    }
}

/// A node's number in the type of its column.
pub(super) fn node_number(node: NodeId) -> Result<i32, StateError> {
    i32::try_from(node.0).map_err(|_| StateError::UnknownNode(node))
}

pub(super) fn records(doing: &str, rows: &[Row]) -> Result<Vec<MoveRecord>, StateError> {
    rows.iter().map(|row| Columns::new(doing, row).record()).collect()
}
