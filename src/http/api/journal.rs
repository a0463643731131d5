//! Runs of runbooks on remote clients: one client at a time has the lease of a run; the journal is kept here.

use std::collections::BTreeMap;

use actix_web::{get, post, web};
use mover_actors::domain::ids::CampaignId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::access::{Caller, hash};
use crate::http::problem::{Problem, Refusals};
use crate::http::shared::Shared;
use crate::http::wire::{Held, JournalView};
use crate::operations::World;
use crate::runbook;
use crate::state::{Role, Run, StepKey, StepState};

/// The secret keeps other clients away, so it must not be guessable.
const SECRET_CHARS_MIN: usize = 32;
const SECRET_CHARS_MAX: usize = 100;

fn may(caller: &Caller) -> Result<(), Problem> {
    caller.must_be(Role::Operator, "running a runbook")
}

fn secret(text: &str) -> Result<&str, Problem> {
    let is_one =
        (SECRET_CHARS_MIN..=SECRET_CHARS_MAX).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
    let problem =
        || Problem::malformed("hold must be an unguessable secret of 32 to 100 letters and digits, such as a UUID");
    is_one.then_some(text).ok_or_else(problem)
}

/// A text that Postgres can store.
fn text<'a>(text: &'a str, what: &str) -> Result<&'a str, Problem> {
    match text.contains('\0') {
        true => Err(Problem::malformed(format!("{what} has a zero character"))),
        false => Ok(text),
    }
}

async fn run_of(world: &World, id: i64) -> Result<Run, Problem> {
    world.log.run(id).await?.ok_or_else(|| Problem::not_found(format!("there is no run {id}")))
}

fn held(shared: &Shared, run: i64) -> web::Json<Held> {
    web::Json(Held { run, lease_ms: u64::try_from(shared.holds.lease().as_millis()).unwrap_or(u64::MAX) })
}

/// A runbook that is begun.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRun {
    /// The name of its file.
    file: String,
    /// Its whole text.
    source: String,
    /// Values for its variables.
    variables: BTreeMap<String, String>,
    /// Begin even if an earlier run of it did not finish.
    #[serde(default)]
    anew: bool,
    /// A new secret of the client, such as a UUID. It proves the lease on the run.
    hold: String,
}

/// Begin a run
///
/// The client carries out its steps, and sends a heartbeat at least every `lease_ms`; otherwise another client may take the run.
#[utoipa::path(tag = "runs", responses((status = 200, body = Held), Refusals))]
#[post("/runs")]
pub(super) async fn begin_run(
    caller: Caller,
    shared: web::Data<Shared>,
    new: web::Json<NewRun>,
) -> Result<web::Json<Held>, Problem> {
    may(&caller)?;
    let NewRun { file, source, variables, anew, hold } = new.into_inner();
    let hold = secret(&hold)?;
    for said in variables.iter().flat_map(|(name, value)| [name, value]).chain([&file, &source]) {
        text(said, "the runbook")?;
    }
    let title = runbook::read(&file, &source, &variables).map_err(|error| Problem::malformed(error.to_string()))?.title;
    let log = &shared.world_of(&caller.name).log;
    let lock = shared.holds.lock(log, &title).await?;
    let last = log.recent_runs(Some(&title)).await?.into_iter().next();
    if let Some(last) = last.filter(|last| last.is_unfinished() && !anew) {
        return Err(Problem::run_unfinished(&last));
    }
    let run = log.open_run(&title, &file, &source, &variables).await?;
    log.hold_run(run.id, &hash(hold), false).await?;
    shared.holds.keep(run.id, lock, hold, &caller).await;
    Ok(held(&shared, run.id))
}

/// The client that takes a run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Holding {
    /// The secret of the client.
    hold: String,
    /// Whether it had the run before: refused if another client has had it since.
    #[serde(default)]
    again: bool,
}

/// Take a run, to continue with it
///
/// A client that has the lease keeps it.
#[utoipa::path(tag = "runs", responses((status = 200, body = Held), Refusals))]
#[post("/runs/{id}/hold")]
pub(super) async fn take_run(
    caller: Caller,
    shared: web::Data<Shared>,
    id: web::Path<i64>,
    holding: web::Json<Holding>,
) -> Result<web::Json<Held>, Problem> {
    may(&caller)?;
    let run = run_of(&shared.world, *id).await?;
    shared.holds.take(&shared.world.log, &run, secret(&holding.hold)?, holding.again, &caller).await?;
    Ok(held(&shared, run.id))
}

/// Let a run go, for others to continue with it
#[utoipa::path(tag = "runs", responses((status = 200, body = Held), Refusals))]
#[post("/runs/{id}/release")]
pub(super) async fn release_run(
    caller: Caller,
    shared: web::Data<Shared>,
    id: web::Path<i64>,
    holding: web::Json<Holding>,
) -> Result<web::Json<Held>, Problem> {
    may(&caller)?;
    let run = run_of(&shared.world, *id).await?;
    shared.holds.release(run.id, &holding.hold, &caller).await;
    Ok(web::Json(Held { run: run.id, lease_ms: 0 }))
}

/// The progress of a step.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StepNote {
    /// The secret of the client that has the lease of the run.
    hold: String,
    /// Whether it is a step of the rollback.
    #[serde(default)]
    rollback: bool,
    /// 1 is the first.
    #[schema(minimum = 1)]
    number: i32,
    /// Its new state.
    #[schema(value_type = Option<String>)]
    state: Option<StepState>,
    /// Its output, or why it was skipped.
    #[serde(default)]
    told: String,
    /// The campaign that it has opened.
    campaign: Option<i64>,
}

/// Note what happened to a step
#[utoipa::path(tag = "runs", responses((status = 200, body = Held), Refusals))]
#[post("/runs/{id}/steps")]
pub(super) async fn note_step(
    caller: Caller,
    shared: web::Data<Shared>,
    id: web::Path<i64>,
    note: web::Json<StepNote>,
) -> Result<web::Json<Held>, Problem> {
    may(&caller)?;
    let StepNote { hold, rollback, number, state, told, campaign } = note.into_inner();
    if number < 1 {
        return Err(Problem::malformed("number is that of a step: 1 is the first"));
    }
    let log = &shared.world_of(&caller.name).log;
    let run = run_of(&shared.world, *id).await?.id;
    let _holding = shared.holds.check(run, &hold, &caller).await?;
    let key = StepKey { run, rollback, number };
    match state {
        Some(StepState::Begun) => log.begin_step(key).await?,
        Some(state) => log.end_step(key, state, text(&told, "told")?).await?,
        None => {}
    }
    if let Some(campaign) = campaign {
        log.campaign_view(CampaignId(campaign)).await?;
        log.note_campaign(key, CampaignId(campaign)).await?;
    }
    Ok(held(&shared, run))
}

/// The direction that is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunEnd {
    /// The secret of the client that has the lease of the run.
    hold: String,
    /// Whether it is the rollback.
    #[serde(default)]
    rollback: bool,
}

/// Note that all steps of a run are done
#[utoipa::path(tag = "runs", responses((status = 200, body = Held), Refusals))]
#[post("/runs/{id}/end")]
pub(super) async fn end_run(
    caller: Caller,
    shared: web::Data<Shared>,
    id: web::Path<i64>,
    end: web::Json<RunEnd>,
) -> Result<web::Json<Held>, Problem> {
    may(&caller)?;
    let run = run_of(&shared.world, *id).await?.id;
    let _holding = shared.holds.check(run, &end.hold, &caller).await?;
    shared.world.log.end_run(run, end.rollback).await?;
    Ok(held(&shared, run))
}

/// A run with its text and its journal, for the client that continues it
#[utoipa::path(tag = "runs", responses((status = 200, body = JournalView), Refusals))]
#[get("/runs/{id}/journal")]
pub(super) async fn get_journal(
    shared: web::Data<Shared>,
    id: web::Path<i64>,
) -> Result<web::Json<JournalView>, Problem> {
    let log = &shared.world.log;
    let run = run_of(&shared.world, *id).await?;
    let (steps, rollback) = (log.run_steps(run.id, false).await?, log.run_steps(run.id, true).await?);
    Ok(web::Json(JournalView::new(run, steps, rollback)))
}
