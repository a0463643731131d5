//! Starting and steering campaigns.

use mover_actors::domain::campaign::{Campaign, CampaignPlan, Control, FailurePolicy, Selection, Tuning};
use mover_actors::domain::ids::{MigrationName, OrgName};
use mover_actors::domain::state::{Aim, Course, State, Strategy};
use mover_actors::ports::MoveLog;
use mover_actors::tree::manager::{Migrate, Resume};
use serde_json::json;

use crate::command::{Command, MigrateOptions, RetryFrom, Which, verb};
use crate::state::read::Counts;

use super::Running;
use super::answer::Answer;
use super::doctor::Diagnosis;
use super::error::OperationError;
use super::orgs::selection;
use super::world::World;

/// How many orgs an error names.
const ELSEWHERE_SHOWN_MAX: usize = 5;

/// `migrate`, `rollback`, `finalize`: checks, then opens the campaign. It runs by itself; callers that wait follow its row.
pub(super) async fn migrate(
    world: &World,
    running: &Running,
    aim: Aim,
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
    if definition.strategy == Strategy::Window && aim == Aim::Migrate && selection == Selection::All {
        // A window leaves no time for a selection: it is about every org that exists now.
        super::orgs::capture(world, &definition.name).await?;
        world.log.make_ready(&definition.name, &Selection::All).await?;
    }
    if aim == Aim::RollBack
        && let Some(step) = definition.steps.iter().find(|step| step.undo.is_none())
    {
        let (migration, step) = (definition.name.to_string(), step.name.clone());
        return Err(OperationError::NoUndo { migration, step });
    }
    let counts = world.log.counts(&definition.name).await?;
    if (Course { strategy: definition.strategy, aim }).first().is_none() {
        return Err(match definition.strategy {
            Strategy::Window => OperationError::WindowStays { migration: definition.name.to_string() },
            Strategy::Offline | Strategy::Online => {
                OperationError::OfflineStays { migration: definition.name.to_string(), verb: verb(aim) }
            }
        });
    }
    if let Selection::Names(names) = &selection {
        one_can_begin(world, &definition.name, aim, names).await?;
    }
    if waiting(aim, &counts) == 0 {
        let migration = definition.name.to_string();
        return Err(match aim {
            Aim::Migrate => OperationError::NothingReady { migration, counts },
            Aim::RollBack | Aim::Finalize => OperationError::NothingMigrated { migration, counts, verb: verb(aim) },
        });
    }
    world.flags.ping().await?;
    super::continuity::refuse_changed(world).await?;
    super::check::refuse_unsafe(world, definition).await?;
    if definition.strategy == Strategy::Online && !definition.tables.is_empty() {
        Diagnosis::refuse_forgotten(world, definition).await?;
    }
    if aim == Aim::Migrate {
        super::guard::install_for_campaign(world, definition).await?;
    }
    super::continuity::remember(world, definition).await?;
    if (definition.strategy, aim) == (Strategy::Window, Aim::Migrate)
        && !definition.tables.is_empty()
        && !super::danger::are_writers_kept_out(world).await?
    {
        let migration = &definition.name;
        tracing::warn!(%migration, "orgs_503_mode in dl_default is not true: what is written in this window may be missing in the target");
    }
    let defaults = &world.campaign;
    let plan = CampaignPlan {
        migration: definition.name.clone(),
        aim,
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

/// `resume`: continues a paused campaign, or here one whose process is gone.
pub(super) async fn resume(world: &World, running: &Running) -> Result<(Campaign, u64), OperationError> {
    super::continuity::refuse_changed(world).await?;
    let campaign = running.manager.send(Resume).await??;
    let total = total(world, &campaign).await?;
    Ok((campaign, total))
}

/// An error if none of the named orgs is in the state from which the aim claims.
async fn one_can_begin(
    world: &World,
    migration: &MigrationName,
    aim: Aim,
    names: &[OrgName],
) -> Result<(), OperationError> {
    let begins = aim.claimed_from();
    let moves = world.log.moves_by_name(migration, names).await?;
    // An unknown name is refused, with similar names, when the campaign is opened.
    if moves.is_empty() || moves.iter().any(|record| record.state == begins) {
        return Ok(());
    }
    let elsewhere = moves.iter().take(ELSEWHERE_SHOWN_MAX).map(|record| format!("{} is {}", record.org, record.state));
    let orgs = elsewhere.collect::<Vec<_>>().join(", ");
    let is_there = |states: &[State]| moves.iter().all(|record| states.contains(&record.state));
    let named = |command: fn(MigrationName, Which) -> Command| {
        command(migration.clone(), Which::Orgs(Selection::Names(names.to_vec()))).to_string()
    };
    let next = if aim == Aim::Migrate && is_there(&[State::Failed, State::RolledBack]) {
        named(|migration, which| Command::Retry { migration, which, from: RetryFrom::Failed })
    } else if aim == Aim::Migrate && is_there(&[State::Holding]) {
        named(|migration, which| Command::OrgsReady { migration, which })
    } else {
        format!("status {migration}")
    };
    Err(OperationError::NoneCanBegin { migration: migration.to_string(), orgs, begins, next, verb: verb(aim) })
}

/// How many orgs are in the state from which an aim claims.
fn waiting(aim: Aim, counts: &Counts) -> u64 {
    match aim {
        Aim::Migrate => counts.ready,
        Aim::RollBack | Aim::Finalize => counts.migrated,
    }
}

/// How many orgs a campaign will have claimed at its end, as far as that is known now.
pub async fn total(world: &World, campaign: &Campaign) -> Result<u64, OperationError> {
    let Campaign { aim, migration, selection, claimed, .. } = campaign;
    selected(world, *aim, migration, selection, *claimed).await
}

/// How many orgs a campaign would claim if it began now.
pub(super) async fn would_claim(
    world: &World,
    aim: Aim,
    migration: &MigrationName,
    selection: &Selection,
) -> Result<u64, OperationError> {
    selected(world, aim, migration, selection, 0).await
}

async fn selected(
    world: &World,
    aim: Aim,
    migration: &MigrationName,
    selection: &Selection,
    claimed: u64,
) -> Result<u64, OperationError> {
    if let Selection::Names(names) = selection {
        return Ok(names.len() as u64);
    }
    let counts = world.log.counts(migration).await?;
    let all = claimed + waiting(aim, &counts);
    Ok(match selection {
        Selection::All | Selection::Names(_) => all,
        Selection::First(most) => all.min(*most),
        Selection::Percent(percent) => (counts.total() * u64::from(*percent)).div_ceil(100).min(all),
    })
}

/// `pause`, `resume` in another process, `halt`, `set …`
pub(super) async fn control(world: &World, change: Control) -> Result<Answer, OperationError> {
    // The reason of a halted campaign tells callers that wait for its work that it is not done.
    let reason = matches!(change, Control::Halt).then_some("halted by a command");
    let before = world.log.live_campaign().await?;
    let campaign = world.log.control(change, reason).await?;
    let was = before.map(|before| json!({ "phase": before.phase, "concurrency": before.tuning.concurrency }));
    let what = match change {
        Control::Pause => format!("paused; {} orgs in flight go on to their end. next: resume", campaign.in_flight()),
        Control::Resume => "goes on".into(),
        Control::Halt => format!("halts; {} orgs in flight go on to their end", campaign.in_flight()),
        Control::Concurrency(concurrency) => format!("moves {concurrency} orgs at once from now on"),
        Control::SleepTimeMs(ms) => format!("waits {ms} ms after each block from now on"),
        Control::PaceMs(ms) => format!("lets each worker rest {ms} ms between two orgs from now on"),
    };
    let text = format!("campaign {} of {} {what}", campaign.id, campaign.migration);
    Ok(Answer::new(
        text,
        json!({ "campaign": campaign.id, "phase": campaign.phase, "tuning": campaign.tuning, "was": was }),
    ))
}

/// The answer when a campaign was opened or resumed.
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
