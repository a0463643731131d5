//! Commands: issue, poll, approve.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::views::Entry;
use crate::command::{self, Command, Word, line_of};
use crate::http::access::{Caller, needed};
use crate::http::problem::{Problem, Refusals};
use crate::http::shared::Shared;
use crate::operations::{Answer, Interface, Noted, Proposed, World, carry_out_noted, danger, is_final, note};
use crate::state::{CommandEntry, Role, RunLock, StepKey, StepState};

/// The most orgs in one answer.
const LIST_MAX: u32 = 10_000;
/// How long a request waits for the end of its command; after that the client polls.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A command.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCommand {
    /// A line as in the console, or its words.
    command: Said,
    /// The word that a `confirmation-needed` asked for.
    confirm: Option<String>,
    /// The step of a run that gives it.
    step: Option<GivenBy>,
}

/// A step of a run on a remote client.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GivenBy {
    /// The run.
    run: i64,
    /// The secret of the client that has the lease of the run.
    hold: String,
    /// Whether it is a step of the rollback.
    #[serde(default)]
    rollback: bool,
    /// 1 is the first. The step must be begun.
    number: i32,
    /// A new key for each command. A repeated request with the same key gets the result of the first one.
    key: String,
}

/// A command in one of its two forms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a command is a line of text, or a list of its words")]
enum Said {
    /// `set concurrency 4`
    Line(String),
    /// `["orgs", "ready", "whole_org", ["acme, inc"]]`
    Words(Vec<Word>),
}

/// Give a command
///
/// `200`: it was carried out. `202`: it continues, or waits for approval; poll it.
#[utoipa::path(
    tag = "commands",
    responses((status = 200, body = Entry), (status = 202, body = Entry), Refusals)
)]
#[post("/commands")]
pub(super) async fn give_command(
    caller: Caller,
    shared: web::Data<Shared>,
    given: web::Json<NewCommand>,
) -> Result<HttpResponse, Problem> {
    let NewCommand { command, confirm, step } = given.into_inner();
    let line = match command {
        Said::Line(line) => line,
        Said::Words(words) => line_of(&words),
    };
    let command = command::parse(&line)?.ok_or_else(|| Problem::malformed("the command is empty"))?;
    caller.must_be(needed(&command), &format!("`{}`", first_words(&command)))?;
    if let Command::OrgsList { limit: Some(limit), .. } = command
        && limit > LIST_MAX
    {
        let detail = format!(
            "over the network orgs list takes limit={LIST_MAX} at most; GET /api/v1/migrations/…/orgs has pages"
        );
        return Err(Problem::malformed(detail));
    }
    if let Some(path) = command.file() {
        let detail = format!("{path:?} would be a file on Mover's machine; name the orgs, or leave out= away");
        return Err(Problem::malformed(detail));
    }
    let world = shared.world_of(&caller.name);
    let hold = match &step {
        Some(step) => Some(shared.holds.check(step.run, &step.hold, &caller).await?),
        None => None,
    };
    // The lock serializes the commands of this run, so a repeated request finds the first one.
    let mut given_before = match &hold {
        Some(hold) => Some(hold.given().await),
        None => None,
    };
    if let (Some(step), Some(before)) = (&step, &given_before) {
        if let Some(id) = before.get(&step.key) {
            return answer(&world, *id).await;
        }
        must_be_begun(&world, step).await?;
    }
    if let Some(danger) = danger(&world, &command).await? {
        if danger.for_admins {
            caller.must_be(Role::Admin, &format!("`{}`, as things are,", first_words(&command)))?;
        }
        if confirm.as_deref() != Some(danger.word.as_str()) {
            return Err(Problem::confirmation(danger));
        }
    }
    match command {
        Command::Approve { command } => return decide(&shared, &caller, command, true).await,
        Command::Refuse { command } => return decide(&shared, &caller, command, false).await,
        _ => {}
    }
    let waits = shared.settings().second_person && is_final(&world, &command);
    let run = step.as_ref().map(|step| step.run);
    let noted = note(&world, Interface::Http(caller.address, run), &command, waits).await?;
    if let (Some(step), Some(before)) = (step, &mut given_before) {
        world.log.note_command(step.key(), noted.id).await?;
        before.insert(step.key, noted.id);
    }
    drop(given_before);
    if waits {
        return answer(&world, noted.id).await;
    }
    carry_out(&shared, world, noted, command, hold.map(|hold| hold.lock())).await
}

impl GivenBy {
    fn key(&self) -> StepKey {
        StepKey { run: self.run, rollback: self.rollback, number: self.number }
    }
}

async fn must_be_begun(world: &World, step: &GivenBy) -> Result<(), Problem> {
    let entries = world.log.run_steps(step.run, step.rollback).await?;
    match entries.iter().any(|entry| entry.number == step.number && entry.state == StepState::Begun) {
        true => Ok(()),
        false => Err(Problem::conflict(format!("step {} of run {} is not begun", step.number, step.run))),
    }
}

fn first_words(command: &Command) -> String {
    command.to_string().split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Continues after the client has disconnected, or has received a 202.
async fn carry_out(
    shared: &web::Data<Shared>,
    world: World,
    noted: Noted,
    command: Command,
    lock: Option<Arc<RunLock>>,
) -> Result<HttpResponse, Problem> {
    let (doing, shared) = (world.clone(), shared.clone());
    let carried_out = actix_web::rt::spawn(async move {
        let running = shared.running.clone();
        let _turn = match &command {
            Command::Check | Command::Verify { .. } => shared.store_look.acquire().await.ok(),
            _ => None,
        };
        let outcome = carry_out_noted(&doing, Some(&running), noted, &command).await;
        // Until here no other client could continue the run that gave the command.
        drop(lock);
        outcome.map(|outcome| outcome.answer())
    });
    match tokio::time::timeout(ANSWER_WITHIN, carried_out).await {
        Ok(Ok(Err(error))) => Err(Problem::from(error).of_command(noted.id)),
        Ok(Err(crash)) => {
            tracing::error!(command = noted.id, %crash, "a command crashed");
            Err(Problem::unavailable("the command crashed; the log says why").of_command(noted.id))
        }
        // A client that still waits receives the whole answer, even if it is too long to be stored.
        Ok(Ok(Ok(whole))) => answer_with(&world, noted.id, Some(whole)).await,
        Err(_) => answer(&world, noted.id).await,
    }
}

async fn answer(world: &World, id: i64) -> Result<HttpResponse, Problem> {
    answer_with(world, id, None).await
}

async fn answer_with(world: &World, id: i64, whole: Option<Answer>) -> Result<HttpResponse, Problem> {
    let mut entry = entry(world, id).await?;
    if let Some(whole) = whole {
        entry.answer = Some(whole.kept());
    }
    let mut response = match entry.ended_at {
        Some(_) => HttpResponse::Ok(),
        None => HttpResponse::Accepted(),
    };
    Ok(response.insert_header((header::LOCATION, format!("/api/v1/commands/{id}"))).json(Entry::from(entry)))
}

async fn entry(world: &World, id: i64) -> Result<CommandEntry, Problem> {
    world.log.command(id).await?.ok_or_else(|| Problem::not_found(format!("there is no command {id}")))
}

/// Follow a command
#[utoipa::path(tag = "commands", responses((status = 200, body = Entry), Refusals))]
#[get("/commands/{id}")]
pub(super) async fn get_command(shared: web::Data<Shared>, id: web::Path<i64>) -> Result<web::Json<Entry>, Problem> {
    Ok(web::Json(entry(&shared.world, *id).await?.into()))
}

/// A decision about a command that waits.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Approval {
    /// Whether it is approved.
    approve: bool,
}

/// Approve a command that waits, or refuse it
///
/// Requires the role that the command itself requires. The user who gave it can refuse it, but not approve it.
#[utoipa::path(
    tag = "commands",
    responses((status = 200, body = Entry), (status = 202, body = Entry), Refusals)
)]
#[post("/commands/{id}/approval")]
pub(super) async fn approve_command(
    caller: Caller,
    shared: web::Data<Shared>,
    id: web::Path<i64>,
    approval: web::Json<Approval>,
) -> Result<HttpResponse, Problem> {
    decide(&shared, &caller, *id, approval.approve).await
}

async fn decide(shared: &web::Data<Shared>, caller: &Caller, id: i64, approve: bool) -> Result<HttpResponse, Problem> {
    let proposed = Proposed::find(&shared.world.log, id).await?;
    caller.must_be(needed(&proposed.command), "deciding this")?;
    let decided = proposed.decide(&shared.world_of(&caller.name), approve).await;
    let giver = decided.map_err(|error| Problem::from(error).of_command(id))?;
    match approve {
        true => carry_out(shared, giver, Noted::approved(id), proposed.command, None).await,
        false => answer(&shared.world, id).await,
    }
}
