//! A text, character by character, with positions. `line` and `erlang::token` read from it, each in its own way.

use std::iter::Peekable;
use std::str::Chars;

use super::line::Span;

/// The rest of a text.
pub(super) struct Cursor<'a> {
    pub(super) rest: Peekable<Chars<'a>>,
    /// How many characters were taken.
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.chars().peekable(), at: 0 }
    }

    pub(super) fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    pub(super) fn take(&mut self) -> Option<char> {
        let taken = self.rest.next();
        self.at += usize::from(taken.is_some());
        taken
    }

    pub(super) fn skip(&mut self, skipped: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&skipped) {
            self.take();
        }
    }

    /// From `start` to the present position; at least one character.
    pub(super) fn since(&self, start: usize) -> Span {
        Span { start, end: self.at.max(start + 1) }
    }
}
