//! What is wrong with a line, shown under the line itself.

use std::fmt;

use super::line::Span;

/// So much of a line is shown; of a longer one, the part around the mistake.
const SHOWN_MAX: usize = 100;

/// Why a line is not a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    line: String,
    span: Span,
    problem: String,
    syntax: Option<&'static str>,
}

/// A mistake, as the code that finds it knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    span: Span,
    problem: String,
}

impl Fault {
    pub(super) fn new(span: Span, problem: impl Into<String>) -> Self {
        Self { span, problem: problem.into() }
    }

    /// The mistake in its line, with the syntax of the command that was meant, if that is known.
    pub(super) fn in_line(self, line: &str, syntax: Option<&'static str>) -> ParseError {
        ParseError { line: line.to_owned(), span: self.span, problem: self.problem, syntax }
    }
}

impl ParseError {
    /// Where the mistake begins: 1 is the first character of the line.
    pub fn column(&self) -> usize {
        self.span.start + 1
    }

    /// What is wrong, without the place.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "column {}: {}", self.column(), self.problem)?;
        let from = if self.span.start < SHOWN_MAX * 3 / 4 { 0 } else { self.span.start - SHOWN_MAX / 2 };
        // Every character takes one place here, so that the marks stand under their text.
        let shown = self.line.chars().skip(from).take(SHOWN_MAX).map(|c| if c.is_control() { ' ' } else { c });
        writeln!(f, "  {}", shown.collect::<String>().trim_end())?;
        let width = self.span.width().clamp(1, SHOWN_MAX - (self.span.start - from).min(SHOWN_MAX - 1));
        write!(f, "  {}{}", " ".repeat(self.span.start - from), "^".repeat(width))?;
        match self.syntax {
            Some(syntax) => write!(f, "\nsyntax: {syntax}"),
            None => Ok(()),
        }
    }
}
