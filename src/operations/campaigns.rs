//! Starting and steering campaigns.

use mover_actors::domain::campaign::{Campaign, CampaignPlan, FailurePolicy, Selection, Steer, Tuning};
use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::state::Aim;
use mover_actors::ports::MoveLog;
use mover_actors::tree::manager::{Migrate, Resume};
use serde_json::json;

use crate::command::{MigrateOptions, Which};

use super::Running;
use super::answer::Answer;
use super::error::OperationError;
use super::orgs::selection;
use super::world::World;

/// `migrate`: checks, then opens the campaign. It runs on by itself; whoever wants to wait follows its row.
pub(super) async fn migrate(
    world: &World,
    running: &Running,
    migration: &MigrationName,
    which: &Which,
    options: &MigrateOptions,
) -> Result<(Campaign, u64), OperationError> {
    let definition = world.definition(migration)?;
    let selection = selection(which)?;
    if let Some(live) = world.log.live_campaign().await?
        && world.log.nodes().await?.iter().any(|node| node.id == live.node && node.alive)
    {
        let (campaign, migration) = (live.id, live.migration);
        return Err(mover_actors::ports::LogError::Busy { campaign, migration }.into());
    }
    let counts = world.log.counts(&definition.name).await?;
    if counts.ready == 0 {
        return Err(OperationError::NothingReady { migration: definition.name.to_string(), counts });
    }
    world.flags.ping().await?;
    super::check::refuse_unsafe(world, &definition.name).await?;
    let defaults = &world.campaign;
    let plan = CampaignPlan {
        migration: definition.name.clone(),
        aim: Aim::Migrate,
        selection,
        tuning: Tuning {
            concurrency: options.workers.unwrap_or(defaults.tuning.concurrency),
            sleep_time_ms: options.sleep_time_ms.unwrap_or(defaults.tuning.sleep_time_ms),
            pace_ms: options.pace_ms.unwrap_or(defaults.tuning.pace_ms),
        },
        failure_policy: FailurePolicy {
            error_halts: options.error_halts.unwrap_or(defaults.failure_policy.error_halts),
            failures_max: options.failures_max.or(defaults.failure_policy.failures_max),
        },
    };
    let campaign = running.manager.send(Migrate(plan)).await??;
    let total = total(world, &campaign).await?;
    Ok((campaign, total))
}

/// `resume`: a paused campaign goes on, or one whose process is gone goes on here.
pub(super) async fn resume(world: &World, running: &Running) -> Result<(Campaign, u64), OperationError> {
    let campaign = running.manager.send(Resume).await??;
    let total = total(world, &campaign).await?;
    Ok((campaign, total))
}

/// How many orgs a campaign will have claimed at its end, as far as that is known now.
async fn total(world: &World, campaign: &Campaign) -> Result<u64, OperationError> {
    let ready = || async { Ok::<_, OperationError>(world.log.counts(&campaign.migration).await?) };
    Ok(match &campaign.selection {
        Selection::All => campaign.claimed + ready().await?.ready,
        Selection::First(most) => (campaign.claimed + ready().await?.ready).min(*most),
        Selection::Percent(percent) => {
            let counts = ready().await?;
            (counts.total() * u64::from(*percent)).div_ceil(100).min(campaign.claimed + counts.ready)
        }
        Selection::Names(names) => names.len() as u64,
    })
}

/// `pause`, `resume` in another process, `halt`, `set …`
pub(super) async fn steer(world: &World, change: Steer) -> Result<Answer, OperationError> {
    let campaign = world.log.steer(change, None).await?;
    let what = match change {
        Steer::Pause => format!("paused; {} orgs in flight go on to their end. next: resume", campaign.in_flight()),
        Steer::Resume => "goes on".into(),
        Steer::Halt => format!("halts; {} orgs in flight go on to their end", campaign.in_flight()),
        Steer::Concurrency(concurrency) => format!("moves {concurrency} orgs at once from now on"),
        Steer::SleepTimeMs(ms) => format!("waits {ms} ms after each block from now on"),
        Steer::PaceMs(ms) => format!("lets each worker rest {ms} ms between two orgs from now on"),
    };
    let text = format!("campaign {} of {} {what}", campaign.id, campaign.migration);
    Ok(Answer::new(text, json!({ "campaign": campaign.id, "phase": campaign.phase, "tuning": campaign.tuning })))
}

/// What is said when a campaign was opened or resumed.
pub(super) fn opened(campaign: &Campaign, total: u64) -> Answer {
    let Tuning { concurrency, sleep_time_ms, .. } = campaign.tuning;
    let text = format!(
        "campaign {} of {}: {} of {total} orgs left, {concurrency} at once, sleep_time {sleep_time_ms} ms.\n\
         next: status, pause, halt, set concurrency N",
        campaign.id,
        campaign.migration,
        total.saturating_sub(campaign.migrated + campaign.failed),
    );
    Answer::new(text, json!({ "campaign": campaign.id, "migration": campaign.migration, "total": total }))
}
