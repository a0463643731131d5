//! Campaigns: opened, controlled and ended through their row, so that any process can do so.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;
use mover_actors::domain::campaign::{Campaign, CampaignPlan, Control, Phase, Selection};
use mover_actors::domain::ids::{CampaignId, MigrationName, NodeId, OrgName};
use mover_actors::ports::LogError;
use tokio_postgres::types::Json;

use super::decode::{Columns, node_number};
use super::query::{begin, commit, execute, only, query};
use super::{PgMoveLog, StateError};

const OPENING: &str = "opening a campaign";
const LOADING: &str = "loading a campaign";
const STEERING: &str = "steering the live campaign";
const CLOSING: &str = "ending a campaign";
/// If two are opened at the same moment, the second try finds the first campaign.
const OPEN_TRIES: usize = 3;

impl PgMoveLog {
    pub(super) async fn open(&self, node: NodeId, plan: &CampaignPlan) -> Result<Campaign, LogError> {
        let mut last = None;
        for _ in 0..OPEN_TRIES {
            match self.try_open(node, plan).await {
                Err(TryOpen::Raced(error)) => last = Some(error),
                Err(TryOpen::Final(error)) => return Err(error),
                Ok(campaign) => return Ok(campaign),
            }
        }
        let cause = last.map_or_else(String::new, |error| error.to_string());
        Err(LogError::Unreachable { doing: OPENING.into(), cause })
    }

    async fn try_open(&self, node: NodeId, plan: &CampaignPlan) -> Result<Campaign, TryOpen> {
        let mut client = self.client(OPENING).await?;
        let transaction = begin(&mut client, OPENING).await?;
        make_room(&transaction).await?;
        let limit = self.limit(&transaction, OPENING, &plan.migration, &plan.selection).await?;
        let campaign = insert(&transaction, node, plan, limit)
            .await
            .map_err(|error| if error.violates("campaign_one_live") { TryOpen::Raced(error) } else { error.into() })?;
        if let Selection::Names(names) = &plan.selection {
            let names = distinct(names);
            let choose = include_str!("sql/campaign_choose.sql");
            execute(&transaction, OPENING, choose, &[&campaign.id.0, &plan.migration.as_str(), &names]).await?;
        }
        commit(transaction, OPENING).await?;
        Ok(campaign)
    }

    /// The largest number of orgs that a selection can cover; names must be known.
    pub(super) async fn limit(
        &self,
        transaction: &Transaction<'_>,
        doing: &str,
        migration: &MigrationName,
        selection: &Selection,
    ) -> Result<Option<i64>, StateError> {
        match selection {
            Selection::All => Ok(None),
            Selection::First(orgs) => Ok(Some(i64::try_from(*orgs).unwrap_or(i64::MAX))),
            Selection::Percent(percent @ 1..=100) => {
                let total = include_str!("sql/move_total.sql");
                let row = only(doing, query(transaction, doing, total, &[&migration.as_str()]).await?)?;
                let orgs: i64 = Columns::new(doing, &row).get("count")?;
                // Rounded up: one percent of a few orgs is one, not none.
                Ok(Some((orgs * i64::from(*percent) + 99) / 100))
            }
            Selection::Percent(percent) => {
                Err(StateError::invalid(doing, format!("{percent} % is not between 1 % and 100 %")))
            }
            Selection::Names(names) => {
                self.check_names(transaction, doing, migration, names).await?;
                Ok(None)
            }
        }
    }

    pub(super) async fn load_campaign(&self, id: CampaignId) -> Result<Campaign, StateError> {
        let rows = self.query(LOADING, include_str!("sql/campaign_load.sql"), &[&id.0]).await?;
        let row = rows.first().ok_or(StateError::UnknownCampaign(id))?;
        Columns::new(LOADING, row).campaign()
    }

    pub(super) async fn load_live_campaign(&self) -> Result<Option<Campaign>, StateError> {
        let rows = self.query(LOADING, include_str!("sql/campaign_live.sql"), &[]).await?;
        rows.first().map(|row| Columns::new(LOADING, row).campaign()).transpose()
    }

    pub(super) async fn adopt_live_campaign(&self, node: NodeId) -> Result<Option<Campaign>, StateError> {
        let doing = "taking over the campaign of a dead node";
        let rows = self.query(doing, include_str!("sql/campaign_adopt.sql"), &[&node_number(node)?]).await?;
        rows.first().map(|row| Columns::new(doing, row).campaign()).transpose()
    }

    pub(super) async fn control_live(&self, change: Control, reason: Option<&str>) -> Result<Campaign, LogError> {
        let (phase, concurrency, sleep_time_ms, pace_ms) = changes(change)?;
        let params: super::query::Params<'_> = &[&phase, &concurrency, &sleep_time_ms, &pace_ms, &reason];
        let rows = self.query(STEERING, include_str!("sql/campaign_steer.sql"), params).await?;
        let columns = Columns::new(STEERING, rows.first().ok_or(LogError::NoCampaign)?);
        if !columns.get::<bool>("steered")? {
            let id: i64 = columns.get("live_id")?;
            let problem = format!("campaign {id} is halting already; it can only go on to its end");
            return Err(StateError::invalid(STEERING, problem).into());
        }
        Ok(columns.campaign()?)
    }

    pub(super) async fn close(&self, id: CampaignId, reason: Option<&str>) -> Result<(), StateError> {
        match self.execute(CLOSING, include_str!("sql/campaign_close.sql"), &[&id.0, &reason]).await? {
            0 => Err(StateError::UnknownCampaign(id)),
            _ => Ok(()),
        }
    }
}

/// Why one try to open a campaign failed.
enum TryOpen {
    /// Another one was opened in between.
    Raced(StateError),
    /// An immediate retry is of no use.
    Final(LogError),
}

impl From<StateError> for TryOpen {
    fn from(error: StateError) -> Self {
        TryOpen::Final(error.into())
    }
}

/// Ends the live campaign if its node is dead.
async fn make_room(transaction: &Transaction<'_>) -> Result<(), TryOpen> {
    let rows = query(transaction, OPENING, include_str!("sql/campaign_live_lock.sql"), &[]).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let columns = Columns::new(OPENING, row);
    let campaign = CampaignId(columns.get("id")?);
    if columns.get::<bool>("alive")? {
        let migration = columns.id("migration")?;
        return Err(TryOpen::Final(LogError::Busy { campaign, migration }));
    }
    let reason = format!("interrupted: node {} is dead", columns.get::<&str>("node_name")?);
    execute(transaction, OPENING, include_str!("sql/campaign_close.sql"), &[&campaign.0, &Some(reason)]).await?;
    Ok(())
}

async fn insert(
    transaction: &Transaction<'_>,
    node: NodeId,
    plan: &CampaignPlan,
    claimed_max: Option<i64>,
) -> Result<Campaign, StateError> {
    let node = node_number(node)?;
    let concurrency = concurrency(plan.tuning.concurrency)?;
    let sleep_time_ms = milliseconds(OPENING, plan.tuning.sleep_time_ms)?;
    let pace_ms = milliseconds(OPENING, plan.tuning.pace_ms)?;
    let failures_max = plan.failure_policy.failures_max.map(i64::from);
    let rows = query(
        transaction,
        OPENING,
        include_str!("sql/campaign_open.sql"),
        &[
            &plan.migration.as_str(),
            &plan.aim.as_str(),
            &Json(&plan.selection),
            &claimed_max,
            &concurrency,
            &sleep_time_ms,
            &pace_ms,
            &plan.failure_policy.error_halts,
            &failures_max,
            &node,
        ],
    )
    .await?;
    Columns::new(OPENING, &only(OPENING, rows)?).campaign()
}

type Changes = (Option<&'static str>, Option<i64>, Option<i64>, Option<i64>);

fn changes(change: Control) -> Result<Changes, StateError> {
    Ok(match change {
        Control::Pause => (Some(Phase::Paused.as_str()), None, None, None),
        Control::Resume => (Some(Phase::Running.as_str()), None, None, None),
        Control::Halt => (Some(Phase::Halting.as_str()), None, None, None),
        Control::Concurrency(orgs) => (None, Some(concurrency(orgs)?), None, None),
        Control::SleepTimeMs(ms) => (None, None, Some(milliseconds(STEERING, ms)?), None),
        Control::PaceMs(ms) => (None, None, None, Some(milliseconds(STEERING, ms)?)),
    })
}

fn concurrency(orgs: u32) -> Result<i64, StateError> {
    match orgs {
        0 => Err(StateError::invalid("setting the concurrency", "it is at least 1; use pause to claim nothing")),
        orgs => Ok(orgs.into()),
    }
}

fn milliseconds(doing: &str, ms: u64) -> Result<i64, StateError> {
    i64::try_from(ms).map_err(|_| StateError::invalid(doing, format!("{ms} ms is too long")))
}

pub(super) fn distinct(names: &[OrgName]) -> Vec<&str> {
    names.iter().map(OrgName::as_str).collect::<BTreeSet<_>>().into_iter().collect()
}
