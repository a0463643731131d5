//! Commands about orgs: capture, release, list.

use futures_util::{StreamExt, TryStreamExt};
use mover_actors::domain::campaign::{Campaign, Phase, Selection};
use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::{MigrationName, OrgName};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{Aim, State, Strategy};
use mover_actors::otp::Registry;
use mover_actors::ports::MoveLog;
use serde_json::{Value, json};

use crate::command::{RetryFrom, StateKind, Which};
use crate::state::read::{HistoryEntry, MoveView, StateName};

use super::answer::{Answer, at, rfc3339, short, table};
use super::error::OperationError;
use super::org_file;
use super::outlook::{LargeOrg, large_orgs};
use super::routes::RouteSurvey;
use super::skipped_orgs::{SkippedOrgs, known_otherwise, otherwise_json};
use super::world::World;

const LIST_LIMIT: u32 = 50;
/// Orgs looked up at once.
const BATCH_ORGS: usize = 1_000;
/// The path of the state machines in the tree.
const MACHINES: &str = "root/orgs";

/// `orgs capture`
pub(super) async fn capture(world: &World, migration: &MigrationName) -> Result<Answer, OperationError> {
    let definition = world.definition(migration)?;
    let left_out = SkippedOrgs::default();
    let orgs =
        world.engine.orgs(&definition.name).await?.filter_map(|listed| std::future::ready(left_out.sift(listed)));
    let captured = world.log.capture(&definition.name, definition.strategy, orgs).await?;
    let mut text = format!(
        "{migration}: the source lists {} orgs; {} are new and in holding, {} were known.\nnext: orgs ready {migration} all",
        captured.listed, captured.new, captured.known
    );
    text.push_str(&left_out.text());
    text.push_str(&known_otherwise(&captured));
    let creation = orgs_can_be_created(world).await;
    if creation == Some(true) {
        text.push_str(
            "\nnote: orgs can be created while this goes on, and those are not captured; \
             darklaunch org-creation off, or capture again later",
        );
    }
    let facts = json!({
        "listed": captured.listed,
        "new": captured.new,
        "known": captured.known,
        "known_otherwise": otherwise_json(&captured),
        "left_out": left_out.json(),
        "org_creation": creation,
    });
    Ok(Answer::new(text, facts))
}

/// How many orgs the source lists that the migration does not know yet. Reads only.
pub async fn uncaptured(world: &World, migration: &MigrationName) -> Result<u64, OperationError> {
    let name = &world.definition(migration)?.name;
    let left_out = SkippedOrgs::default();
    let orgs = world.engine.orgs(name).await?.filter_map(|listed| std::future::ready(left_out.sift(listed)));
    let mut batches = std::pin::pin!(orgs.try_chunks(BATCH_ORGS));
    let mut new = 0;
    while let Some(batch) = batches.try_next().await.map_err(|error| OperationError::NotCaptured(error.1))? {
        let names: Vec<_> = batch.into_iter().map(|(name, _)| name).collect();
        let known = world.log.moves_by_name(name, &names).await?.len();
        new += names.len().saturating_sub(known) as u64;
    }
    Ok(new)
}

/// `None` if Redis is unreachable: capturing does not need it.
async fn orgs_can_be_created(world: &World) -> Option<bool> {
    let flags = world.flags.hash(&FlagKey::no_org()).await.ok()?;
    Some(flags.get("disable_new_orgs").is_none_or(|disabled| disabled != "true"))
}

/// `orgs add`: all of them, or none if the source does not know one.
pub(super) async fn add(world: &World, orgs: &[OrgName], migration: &MigrationName) -> Result<Answer, OperationError> {
    let definition = world.definition(migration)?;
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for org in orgs {
        match world.engine.find_org(&definition.name, org).await? {
            Some(key) => found.push((org, key)),
            None => unknown.push(format!("{:?}", short(org.as_str(), 60))),
        }
    }
    if !unknown.is_empty() {
        return Err(OperationError::UnknownOrgs { migration: migration.to_string(), orgs: unknown.join(", ") });
    }
    let mut new = 0;
    for (org, key) in found {
        new += u64::from(world.log.add_org(&definition.name, definition.strategy, org.clone(), key).await?);
    }
    let known = orgs.len() as u64 - new;
    let text = format!("{migration}: {new} added to holding, {known} were known.\nnext: orgs ready {migration} all");
    Ok(Answer::new(text, json!({ "new": new, "known": known })))
}

/// `orgs ready`
pub(super) async fn ready(world: &World, migration: &MigrationName, which: &Which) -> Result<Answer, OperationError> {
    let name = &world.definition(migration)?.name;
    let ready = world.log.make_ready(name, &selection(which)?).await?;
    let text = match ready {
        0 => format!("{migration}: no selected org is in holding; `status {migration}` shows where they are"),
        _ => format!("{migration}: {ready} orgs are ready.\nnext: migrate {migration} all"),
    };
    Ok(Answer::new(text, json!({ "ready": ready })))
}

/// `retry`
pub(super) async fn retry(
    world: &World,
    migration: &MigrationName,
    which: &Which,
    from: RetryFrom,
) -> Result<Answer, OperationError> {
    let name = &world.definition(migration)?.name;
    let retried = match from {
        RetryFrom::Failed => world.log.retry(name, &selection(which)?).await?,
        RetryFrom::RolledBack => world.log.retry_rolled_back(name, &selection(which)?).await?,
    };
    let text = match retried {
        0 => {
            let counts = world.log.counts(name).await?;
            let mut text = format!(
                "{migration}: no selected org was made ready ({} have failed, {} are rolled back)",
                counts.failed, counts.rolled_back
            );
            for (orgs, word) in [(counts.failed, "failed"), (counts.rolled_back, "rolled_back")] {
                if orgs > 0 {
                    text.push_str(&format!("\nnext: retry {migration} {word}, for all {orgs} of them"));
                }
            }
            text
        }
        _ => format!("{migration}: {retried} orgs are ready again.\nnext: migrate {migration} all"),
    };
    Ok(Answer::new(text, json!({ "retried": retried })))
}

/// `orgs list`
pub(super) async fn list(
    world: &World,
    migration: &MigrationName,
    state: Option<StateKind>,
    limit: Option<u32>,
) -> Result<Answer, OperationError> {
    let name = &world.definition(migration)?.name;
    let limit = limit.unwrap_or(LIST_LIMIT);
    // One row more than requested shows whether there are more.
    let mut moves = world.log.list(name, state.map(state_name), None, limit.saturating_add(1)).await?;
    let more = moves.len() > limit as usize;
    moves.truncate(limit as usize);
    let rows: Vec<_> = moves
        .iter()
        .map(|view| {
            let reason = view.record.failure.as_ref().map_or("", |failure| failure.reason.as_str());
            let rows = view.rows.map_or(String::new(), |rows| rows.to_string());
            [
                short(view.record.org.as_str(), 40),
                view.record.state.to_string(),
                rows,
                at(view.updated_at),
                short(reason, 80),
            ]
        })
        .collect();
    let mut text = match rows.is_empty() {
        true => format!("{migration}: no such orgs"),
        false => table(["ORG", "STATE", "ROWS", "CHANGED (UTC)", "REASON"], &rows),
    };
    if more {
        text.push_str(&format!("there are more: limit={} shows more of them\n", limit.saturating_mul(10)));
    }
    let orgs: Vec<Value> = moves.iter().map(move_json).collect();
    Ok(Answer::new(text, json!({ "orgs": orgs, "more": more })))
}

/// `org`: everything about one.
pub(super) async fn show(
    world: &World,
    org: &OrgName,
    migration: Option<&MigrationName>,
    registry: Option<&Registry>,
) -> Result<Answer, OperationError> {
    let only = migration.map(|name| world.definition(name)).transpose()?.map(|definition| &definition.name);
    let mut moves = world.log.org_moves(org).await?;
    if let Some(only) = only {
        // First the history, so that an unknown org gets an error with similar names.
        world.log.org_history(only, org).await?;
        moves.retain(|view| &view.record.migration == only);
    }
    let (mut text, mut all) = (String::new(), Vec::new());
    for view in &moves {
        let history = world.log.org_history(&view.record.migration, org).await?;
        let copying = progress_of(world, &view.record).await?;
        let doing = doing(world, registry, &view.record).await?;
        describe(&mut text, view, (doing.as_deref(), copying.as_ref()), &history.happenings);
        let mut entry = move_json(view);
        entry["doing"] = json!(doing);
        entry["progress"] = json!(copying);
        entry["history"] = history.happenings.iter().map(happening_json).collect();
        all.push(entry);
    }
    let key = FlagKey::org(org);
    let flags = super::flags::compare(world, &key).await?;
    text.push_str(&flags.to_string());
    let records: Vec<MoveRecord> = moves.into_iter().map(|view| view.record).collect();
    let misrouted = RouteSurvey::of(world, &records).await?;
    for org in &misrouted {
        text.push_str(&format!("  WRONG: {org}\n"));
    }
    Ok(Answer::new(text, json!({ "org": org, "moves": all, "flags": flags, "misrouted": misrouted })))
}

/// The progress of the copy of a large org in flight, if the target is reachable.
pub(crate) async fn progress_of(world: &World, record: &MoveRecord) -> Result<Option<LargeOrg>, OperationError> {
    if record.state.step().is_none() || record.aim != Aim::Migrate {
        return Ok(None);
    }
    let large = large_orgs(world, &record.migration).await?.unwrap_or_default();
    Ok(large.into_iter().find(|large| large.org == record.org.as_str()))
}

/// What an org is doing, with how many others, or what it waits for. For an org in flight only the process that drives it
/// knows.
pub(crate) async fn doing(
    world: &World,
    registry: Option<&Registry>,
    record: &MoveRecord,
) -> Result<Option<String>, OperationError> {
    match record.state {
        State::Started(_) => {
            let machine = registry.and_then(|registry| registry.child(&format!("{MACHINES}/{}", record.id)));
            Ok(machine.map(|machine| machine.note).filter(|note| !note.is_empty()))
        }
        State::Ready => Ok(Some(waits_for(record, world.log.live_campaign().await?))),
        State::Holding | State::Migrated | State::Failed | State::RolledBack | State::Finalized => Ok(None),
    }
}

fn waits_for(record: &MoveRecord, live: Option<Campaign>) -> String {
    let may_take = |campaign: &Campaign| {
        let is_selected = match &campaign.selection {
            Selection::Names(names) => names.contains(&record.org),
            Selection::All | Selection::First(_) | Selection::Percent(_) => true,
        };
        is_selected && campaign.migration == record.migration && campaign.aim == Aim::Migrate
    };
    let Some(Campaign { id, phase, selection, .. }) = live.filter(may_take) else {
        return format!("waits for a campaign; next: migrate {} {:?}", record.migration, record.org.as_str());
    };
    match phase {
        // The campaign ends without this org if it claims enough others.
        Phase::Running if matches!(selection, Selection::First(_) | Selection::Percent(_)) => {
            format!("waits: campaign {id} takes some of the orgs that are ready, in order")
        }
        Phase::Running => format!("waits until campaign {id} has a worker for it"),
        Phase::Paused => format!("waits, since campaign {id} is paused; next: resume"),
        Phase::Halting | Phase::Ended => format!("waits for the next campaign: {id} claims no more orgs"),
    }
}

fn describe(
    text: &mut String,
    view: &MoveView,
    (doing, copying): (Option<&str>, Option<&LargeOrg>),
    happenings: &[HistoryEntry],
) {
    let record = &view.record;
    text.push_str(&format!(
        "{} in {}: {}  (key {}, epoch {}, attempts {})\n",
        short(record.org.as_str(), 100),
        record.migration,
        record.state,
        record.key,
        record.epoch,
        record.attempts
    ));
    if let Some(doing) = doing {
        text.push_str(&format!("  now: {doing}\n"));
    }
    if let Some(copying) = copying {
        text.push_str(&format!("  {copying}\n"));
    }
    if let (Some(rows), Some(bytes)) = (view.rows, view.bytes) {
        text.push_str(&format!("  {rows} rows, {} copied\n", indicatif::HumanBytes(bytes.unsigned_abs())));
    }
    if let (Some(closed), None, State::Started(step)) = (view.closed_at, view.opened_at, record.state) {
        let why = match record.strategy {
            Strategy::Online => {
                "its switch was cut after the one store had let it go, and the other has not opened yet"
            }
            Strategy::Offline | Strategy::Window => "it is in 503 while it moves",
        };
        text.push_str(&format!("  closed for writes since {} (UTC), in {step}: {why}\n", at(closed)));
    }
    if let (Some(closed), Some(opened)) = (view.closed_at, view.opened_at)
        && let Ok(time) = opened.duration_since(closed)
    {
        text.push_str(&format!("  closed for writes for {} ms\n", time.as_millis()));
    }
    if let Some(failure) = &record.failure {
        text.push_str(&format!("  failed in {}: {}\n", failure.step, failure.reason));
        let place = &failure.place;
        for (what, value) in [("store", &place.store), ("table", &place.table), ("row", &place.row)] {
            if let Some(value) = value {
                text.push_str(&format!("    {what}: {value}\n"));
            }
        }
        if !place.columns.is_empty() {
            text.push_str(&format!("    columns: {}\n", place.columns.join(", ")));
        }
        if record.state == State::Failed {
            text.push_str(&format!(
                "  next: mend the cause, then: retry {} {:?}\n",
                record.migration,
                record.org.as_str()
            ));
        }
    }
    for happening in happenings {
        let who = happening.actor.as_deref().or(happening.node.as_deref()).unwrap_or("");
        text.push_str(&format!(
            "  {}  {} -> {}  epoch {}  {}\n",
            at(happening.at),
            happening.from,
            happening.to,
            happening.epoch,
            who
        ));
    }
}

/// A move as programs see it.
pub(super) fn move_json(view: &MoveView) -> Value {
    let record = &view.record;
    json!({
        "migration": record.migration,
        "org": record.org,
        "key": record.key,
        "state": record.state.as_str(),
        "step": record.state.step(),
        "epoch": record.epoch,
        "attempts": record.attempts,
        "rows": view.rows,
        "bytes": view.bytes,
        "failure": record.failure,
        "captured_at": rfc3339(view.captured_at),
        "updated_at": rfc3339(view.updated_at),
        "closed_at": view.closed_at.map(rfc3339),
        "opened_at": view.opened_at.map(rfc3339),
        "finished_at": view.finished_at.map(rfc3339),
    })
}

fn happening_json(happening: &HistoryEntry) -> Value {
    json!({
        "at": rfc3339(happening.at),
        "from": happening.from.to_string(),
        "to": happening.to.to_string(),
        "node": happening.node,
        "actor": happening.actor,
        "epoch": happening.epoch,
        "detail": happening.detail,
    })
}

fn state_name(state: StateKind) -> StateName {
    match state {
        StateKind::Holding => StateName::Holding,
        StateKind::Ready => StateName::Ready,
        StateKind::Started => StateName::Started,
        StateKind::Migrated => StateName::Migrated,
        StateKind::Failed => StateName::Failed,
        StateKind::RolledBack => StateName::RolledBack,
        StateKind::Finalized => StateName::Finalized,
    }
}

/// The selected orgs; a file is read now, and refused if any line of it is wrong. It has a name on each line, or is what `orgs list`
/// answered.
pub(crate) fn selection(which: &Which) -> Result<Selection, OperationError> {
    let path = match which {
        Which::Orgs(selection) => return Ok(selection.clone()),
        Which::File(path) => path,
    };
    let wrong = |line, problem: String| OperationError::File { path: path.clone(), line, problem };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(None, error.to_string()))?;
    let named = org_file::names(&text).map_err(|mistake| wrong(mistake.line, mistake.problem))?;
    let mut names = Vec::with_capacity(named.len());
    for (line, name) in named {
        names.push(OrgName::new(name).map_err(|error| wrong(line, error.to_string()))?);
    }
    if names.is_empty() {
        return Err(wrong(None, "no org is named in it; one name a line is expected".into()));
    }
    Ok(Selection::Names(names))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use mover_actors::domain::campaign::{Campaign, FailurePolicy, Phase, Selection, Tuning};
    use mover_actors::domain::ids::{CampaignId, Epoch, MigrationName, MoveId, NodeId, OrgKey, OrgName};
    use mover_actors::domain::record::MoveRecord;
    use mover_actors::domain::state::{Aim, State, Strategy};

    use super::waits_for;

    fn org(name: &str) -> OrgName {
        OrgName::new(name).unwrap()
    }

    fn ready() -> MoveRecord {
        MoveRecord {
            id: MoveId(1),
            migration: MigrationName::new("phase_2").unwrap(),
            org: org("acme"),
            key: OrgKey::new("1").unwrap(),
            strategy: Strategy::Online,
            aim: Aim::Migrate,
            state: State::Ready,
            epoch: Epoch(0),
            campaign: None,
            attempts: 0,
            verified: None,
            failure: None,
            backup: None,
        }
    }

    fn campaign(phase: Phase, selection: Selection) -> Option<Campaign> {
        Some(Campaign {
            id: CampaignId(7),
            migration: MigrationName::new("phase_2").unwrap(),
            aim: Aim::Migrate,
            selection,
            phase,
            tuning: Tuning { concurrency: 1, sleep_time_ms: 0, pace_ms: 0 },
            failure_policy: FailurePolicy { error_halts: false, failures_max: None },
            node: NodeId(1),
            reason: None,
            claimed: 0,
            migrated: 0,
            failed: 0,
        })
    }

    #[test]
    fn a_ready_org_says_what_it_waits_for() {
        let waits = |live| waits_for(&ready(), live);
        assert!(waits(campaign(Phase::Running, Selection::All)).contains("until campaign 7 has a worker"));
        assert!(waits(campaign(Phase::Paused, Selection::All)).ends_with("is paused; next: resume"));
        assert!(waits(campaign(Phase::Halting, Selection::All)).contains("7 claims no more orgs"));
        let of_another = campaign(Phase::Running, Selection::Names(vec![org("globex")]));
        for live in [None, of_another] {
            assert_eq!(waits(live), "waits for a campaign; next: migrate phase_2 \"acme\"");
        }
    }
}
