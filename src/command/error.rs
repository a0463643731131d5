//! Parse errors, with a pointer under the line.

use std::fmt;

use super::line::Span;

/// How much of a line is shown; of a longer one, the part around the mistake.
const SHOWN_MAX: usize = 100;

/// Why a line is not a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    line: String,
    /// The line in a text of several lines; 1 is the first.
    number: Option<usize>,
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

    /// The mistake in its line, with the syntax of the intended command, if that is known.
    pub(super) fn in_line(self, line: &str, syntax: Option<&'static str>) -> ParseError {
        ParseError { line: line.to_owned(), number: None, span: self.span, problem: self.problem, syntax }
    }

    /// The mistake in a text of several lines.
    pub(super) fn in_text(self, text: &str) -> ParseError {
        let mut begin = 0;
        let mut lines = text.split('\n').enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            let length = line.chars().count();
            // A part missing at the end is shown after the last non-empty line.
            let is_last = lines.clone().all(|(_, line)| line.trim().is_empty());
            if self.span.start <= begin + length || is_last {
                let start = self.span.start - begin;
                let end = (self.span.end - begin).min(length.max(start + 1));
                let number = text.trim_end().contains('\n').then_some(index + 1);
                let span = Span { start, end };
                return ParseError { line: line.to_owned(), number, span, problem: self.problem, syntax: None };
            }
            begin += length + 1;
        }
        self.in_line(text, None)
    }
}

impl ParseError {
    /// Where the mistake begins: 1 is the first character of the line.
    pub fn column(&self) -> usize {
        self.span.start + 1
    }

    /// The line of the text that it is in; 1 is the first.
    pub fn line(&self) -> usize {
        self.number.unwrap_or(1)
    }

    /// What is wrong, without the place.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.number {
            write!(f, "line {number}, ")?;
        }
        writeln!(f, "column {}: {}", self.column(), self.problem)?;
        let from = if self.span.start < SHOWN_MAX * 3 / 4 { 0 } else { self.span.start - SHOWN_MAX / 2 };
        // Every character takes one place here, so that the marks are under their text.
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
