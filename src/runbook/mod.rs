//! Runbooks: Markdown that people read and Mover carries out.
//!
//! - `front`: the TOML front matter between `+++` lines: title and variables
//! - `blocks`: Markdown -> sections and fenced blocks, each with its place
//! - `fill`: `{{variable}}` -> its value
//! - `expect`: one line of an `expect` block
//!
//! A runbook is parsed and checked as a whole before its first step; each mistake has its line and column.

mod blocks;
mod expect;
mod fill;
mod front;

use std::collections::BTreeMap;
use std::fmt;

use crate::command::erlang::{self, Environment, Meaning, Reply, Term};
use crate::command::{self, Command, ParseError};

pub use expect::{Expectation, Subject};
pub use front::Variable;

use blocks::{Block, Language};
use fill::fill;

/// Values for a runbook's variables, by name.
pub type Values = BTreeMap<String, String>;

/// A runbook whose variables are filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runbook {
    /// From the front matter, otherwise the first heading.
    pub title: String,
    /// Its variables.
    pub variables: BTreeMap<String, Variable>,
    /// In order.
    pub steps: Vec<Step>,
    /// The steps of the section `## Rollback`, which is not run forward.
    pub rollback: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its heading; empty above the first one.
    pub section: String,
    /// Its first line in the file; 1 is the first.
    pub line: usize,
    /// The question to confirm it.
    pub confirm: Option<String>,
    /// Its text, with variables filled in.
    pub text: String,
    /// Its action.
    pub action: Action,
    /// Whether it also succeeds if there is nothing to do.
    pub may_be_idle: bool,
}

impl Step {
    /// On one line, with its section.
    pub fn shown(&self) -> String {
        let kind = match self.action {
            Action::Command(_) => "",
            Action::Shell => "sh: ",
            Action::Expect(_) => "expect ",
        };
        let first = self.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        let more = if self.text.trim().contains('\n') { " …" } else { "" };
        match self.section.as_str() {
            "" => format!("{kind}{first}{more}"),
            section => format!("{section} · {kind}{first}{more}"),
        }
    }
}

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A line of a `mover` block.
    Command(Command),
    /// A whole `sh` block.
    Shell,
    /// A line of an `expect` block.
    Expect(Expectation),
}

/// All mistakes of a runbook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    file: String,
    mistakes: Vec<Mistake>,
}

/// One mistake. Lines and columns begin with 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Its line.
    pub line: usize,
    /// Its column, in characters.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl Mistakes {
    /// The mistakes that were found in a file, if there are any.
    pub fn found(file: &str, mistakes: Vec<Mistake>) -> Option<Self> {
        (!mistakes.is_empty()).then(|| Self { file: file.to_owned(), mistakes })
    }

    /// In the order of their places; at least one.
    pub fn all(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Mistake { line, column, problem }) in self.mistakes.iter().enumerate() {
            let end = if number + 1 == self.mistakes.len() { "" } else { "\n" };
            write!(f, "{}:{line}:{column}: {problem}{end}", self.file)?;
        }
        Ok(())
    }
}

/// Parses a runbook; `file` names it in mistakes. Unknown variables are a mistake, too.
pub fn read(file: &str, source: &str, given: &Values) -> Result<Runbook, Mistakes> {
    let mut mistakes = Vec::new();
    let found = blocks::read(source, &mut mistakes);
    let front = front::read(&found.front, found.front_line, &mut mistakes);
    let values = front.values(given, &mut mistakes);
    let mut runbook = Runbook {
        title: front.title.or(found.first_heading).unwrap_or_else(|| file.to_owned()),
        variables: front.variables,
        steps: Vec::new(),
        rollback: Vec::new(),
    };
    // Variables that are bound in one block are valid in the next.
    let mut environment = Environment::default();
    for block in &found.blocks {
        let steps = steps(block, &values, &mut environment, &mut mistakes);
        if block.is_rollback { runbook.rollback.extend(steps) } else { runbook.steps.extend(steps) }
    }
    if runbook.steps.is_empty() && mistakes.is_empty() {
        let problem = "it has no step: a step is a fenced block that begins with ```mover, ```sh or ```expect".into();
        mistakes.push(Mistake { line: 1, column: 1, problem });
    }
    mistakes.sort();
    if mistakes.is_empty() { Ok(runbook) } else { Err(Mistakes { file: file.into(), mistakes }) }
}

/// The steps of a block: its lines, or the whole of a shell script.
fn steps(block: &Block, values: &Values, environment: &mut Environment, mistakes: &mut Vec<Mistake>) -> Vec<Step> {
    let mut steps = Vec::new();
    let confirm = block.confirm.as_ref().map(|(text, place)| fill(text, *place, values, mistakes));
    let lines: Vec<_> =
        block.lines.iter().map(|(line, place)| (fill(line, *place, values, mistakes), *place)).collect();
    let mut push = |line: usize, text: String, action: Action, may_be_idle: bool| {
        let confirm = if steps.is_empty() { confirm.clone() } else { None };
        steps.push(Step { section: block.section.clone(), line, confirm, text, action, may_be_idle });
    };
    if block.language == Language::Shell {
        let text = lines.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("\n");
        push(block.line, text, Action::Shell, false);
        return steps;
    }
    let mut lines = lines.into_iter();
    while let Some((mut text, (line, column))) = lines.next() {
        if block.language == Language::Mover && erlang::is_erlang(&text) {
            while !erlang::is_complete(&text)
                && let Some((more, _)) = lines.next()
            {
                text.push('\n');
                text.push_str(&more);
            }
            match calls(&text, environment) {
                Ok(calls) => {
                    for (shown, command, may_be_idle) in calls {
                        push(line, shown, Action::Command(command), may_be_idle);
                    }
                }
                Err(error) => {
                    let first = if error.line() == 1 { column } else { 1 };
                    let place = (line + error.line() - 1, first + error.column() - 1);
                    mistakes.push(Mistake { line: place.0, column: place.1, problem: error.problem().to_owned() });
                }
            }
            continue;
        }
        let action = match block.language {
            Language::Expect => match expect::read(&text) {
                Ok(Some(expectation)) => Action::Expect(expectation),
                Ok(None) => continue,
                Err(problem) => {
                    mistakes.push(Mistake { line, column, problem });
                    continue;
                }
            },
            _ => match command::parse(&text) {
                Ok(Some(Command::Quit)) => {
                    let problem = "quit has no place in a runbook: it ends after its last step".into();
                    mistakes.push(Mistake { line, column, problem });
                    continue;
                }
                Ok(Some(command)) => Action::Command(command),
                Ok(None) => continue,
                Err(error) => {
                    let column = column + error.column() - 1;
                    mistakes.push(Mistake { line, column, problem: error.problem().to_owned() });
                    continue;
                }
            },
        };
        push(line, text.trim().to_owned(), action, false);
    }
    steps
}

/// The commands of Erlang calls, each with its text and whether there may be nothing to do. Calls without an effect are
/// evaluated while they are parsed: a campaign that is begun later uses their settings.
/// is begun later carries it.
fn calls(text: &str, environment: &mut Environment) -> Result<Vec<(String, Command, bool)>, ParseError> {
    let forms = erlang::read(text)?;
    let is_alone = forms.len() == 1;
    let mut found = Vec::new();
    for form in &forms {
        let Meaning::Commands(commands, reply) = environment.meaning(form)? else { continue };
        environment.bind(form, reply.term(&serde_json::Value::Null).unwrap_or(Term::atom("ok")))?;
        let may_be_idle = reply == Reply::OkAlsoIdle;
        if may_be_idle && commands.iter().all(|command| matches!(command, Command::Control(_))) {
            continue;
        }
        let is_alone = is_alone && commands.len() == 1;
        let shown = |command: &Command| if is_alone { text.trim().to_owned() } else { command.to_string() };
        found.extend(commands.into_iter().map(|command| (shown(&command), command, may_be_idle)));
    }
    Ok(found)
}
