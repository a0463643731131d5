//! What a check found.

use std::fmt;

use mover_actors::domain::ids::StoreName;
use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, but not as well or as safely as it could.
    Warning,
    /// Moves would fail, or lose data.
    Problem,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The subject, e.g. `store old` or `table nodes`.
    pub subject: String,
    /// What was found.
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The statements of the remedy, for a script.
    #[serde(skip)]
    pub statements: Vec<Statement>,
}

/// A statement that an operator runs in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Where.
    pub store: StoreName,
    /// What.
    pub sql: String,
}

/// What to do about a finding: in words, with the statements that are part of it.
#[derive(Debug, Default)]
pub(in crate::engine) struct Remedy {
    text: String,
    statements: Vec<Statement>,
}

impl Remedy {
    /// To run this in a store.
    pub(in crate::engine) fn run(store: &StoreName, sql: impl Into<String>) -> Self {
        Self::default().and_run(store, sql)
    }

    /// To run this, too.
    pub(in crate::engine) fn and_run(mut self, store: &StoreName, sql: impl Into<String>) -> Self {
        let sql = sql.into();
        let and = if self.text.is_empty() { "" } else { "; and " };
        self.text = format!("{}{and}run in {store}: {sql}", self.text);
        self.statements.push(Statement { store: store.clone(), sql });
        self
    }

    /// What can be done instead, in words.
    pub(in crate::engine) fn or(mut self, otherwise: impl fmt::Display) -> Self {
        self.text = format!("{}; or {otherwise}", self.text);
        self
    }
}

impl From<String> for Remedy {
    fn from(text: String) -> Self {
        Self { text, statements: Vec::new() }
    }
}

impl From<&str> for Remedy {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// All findings of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// In the order of the checks.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The worst level found.
    pub fn worst(&self) -> Level {
        self.findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    /// The findings of one level.
    pub fn of_level(&self, level: Level) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.level == level)
    }

    /// A report of a single problem.
    pub(in crate::engine) fn of_problem(subject: &str, text: String, remedy: &str) -> Self {
        let mut report = Self::default();
        report.problem(subject, text, remedy);
        report
    }

    pub(in crate::engine) fn ok(&mut self, subject: impl Into<String>, text: impl Into<String>) {
        self.findings.push(Finding {
            level: Level::Ok,
            subject: subject.into(),
            text: text.into(),
            remedy: None,
            statements: Vec::new(),
        });
    }

    pub(in crate::engine) fn warning(
        &mut self,
        subject: impl Into<String>,
        text: impl Into<String>,
        remedy: impl Into<Remedy>,
    ) {
        self.add(Level::Warning, subject.into(), text.into(), remedy.into());
    }

    pub(in crate::engine) fn problem(
        &mut self,
        subject: impl Into<String>,
        text: impl Into<String>,
        remedy: impl Into<Remedy>,
    ) {
        self.add(Level::Problem, subject.into(), text.into(), remedy.into());
    }

    fn add(&mut self, level: Level, subject: String, text: String, Remedy { text: what, statements }: Remedy) {
        self.findings.push(Finding { level, subject, text, remedy: Some(what), statements });
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.level, self.subject, self.text)?;
        match &self.remedy {
            Some(remedy) => write!(f, " -> {remedy}"),
            None => Ok(()),
        }
    }
}
