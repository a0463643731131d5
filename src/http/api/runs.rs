//! Runs of runbooks.

use actix_web::{get, web};

use super::paging::Page;
use super::views::{RunStep, RunView};
use crate::http::problem::{Problem, Refusals};
use crate::http::shared::Shared;
use crate::operations::World;
use crate::runbook;
use crate::state::Run;

/// The latest runs
#[utoipa::path(tag = "runs", responses((status = 200, body = Page<RunView>), Refusals))]
#[get("/runs")]
pub(super) async fn get_runs(shared: web::Data<Shared>) -> Result<web::Json<Page<RunView>>, Problem> {
    let runs = shared.world.log.recent_runs(None).await?;
    Ok(web::Json(Page::whole(runs.into_iter().map(RunView::from).collect())))
}

/// One run with its steps
#[utoipa::path(tag = "runs", responses((status = 200, body = RunView), Refusals))]
#[get("/runs/{id}")]
pub(super) async fn get_run(shared: web::Data<Shared>, id: web::Path<i64>) -> Result<web::Json<RunView>, Problem> {
    let run = shared.world.log.run(*id).await?;
    let run = run.ok_or_else(|| Problem::not_found(format!("there is no run {id}")))?;
    with_steps(&shared.world, run).await.map(web::Json)
}

/// The run with the latest activity, with its steps.
pub(in crate::http) async fn active(world: &World) -> Result<Option<RunView>, Problem> {
    match world.log.active_run().await? {
        Some(run) => with_steps(world, run).await.map(Some),
        None => Ok(None),
    }
}

/// All steps of its text, each with its journal entry. A rollback that was begun is shown after the steps forward.
async fn with_steps(world: &World, run: Run) -> Result<RunView, Problem> {
    let text = runbook::read(&run.file, &run.source, &run.variables).ok();
    let mut steps = Vec::new();
    for rollback in [false, true] {
        let mut entries = world.log.run_steps(run.id, rollback).await?;
        if rollback && entries.is_empty() {
            continue;
        }
        let written = text.as_ref().map(|text| if rollback { &text.rollback } else { &text.steps });
        for (at, step) in written.into_iter().flatten().enumerate() {
            let number = i32::try_from(at + 1).unwrap_or(i32::MAX);
            let entry = entries.iter().position(|entry| entry.number == number).map(|found| entries.remove(found));
            steps.push(RunStep::new(number, step.shown(), entry));
        }
        // A text that this version cannot parse is no reason to hide the journal.
        steps.extend(entries.into_iter().map(|entry| RunStep::new(entry.number, String::new(), Some(entry))));
    }
    Ok(RunView::from(run).with_steps(steps))
}
