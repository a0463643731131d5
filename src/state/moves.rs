//! Moves: claimed and advanced in batches, one statement each.

use std::collections::BTreeMap;
use std::time::SystemTime;

use deadpool_postgres::GenericClient;
use mover_actors::domain::ids::{CampaignId, Epoch, MigrationName, MoveId, NodeId, OrgKey, OrgName};
use mover_actors::domain::record::{Advance, Failure, MoveRecord};
use mover_actors::domain::state::{Course, Step};
use mover_actors::domain::verified::Verified;
use mover_actors::ports::LogError;
use tokio_postgres::types::Json;

use super::campaigns::distinct;
use super::decode::{Columns, node_number, records};
use super::query::{Params, begin, commit, query};
use super::rounds::rounds;
use super::{PgMoveLog, StateError};

const CLAIMING: &str = "claiming orgs";
const ADVANCING: &str = "advancing moves";
const LOADING: &str = "loading a move";
const RENEWING: &str = "renewing the epoch of a move";
/// How often a statement is repeated that conflicts with a change which its snapshot did not show.
const RACES_MAX: usize = 5;

impl PgMoveLog {
    /// Claims orgs for a campaign. Only its row has its aim, so both statements run, and the one that fits finds orgs.
    pub(super) async fn claim_orgs(
        &self,
        campaign: CampaignId,
        node: NodeId,
        limit: u32,
    ) -> Result<Vec<MoveRecord>, StateError> {
        let ready = self.claim_with(include_str!("sql/move_claim.sql"), campaign, node, limit).await?;
        if !ready.is_empty() {
            return Ok(ready);
        }
        self.claim_with(include_str!("sql/move_claim_migrated.sql"), campaign, node, limit).await
    }

    async fn claim_with(
        &self,
        claim: &'static str,
        campaign: CampaignId,
        node: NodeId,
        limit: u32,
    ) -> Result<Vec<MoveRecord>, StateError> {
        let (number, limit, first) = (node_number(node)?, i64::from(limit), Json(first_steps()));
        let mut races = 0;
        loop {
            match self.query(CLAIMING, claim, &[&campaign.0, &number, &limit, &first]).await {
                Ok(rows) => return records(CLAIMING, &rows),
                // Another migration claimed the org after our snapshot: the next snapshot shows it.
                Err(error) if error.violates("org_migration_state_in_flight") => {
                    races += 1;
                    if races > RACES_MAX {
                        let cause = "orgs keep going in flight in another migration".into();
                        return Err(StateError::Unreachable { doing: CLAIMING.into(), cause });
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn load_move(&self, id: MoveId) -> Result<MoveRecord, StateError> {
        let rows = self.query(LOADING, include_str!("sql/move_load.sql"), &[&id.0]).await?;
        let row = rows.first().ok_or(StateError::UnknownMove(id))?;
        Columns::new(LOADING, row).record()
    }

    /// Two statements, because only a new snapshot shows the result of a first try whose answer was lost.
    pub(super) async fn renew_move(&self, node: NodeId, id: MoveId, epoch: Epoch) -> Result<Epoch, LogError> {
        let number = node_number(node)?;
        for sql in [include_str!("sql/move_renew.sql"), include_str!("sql/move_renewed.sql")] {
            if let Some(row) = self.query(RENEWING, sql, &[&id.0, &number, &epoch.0]).await?.first() {
                return Ok(Epoch(Columns::new(RENEWING, row).get("epoch")?));
            }
        }
        Err(LogError::Fenced { id, ours: epoch })
    }

    pub(super) async fn rename_org(&self, id: MoveId, epoch: Epoch, name: &OrgName) -> Result<(), LogError> {
        let doing = "renaming an org";
        let params: Params<'_> = &[&id.0, &epoch.0, &name.as_str()];
        match self.query(doing, include_str!("sql/move_rename.sql"), params).await {
            Ok(rows) if rows.is_empty() => Err(LogError::Fenced { id, ours: epoch }),
            Ok(_) => Ok(()),
            Err(error)
                if ["org_migration_state_name", "org_migration_state_in_flight"]
                    .iter()
                    .any(|name| error.violates(name)) =>
            {
                let problem = format!("the move log has another org of the name {:?}", name.as_str());
                Err(LogError::Invalid { doing: doing.into(), problem })
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn note_shut(&self, orgs: &[(MoveId, Epoch)], since: SystemTime) -> Result<(), StateError> {
        let (ids, epochs): (Vec<i64>, Vec<i64>) = orgs.iter().map(|(id, epoch)| (id.0, epoch.0)).unzip();
        let sql = include_str!("sql/move_note_shut.sql");
        self.query("noting that writers are shut out", sql, &[&ids, &epochs, &since]).await.map(drop)
    }

    /// The moves of a migration that have begun, and those of the given orgs.
    pub async fn moves_begun(
        &self,
        migration: &MigrationName,
        keys: &[&OrgKey],
    ) -> Result<Vec<MoveRecord>, StateError> {
        let doing = "loading moves that have begun";
        let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        let rows = self.query(doing, include_str!("sql/moves_begun.sql"), &[&migration.as_str(), &keys]).await?;
        records(doing, &rows)
    }

    /// The moves of orgs in one migration, by their keys; unknown ones are left out.
    pub async fn moves_by_key(
        &self,
        migration: &MigrationName,
        keys: &[&OrgKey],
    ) -> Result<Vec<MoveRecord>, StateError> {
        let doing = "loading moves by their orgs' keys";
        let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        let rows = self.query(doing, include_str!("sql/moves_by_key.sql"), &[&migration.as_str(), &keys]).await?;
        records(doing, &rows)
    }

    /// The moves of named orgs in one migration; unknown ones are left out.
    pub async fn moves_by_name(
        &self,
        migration: &MigrationName,
        names: &[OrgName],
    ) -> Result<Vec<MoveRecord>, StateError> {
        let doing = "loading moves by their orgs' names";
        let params: Params<'_> = &[&migration.as_str(), &distinct(names)];
        records(doing, &self.query(doing, include_str!("sql/moves_by_name.sql"), params).await?)
    }

    pub(super) async fn advance_moves(
        &self,
        node: NodeId,
        advances: &[Advance],
    ) -> Result<Vec<Result<(), LogError>>, StateError> {
        let number = node_number(node)?;
        let mut answers: Vec<Result<(), LogError>> = advances.iter().map(check).collect();
        let fit: Vec<usize> = (0..advances.len()).filter(|place| answers[*place].is_ok()).collect();
        let rounds = rounds(fit.into_iter().map(|place| (place, advances[place].id())));
        if rounds.is_empty() {
            return Ok(answers);
        }
        let mut client = self.client(ADVANCING).await?;
        match rounds.as_slice() {
            [only] => write_round(&client, number, advances, only, &mut answers).await?,
            several => {
                let transaction = begin(&mut client, ADVANCING).await?;
                for round in several {
                    write_round(&transaction, number, advances, round, &mut answers).await?;
                }
                commit(transaction, ADVANCING).await?;
            }
        }
        Ok(answers)
    }
}

/// The first step of each course, by aim and strategy.
fn first_steps() -> BTreeMap<&'static str, BTreeMap<&'static str, &'static str>> {
    let mut steps: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for course in Course::all() {
        if let Some(first) = course.first() {
            steps.entry(course.aim.as_str()).or_default().insert(course.strategy.as_str(), first.as_str());
        }
    }
    steps
}

/// Checks what the constraints would refuse, and the whole batch with it.
fn check(advance: &Advance) -> Result<(), LogError> {
    match advance.problem() {
        None => Ok(()),
        Some(problem) => {
            let doing = format!("advancing move {} from {} to {}", advance.id(), advance.from(), advance.to());
            Err(LogError::Invalid { doing, problem: problem.into() })
        }
    }
}

/// Writes transitions of different moves.
async fn write_round(
    client: &impl GenericClient,
    node: i32,
    advances: &[Advance],
    round: &[usize],
    answers: &mut [Result<(), LogError>],
) -> Result<(), StateError> {
    let mut places = round.to_vec();
    for _ in 0..RACES_MAX {
        let batch = Batch::new(places.iter().map(|place| &advances[*place]));
        let rows = batch.write(client, node).await?;
        let mut raced = Vec::new();
        for (place, row) in places.into_iter().zip(&rows) {
            let columns = Columns::new(ADVANCING, row);
            let advance = &advances[place];
            answers[place] = if columns.get("written")? {
                Ok(())
            } else if !columns.get::<bool>("known")? {
                Err(StateError::UnknownMove(advance.id()).into())
            } else if columns.get("open")? {
                // Changed after the snapshot was taken; the next statement will see the change.
                raced.push(place);
                let cause = "it changes all the time".into();
                Err(LogError::Unreachable { doing: format!("advancing move {}", advance.id()), cause })
            } else {
                Err(LogError::Fenced { id: advance.id(), ours: advance.epoch() })
            };
        }
        places = raced;
        if places.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Transitions as columns, the parameters of one statement.
#[derive(Default)]
struct Batch<'a> {
    ids: Vec<i64>,
    epochs: Vec<i64>,
    from_states: Vec<&'static str>,
    from_steps: Vec<Option<&'static str>>,
    to_states: Vec<&'static str>,
    to_steps: Vec<Option<&'static str>>,
    verified: Vec<Option<Json<&'a Verified>>>,
    failures: Vec<Option<Json<&'a Failure>>>,
    rows: Vec<Option<i64>>,
    bytes: Vec<Option<i64>>,
    closed_at: Vec<Option<SystemTime>>,
    opened_at: Vec<Option<SystemTime>>,
    backups: Vec<Option<String>>,
    backup_sums: Vec<Option<String>>,
}

impl<'a> Batch<'a> {
    fn new(advances: impl Iterator<Item = &'a Advance>) -> Self {
        let mut batch = Self::default();
        for advance in advances {
            let findings = advance.findings();
            batch.ids.push(advance.id().0);
            batch.epochs.push(advance.epoch().0);
            batch.from_states.push(advance.from().as_str());
            batch.from_steps.push(advance.from().step().map(Step::as_str));
            batch.to_states.push(advance.to().as_str());
            batch.to_steps.push(advance.to().step().map(Step::as_str));
            batch.verified.push(findings.verified.as_ref().map(Json));
            batch.failures.push(findings.failure.as_ref().map(Json));
            batch.rows.push(findings.rows);
            batch.bytes.push(findings.bytes);
            batch.closed_at.push(findings.closed_at);
            batch.opened_at.push(findings.opened_at);
            batch.backups.push(findings.backup.as_ref().map(|backup| backup.path.display().to_string()));
            batch.backup_sums.push(findings.backup.as_ref().and_then(|backup| backup.sum.clone()));
        }
        batch
    }

    async fn write(&self, client: &impl GenericClient, node: i32) -> Result<Vec<tokio_postgres::Row>, StateError> {
        query(
            client,
            ADVANCING,
            include_str!("sql/move_advance.sql"),
            &[
                &node,
                &self.ids,
                &self.epochs,
                &self.from_states,
                &self.from_steps,
                &self.to_states,
                &self.to_steps,
                &self.verified,
                &self.failures,
                &self.rows,
                &self.bytes,
                &self.closed_at,
                &self.opened_at,
                &self.backups,
                &self.backup_sums,
            ],
        )
        .await
    }
}
