//! `mover run`: a runbook, step by step. Each step is recorded in the move log before and after, so a run that was killed
//! continues where it was; a resumed run uses the text with which it was begun.

mod forecast;
mod names;
mod preview;
mod report;
mod step;

use std::path::Path;
use std::process::ExitCode;

use crate::operations::{Needs, needs};
use crate::runbook::{self, Action, Runbook, Step, Values};
use crate::state::{Run, StepEntry, StepKey, StepState};

use super::args;
use super::ask;
use super::error::CliError;
use super::host::{RunJournal, Text};
use super::interrupts::Interrupts;
use super::screen::Screen;

use forecast::Forecast;
pub use step::StepError;

/// Why a runbook was not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file cannot be read.
    #[error("the runbook {file} cannot be read: {cause}")]
    File {
        /// The file, as it was named.
        file: String,
        /// The error of the system.
        cause: std::io::Error,
    },
    /// It has mistakes.
    #[error("{0}")]
    Mistakes(#[from] runbook::Mistakes),
    /// No run has this number.
    #[error("there is no run {0}; `mover run --list` shows the latest")]
    Unknown(i64),
    /// Another client has the run.
    #[error("another client is running {title:?}; `mover run --list` shows who")]
    Busy {
        /// The title of the runbook.
        title: String,
    },
    /// Another client has taken the run, because this process sent no heartbeat.
    #[error("another client has continued this run; `mover run --list` shows its state")]
    Lost,
    /// The connection was lost while the run was begun on a remote Mover.
    #[error(
        "the connection to Mover at {url} was lost ({cause}) while the run was begun. next: `mover run --list` shows whether it was; \
         mover run --resume goes on with it"
    )]
    Unclear {
        /// The address of the remote Mover.
        url: String,
        /// How the connection was lost.
        cause: String,
    },
    /// A step's command waits for approval.
    #[error(
        "command {command} of this step, which {issuer} has given, waits for approval. next: approve {command}, or refuse {command}"
    )]
    Waits {
        /// Its number.
        command: i64,
        /// The user who gave it.
        issuer: String,
    },
    /// An earlier run did not finish.
    #[error(
        "run {run} of {title:?}, begun by {by}, did not come to its end. next: mover run --resume {run}; or --rollback {run}; \
         or --anew, to leave it as it is and begin from the first step"
    )]
    Unfinished {
        /// Its number.
        run: i64,
        /// The title of the runbook.
        title: String,
        /// The user who began it.
        by: String,
    },
    /// The run is done.
    #[error("run {0} has come to its end: nothing is left to do")]
    Ended(i64),
    /// The runbook has no rollback.
    #[error("the runbook of run {0} has no section `## Rollback`")]
    NoRollback(i64),
    /// Shell steps need an explicit permission.
    #[error("line {line}: a step of the shell; look at what it does, then: --allow-shell")]
    Shell {
        /// The line in the file.
        line: usize,
    },
    /// The step needs an answer, without a terminal.
    #[error(
        "step {number} asks {question:?}, and there is no terminal to answer on. next: mover run --resume {run} --yes"
    )]
    Unanswered {
        /// The number of the step.
        number: usize,
        /// Its question.
        question: String,
        /// The run.
        run: i64,
    },
    /// There is no step to skip.
    #[error("no step of run {0} has failed: there is nothing to skip")]
    NothingToSkip(i64),
    /// The report cannot be written.
    #[error("the report {file} cannot be written: {cause}")]
    Report {
        /// The file.
        file: String,
        /// The error of the system.
        cause: std::io::Error,
    },
}

/// The plan of a run: its steps, and their journal.
struct Plan {
    run: Run,
    runbook: Runbook,
    rollback: bool,
    entries: Vec<StepEntry>,
}

impl Plan {
    fn steps(&self) -> &[Step] {
        if self.rollback { &self.runbook.rollback } else { &self.runbook.steps }
    }

    fn key(&self, number: usize) -> StepKey {
        StepKey { run: self.run.id, rollback: self.rollback, number: i32::try_from(number).unwrap_or(i32::MAX) }
    }

    fn entry(&self, number: usize) -> Option<&StepEntry> {
        self.entries.iter().find(|entry| usize::try_from(entry.number) == Ok(number))
    }

    fn is_over(&self, number: usize) -> bool {
        self.entry(number).is_some_and(|entry| matches!(entry.state, StepState::Done | StepState::Skipped))
    }
}

/// Runs a runbook, resumes or undoes a run, or shows what a run would do.
pub(super) async fn run(host: &mut dyn RunJournal, screen: &Screen, args: &args::Run) -> Result<ExitCode, CliError> {
    if args.list {
        let runs = host.runs().await?;
        match args.json {
            true => println!("{}", report::list_json(&runs)),
            false => print!("{}", report::list(&runs)),
        }
        return Ok(ExitCode::SUCCESS);
    }
    let given: Values = args.var.iter().cloned().collect();
    if args.dry_run {
        return dry_run(host, args, &given).await;
    }
    // From here on this process has an exclusive lock on the runbook.
    let mut plan = match (args.resume.or(args.rollback), &args.file) {
        (Some(number), _) => earlier(host, number, args.rollback.is_some()).await?,
        (None, Some(file)) => anew(host, file, &given, args).await?,
        (None, None) => return Err(RunError::Unknown(0).into()),
    };
    allow_shell(plan.steps(), args.allow_shell)?;
    if let Some(reason) = &args.skip {
        skip(host, &mut plan, reason).await?;
    }
    println!("run {}: {}", plan.run.id, plan.runbook.title);
    let outcome = carry_out(host, screen, &plan, args).await;
    let file = args.report.clone().unwrap_or_else(|| format!("run-{}.md", plan.run.id).into());
    let ended = match outcome {
        Ok(()) => {
            host.end_run(plan.run.id, plan.rollback).await?;
            ExitCode::SUCCESS
        }
        Err(Stopped::Failed) => ExitCode::FAILURE,
        Err(Stopped::Error(error)) => return Err(*error),
    };
    report::write(host, plan.run.id, &file).await?;
    println!("report: {}", file.display());
    Ok(ended)
}

/// Why not all steps are done.
enum Stopped {
    /// A step failed, and its reason was printed.
    Failed,
    Error(Box<CliError>),
}

impl<E: Into<CliError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Stopped::Error(Box::new(error.into()))
    }
}

async fn carry_out(host: &mut dyn RunJournal, screen: &Screen, plan: &Plan, args: &args::Run) -> Result<(), Stopped> {
    let left = plan.steps().iter().enumerate().filter(|(index, _)| !plan.is_over(index + 1)).map(|(_, step)| step);
    let mut interrupts = Interrupts::listen().map_err(CliError::from)?;
    host.prepare(most_needed(left)).await?;
    let mut at_work = step::RunningStep { host, screen, interrupts: &mut interrupts, repeats: args.repeat };
    each(&mut at_work, plan, args.yes).await
}

async fn each(at_work: &mut step::RunningStep<'_>, plan: &Plan, yes: bool) -> Result<(), Stopped> {
    let (steps, run) = (plan.steps(), plan.run.id);
    for (index, step) in steps.iter().enumerate() {
        let number = index + 1;
        let shown = format!("[{number}/{}] {}", steps.len(), step.shown());
        if plan.is_over(number) {
            println!("{shown}: {} before", plan.entry(number).map_or("done", |entry| entry.state.name()));
            continue;
        }
        println!("{shown}");
        if let Some(question) = &step.confirm
            && !yes
            && !confirmed(question, number, run, at_work.interrupts).await?
        {
            println!("stopped before step {number}; next: mover run --resume {run}");
            return Err(Stopped::Failed);
        }
        at_work.host.begin_step(plan.key(number)).await?;
        match at_work.carry_out(step, plan.key(number), plan.entry(number)).await {
            Ok(output) => {
                at_work.host.end_step(plan.key(number), StepState::Done, &output).await?;
                print!("{}", indented(&output));
            }
            Err(error) => {
                // An unknown outcome stays unknown until a user decides.
                if !error.leaves_open() {
                    at_work.host.end_step(plan.key(number), StepState::Failed, &error.to_string()).await?;
                }
                eprint!("{}", indented(&error.to_string()));
                eprintln!("step {number} at line {} failed. next, one of:", step.line);
                eprintln!("  mover run --resume {run}                  once the cause is mended");
                eprintln!("  mover run --resume {run} --skip 'why'     to go on without it");
                if !plan.rollback && !plan.runbook.rollback.is_empty() {
                    eprintln!("  mover run --rollback {run}                to take it back");
                }
                return Err(Stopped::Failed);
            }
        }
    }
    println!("run {run} is {}", if plan.rollback { "taken back" } else { "done" });
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// Asks on the terminal; Ctrl-C means no.
async fn confirmed(question: &str, number: usize, run: i64, interrupts: &mut Interrupts) -> Result<bool, RunError> {
    if !ask::is_interactive() {
        return Err(RunError::Unanswered { number, question: question.to_owned(), run });
    }
    let answer = ask::ask(&format!("    {question} [y/N]"), interrupts).await;
    Ok(answer.is_some_and(|answer| matches!(answer.as_str(), "y" | "Y" | "yes")))
}

async fn anew(host: &mut dyn RunJournal, file: &Path, given: &Values, args: &args::Run) -> Result<Plan, CliError> {
    let (name, source) = source(file)?;
    let runbook = runbook::read(&name, &source, given).map_err(RunError::from)?;
    // Checked before a run is opened, which would block the next one.
    allow_shell(&runbook.steps, args.allow_shell)?;
    names::check(host, &name, &runbook).await?;
    let text = Text { file: &name, source: &source, runbook: &runbook, values: given };
    let run = host.open_run(&text, args.anew).await?;
    Ok(Plan { run, runbook, rollback: false, entries: Vec::new() })
}

async fn earlier(host: &mut dyn RunJournal, number: i64, rollback: bool) -> Result<Plan, CliError> {
    let run = host.journal(number).await?.ok_or(RunError::Unknown(number))?.run;
    host.take_run(&run).await?;
    // Read again under the lock, when no other process changes it.
    let journal = host.journal(number).await?.ok_or(RunError::Unknown(number))?;
    let run = journal.run.clone();
    let runbook = runbook::read(&run.file, &run.source, &run.variables).map_err(RunError::from)?;
    if rollback && runbook.rollback.is_empty() {
        return Err(RunError::NoRollback(number).into());
    }
    if run.undone_at.is_some() || (run.done_at.is_some() && !rollback) {
        return Err(RunError::Ended(number).into());
    }
    Ok(Plan { run, runbook, rollback, entries: journal.way(rollback) })
}

fn source(file: &Path) -> Result<(String, String), RunError> {
    let name = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(source) => Ok((name, source)),
        Err(cause) => Err(RunError::File { file: name, cause }),
    }
}

fn allow_shell(steps: &[Step], allowed: bool) -> Result<(), RunError> {
    let shell = steps.iter().find(|step| step.action == Action::Shell);
    match shell {
        Some(step) if !allowed => Err(RunError::Shell { line: step.line }),
        _ => Ok(()),
    }
}

/// Continues without the step at which the run stopped.
async fn skip(host: &mut dyn RunJournal, plan: &mut Plan, reason: &str) -> Result<(), CliError> {
    let stopped = plan.entries.iter().find(|entry| matches!(entry.state, StepState::Failed | StepState::Begun));
    let number = stopped.map(|entry| entry.number).ok_or(RunError::NothingToSkip(plan.run.id))?;
    let key = StepKey { run: plan.run.id, rollback: plan.rollback, number };
    host.end_step(key, StepState::Skipped, reason).await?;
    let journal = host.journal(plan.run.id).await?.ok_or(RunError::Unknown(plan.run.id))?;
    plan.entries = journal.way(plan.rollback);
    Ok(())
}

async fn dry_run(host: &mut dyn RunJournal, args: &args::Run, given: &Values) -> Result<ExitCode, CliError> {
    let (runbook, rollback) = match (args.resume.or(args.rollback), &args.file) {
        (Some(number), _) => {
            let run = host.journal(number).await?.ok_or(RunError::Unknown(number))?.run;
            (runbook::read(&run.file, &run.source, &run.variables), args.rollback.is_some())
        }
        (None, Some(file)) => {
            let (name, source) = source(file)?;
            (runbook::read(&name, &source, given), false)
        }
        (None, None) => return Err(RunError::Unknown(0).into()),
    };
    let runbook = runbook.map_err(RunError::from)?;
    if let Some(file) = &args.file {
        names::check(host, &file.display().to_string(), &runbook).await?;
    }
    let mut forecast = Forecast::default();
    let steps = if rollback { &runbook.rollback } else { &runbook.steps };
    println!("{}: {} steps; nothing is changed", runbook.title, steps.len());
    for (index, step) in steps.iter().enumerate() {
        println!("[{}/{}] {}", index + 1, steps.len(), step.shown());
        if let Some(question) = &step.confirm {
            println!("    asks: {question}");
        }
        print!("{}", indented(&preview::preview(host, &mut forecast, step).await?));
    }
    Ok(ExitCode::SUCCESS)
}

/// The tree is started once, for the step that needs the most.
fn most_needed<'a>(steps: impl Iterator<Item = &'a Step>) -> Needs {
    let mut most = Needs::Nothing;
    for step in steps {
        let Action::Command(command) = &step.action else { continue };
        most = match (most, needs(command)) {
            (Needs::Tree, _) | (_, Needs::Tree) => Needs::Tree,
            (Needs::Flags, _) | (_, Needs::Flags) => Needs::Flags,
            _ => Needs::Nothing,
        };
    }
    most
}
