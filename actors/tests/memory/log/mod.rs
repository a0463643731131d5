//! [`MoveLog`] in memory, to the letter of the port.

mod campaigns;
mod desired;
mod moves;
mod nodes;
mod port;
mod release;

use std::collections::BTreeMap;
use std::time::SystemTime;

use mover_actors::domain::campaign::Campaign;
use mover_actors::domain::flags::{Fields, FlagKey};
use mover_actors::domain::ids::{CampaignId, Epoch, MigrationName, MoveId, NodeId, OrgKey, OrgName};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{Aim, State, Strategy};
use mover_actors::ports::LogError;
use tokio::time::Instant;

use super::fate::{Call, Port};
use super::process::{Process, ProcessId, Trouble};
use super::world::WorldGuard;

/// One process's connection to the move log. When it is dropped, so are the locks by which its nodes live.
pub struct MemoryLog {
    process: Process,
    session: u64,
}

/// What the move log holds.
#[derive(Debug, Default)]
pub struct LogFacts {
    nodes: Vec<NodeRow>,
    campaigns: Vec<CampaignRow>,
    moves: Vec<MoveRow>,
    history: Vec<HistoryRow>,
    desired: BTreeMap<FlagKey, DesiredRow>,
    epoch: i64,
    sessions: u64,
}

#[derive(Debug)]
struct NodeRow {
    name: String,
    lease_until: Instant,
    left: bool,
    process: ProcessId,
    /// The connection that holds its lock.
    session: Option<u64>,
}

#[derive(Debug)]
struct CampaignRow {
    campaign: Campaign,
    claimed_max: Option<u64>,
}

#[derive(Debug)]
struct MoveRow {
    record: MoveRecord,
    node: Option<NodeId>,
    /// Which epoch its holder was given in place of which.
    renewed: Option<(Epoch, Epoch)>,
    chosen_by: Option<CampaignId>,
    closed_at: Option<SystemTime>,
    opened_at: Option<SystemTime>,
}

/// One entry of the history: a transition, or a take-over or a new epoch, whose two states are the same.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRow {
    /// Which move.
    pub id: MoveId,
    /// Under which lease.
    pub epoch: Epoch,
    /// By which node; none for an operator.
    pub node: Option<NodeId>,
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// The campaign that claimed it last.
    pub campaign: Option<CampaignId>,
}

#[derive(Debug)]
struct DesiredRow {
    epoch: Epoch,
    base: Fields,
    overlay: Fields,
}

impl MemoryLog {
    /// The connection of this process.
    pub fn new(process: &Process) -> Self {
        let session = process.world().act(|scene| {
            scene.facts.log.sessions += 1;
            scene.facts.log.sessions
        });
        Self { process: process.clone(), session }
    }

    /// Takes an org into `holding`; one that is known stays as it is.
    pub fn capture(&self, migration: &MigrationName, strategy: Strategy, org: &OrgName, key: &OrgKey) -> MoveId {
        self.process.world().act(|scene| scene.facts.log.capture(migration, strategy, org, key))
    }

    async fn ask<T: Send + 'static>(
        &self,
        method: &'static str,
        ask: impl FnOnce(&mut WorldGuard<'_>) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let answer = self.process.call(Call { port: Port::Log, method }, ask).await;
        answer.unwrap_or_else(|trouble| {
            let doing = method.into();
            Err(match trouble {
                Trouble::Unreachable => LogError::Unreachable { doing, cause: "the connection was lost".into() },
                Trouble::Refused => LogError::Invalid { doing, problem: "permission denied".into() },
            })
        })
    }
}

impl Drop for MemoryLog {
    fn drop(&mut self) {
        self.process.world().act(|scene| scene.facts.log.release_locks(self.session));
    }
}

impl LogFacts {
    /// All moves, in the order of capture.
    pub fn moves(&self) -> impl Iterator<Item = &MoveRecord> {
        self.moves.iter().map(|row| &row.record)
    }

    /// All that has happened, in order.
    pub fn history(&self) -> &[HistoryRow] {
        &self.history
    }

    /// All campaigns, in order.
    pub fn campaigns(&self) -> impl Iterator<Item = &Campaign> {
        self.campaigns.iter().map(|row| &row.campaign)
    }

    /// When writes to the org were blocked and unblocked, as stored.
    pub fn closed_and_opened_at(&self, id: MoveId) -> Option<(Option<SystemTime>, Option<SystemTime>)> {
        self.row(id).ok().map(|row| (row.closed_at, row.opened_at))
    }

    fn capture(&mut self, migration: &MigrationName, strategy: Strategy, org: &OrgName, key: &OrgKey) -> MoveId {
        let known = self.moves.iter().find(|row| row.record.migration == *migration && row.record.key == *key);
        if let Some(row) = known {
            return row.record.id;
        }
        let id = MoveId(i64::try_from(self.moves.len()).unwrap() + 1);
        let record = MoveRecord {
            id,
            migration: migration.clone(),
            org: org.clone(),
            key: key.clone(),
            strategy,
            aim: Aim::Migrate,
            state: State::Holding,
            epoch: Epoch(0),
            campaign: None,
            attempts: 0,
            verified: None,
            failure: None,
            backup: None,
        };
        self.moves.push(MoveRow {
            record,
            node: None,
            renewed: None,
            chosen_by: None,
            closed_at: None,
            opened_at: None,
        });
        id
    }

    fn next_epoch(&mut self) -> Epoch {
        self.epoch += 1;
        Epoch(self.epoch)
    }

    fn row(&self, id: MoveId) -> Result<&MoveRow, LogError> {
        self.moves.get(place(id.0)).ok_or_else(|| unknown_move(id))
    }

    fn row_mut(&mut self, id: MoveId) -> Result<&mut MoveRow, LogError> {
        self.moves.get_mut(place(id.0)).ok_or_else(|| unknown_move(id))
    }
}

fn unknown_move(id: MoveId) -> LogError {
    invalid("using the move log", format!("there is no move {id}"))
}

/// Rows are numbered from 1, as identity columns are.
fn place(id: i64) -> usize {
    usize::try_from(id - 1).unwrap_or(usize::MAX)
}

fn invalid(doing: &str, problem: impl Into<String>) -> LogError {
    LogError::Invalid { doing: doing.into(), problem: problem.into() }
}
