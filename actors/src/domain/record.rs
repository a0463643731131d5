//! One move as the move log has it, and its legal changes.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::ids::{CampaignId, Epoch, MigrationName, MoveId, OrgKey, OrgName};
use super::state::{Aim, Course, Event, Refused, State, Step, Strategy, step};
use super::verified::Verified;

/// One org going through one migration.
#[derive(Debug, Clone, PartialEq)]
pub struct MoveRecord {
    /// Its row in the move log.
    pub id: MoveId,
    /// The migration.
    pub migration: MigrationName,
    /// The org's name.
    pub org: OrgName,
    /// The key of the org's rows.
    pub key: OrgKey,
    /// The strategy.
    pub strategy: Strategy,
    /// The aim of the last claim.
    pub aim: Aim,
    /// The current state.
    pub state: State,
    /// The epoch of the last lease; an older one is stale and refused.
    pub epoch: Epoch,
    /// The campaign that claimed it last.
    pub campaign: Option<CampaignId>,
    /// How often it was claimed or taken over.
    pub attempts: i32,
    /// The proof of equality, from the end of the first `verify` on.
    pub verified: Option<Verified>,
    /// Why it is being aborted, has failed, or is still migrated after a rollback was aborted.
    pub failure: Option<Failure>,
    /// The file that the source's rows were written to, from the end of `back_up` on.
    pub backup: Option<Backup>,
}

/// The file with the rows that an org had in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The file, on the node that wrote it.
    pub path: PathBuf,
    /// What identifies its contents; `None` if an earlier version wrote it.
    pub sum: Option<String>,
}

/// Why a move failed, and where: enough to fix the cause without reading a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step that failed.
    pub step: Step,
    /// What went wrong, as a sentence for the operator.
    pub reason: String,
    /// Where it went wrong.
    #[serde(flatten)]
    pub place: Place,
}

/// A place in a store, as exact as possible.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    /// The store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The columns.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub columns: Vec<String>,
    /// The row: its key, or its contents as the store reported them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// Whether the store as a whole is at fault, whichever org is moved: its disk is full, it cannot be reached, a right is missing.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub systemic: bool,
}

/// The results of a finished step that the move log keeps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Findings {
    /// The proof of equality (`verify`).
    pub verified: Option<Verified>,
    /// Rows copied (`copy`).
    pub rows: Option<i64>,
    /// Bytes copied, as sent to the target (`copy`).
    pub bytes: Option<i64>,
    /// Why the move is being aborted.
    pub failure: Option<Failure>,
    /// The file that the source's rows were written to (`back_up`).
    pub backup: Option<Backup>,
    /// When writes to the org were blocked (`block`) or began to wait (`switch`, online).
    pub closed_at: Option<SystemTime>,
    /// When writes to the org were unblocked (`unblock`, `abort`; `switch`, online).
    pub opened_at: Option<SystemTime>,
}

/// One legal transition, ready to be written. Only [`MoveRecord::advance`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    id: MoveId,
    epoch: Epoch,
    from: State,
    to: State,
    findings: Findings,
}

impl MoveRecord {
    /// The transition that an event causes now, or why it is refused.
    pub fn advance(&self, event: Event, findings: Findings) -> Result<Advance, Refused> {
        let to = step(self.course(), self.state, event)?;
        Ok(Advance { id: self.id, epoch: self.epoch, from: self.state, to, findings })
    }

    /// The course of the move.
    pub fn course(&self) -> Course {
        Course { strategy: self.strategy, aim: self.aim }
    }

    /// Applies a transition that was written.
    pub fn apply(&mut self, advance: Advance) {
        if advance.resumes_the_switch() {
            self.failure = None;
        }
        self.state = advance.to;
        if let Some(verified) = advance.findings.verified {
            self.verified = Some(verified);
        }
        if let Some(failure) = advance.findings.failure {
            self.failure = Some(failure);
        }
        if let Some(backup) = advance.findings.backup {
            self.backup = Some(backup);
        }
        if self.state == State::Failed {
            self.verified = None;
        }
    }

    /// The lease, for stores and Redis.
    pub fn lease(&self) -> Lease {
        Lease {
            id: self.id,
            migration: self.migration.clone(),
            org: self.org.clone(),
            key: self.key.clone(),
            epoch: self.epoch,
        }
    }
}

impl Advance {
    /// The move.
    pub fn id(&self) -> MoveId {
        self.id
    }

    /// The epoch under which the transition is made.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The state before; the move log refuses the transition if it is another by now.
    pub fn from(&self) -> State {
        self.from
    }

    /// The state after.
    pub fn to(&self) -> State {
        self.to
    }

    /// Whether an abort found that the org has moved: then nothing failed.
    pub fn resumes_the_switch(&self) -> bool {
        self.from == State::Started(Step::Abort) && self.to == State::Started(Step::Switch)
    }

    /// Why the move log must refuse it in any case: a result that the step must have is missing, or belongs to another step.
    pub fn problem(&self) -> Option<&'static str> {
        let State::Started(begun) = self.from else {
            return Some("only a started move advances; others are claimed, released or retried");
        };
        let Findings { verified, failure, backup, rows, bytes, .. } = &self.findings;
        let fails = self.to == State::Started(Step::Abort);
        let proves = begun == Step::Verify && !fails;
        if fails && failure.is_none() {
            Some("the reason for the abort is missing")
        } else if !fails && failure.is_some() {
            Some("a failure came without an abort")
        } else if proves && verified.is_none() {
            Some("the proof of equality is missing")
        } else if !proves && verified.is_some() {
            Some("the proof of equality came too early or late")
        } else if begun == Step::BackUp && !fails && backup.is_none() {
            Some("the backup is missing")
        } else if rows.is_some_and(|rows| rows < 0) || bytes.is_some_and(|bytes| bytes < 0) {
            Some("rows or bytes copied are negative")
        } else {
            None
        }
    }

    /// The results of the step.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }
}

/// The right to move one org, as its owner presents it to stores and Redis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The move.
    pub id: MoveId,
    /// The migration.
    pub migration: MigrationName,
    /// The org's name.
    pub org: OrgName,
    /// The key of the org's rows.
    pub key: OrgKey,
    /// The epoch.
    pub epoch: Epoch,
}
