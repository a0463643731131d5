//! The report of a run, as Markdown.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::host::{RecordedRun, RunJournal};
use crate::operations::{at, rfc3339};
use crate::runbook::{self, Step};
use crate::state::{Run, StepEntry};

use super::RunError;

/// Writes the report of a run so far.
pub(super) async fn write(host: &mut dyn RunJournal, run: i64, file: &Path) -> Result<(), CliError> {
    let RecordedRun { run, steps: entries, rollback } = host.journal(run).await?.ok_or(RunError::Unknown(run))?;
    let runbook = runbook::read(&run.file, &run.source, &run.variables).map_err(RunError::from)?;
    let mut text = head(&run);
    section(&mut text, "Steps", &runbook.steps, &entries);
    if !rollback.is_empty() {
        section(&mut text, "Rollback", &runbook.rollback, &rollback);
    }
    std::fs::write(file, text).map_err(|cause| RunError::Report { file: file.display().to_string(), cause }.into())
}

fn head(run: &Run) -> String {
    let mut text = format!("# {}\n\n", run.title);
    let _ = writeln!(
        text,
        "Run {} of `{}`, begun by {} at {} UTC. {}.",
        run.id,
        run.file,
        run.begun_by,
        at(run.begun_at),
        state(run)
    );
    for (name, value) in &run.variables {
        let _ = write!(text, "\n- {name}: `{value}`");
    }
    text + "\n"
}

fn state(run: &Run) -> String {
    match (run.done_at, run.undone_at) {
        (_, Some(undone)) => format!("Taken back at {} UTC", at(undone)),
        (Some(done), None) => format!("Done at {} UTC", at(done)),
        (None, None) => "Not at its end".to_owned(),
    }
}

fn section(text: &mut String, title: &str, steps: &[Step], entries: &[StepEntry]) {
    let _ = writeln!(text, "\n## {title}\n\n| # | step | | by | began | took |\n|---:|---|---|---|---|---:|");
    let entry_of = |number: usize| entries.iter().find(|entry| usize::try_from(entry.number) == Ok(number));
    for (index, step) in steps.iter().enumerate() {
        let number = index + 1;
        let shown = step.shown().replace('|', "\\|");
        let _ = match entry_of(number) {
            Some(entry) => {
                let took = entry.ended_at.and_then(|ended| ended.duration_since(entry.begun_at).ok());
                let took = took.map_or_else(|| "…".to_owned(), |took| format!("{:.1} s", took.as_secs_f64()));
                let (state, actor) = (entry.state.name(), &entry.actor);
                writeln!(text, "| {number} | {shown} | {state} | {actor} | {} | {took} |", at(entry.begun_at))
            }
            None => writeln!(text, "| {number} | {shown} | not begun | | | |"),
        };
    }
    for entry in entries.iter().filter(|entry| !entry.told.is_empty()) {
        let _ = writeln!(
            text,
            "\n### {} {}\n\n```\n{}\n```",
            entry.number,
            entry.state.name(),
            entry.told.replace("```", "` ` `")
        );
    }
}

/// The latest runs, a line each.
pub(super) fn list(runs: &[Run]) -> String {
    if runs.is_empty() {
        return "no runbook was run yet\n".to_owned();
    }
    let line = |run: &Run| {
        let (id, title, by) = (run.id, &run.title, &run.begun_by);
        format!("run {id}  {title}  begun by {by} at {}; {}\n", at(run.begun_at), state(run).to_lowercase())
    };
    runs.iter().map(line).collect()
}

/// The same for programs.
pub(super) fn list_json(runs: &[Run]) -> Value {
    let run = |run: &Run| {
        let state = match (run.done_at, run.undone_at) {
            (_, Some(_)) => "undone",
            (Some(_), None) => "done",
            (None, None) => "unfinished",
        };
        json!({
            "id": run.id, "title": run.title, "file": run.file, "state": state, "begun_by": run.begun_by, "variables": run.variables,
            "begun_at": rfc3339(run.begun_at), "done_at": run.done_at.map(rfc3339), "undone_at": run.undone_at.map(rfc3339),
        })
    };
    json!({ "runs": runs.iter().map(run).collect::<Vec<_>>() })
}
