//! Splits a line of text into arguments: words, quoted texts, lists with commas, `key=value`, `@file`, `# comment`.

use super::cursor::Cursor;
use super::error::Fault;

/// A part of a line, counted in characters from 0; `end` is the first one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn width(self) -> usize {
        self.end - self.start
    }
}

/// One word or quoted text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Its text, without quotes and escapes.
    pub(super) text: String,
    /// Whether it was quoted: then it is a name, and never a keyword or a number.
    pub(super) quoted: bool,
    /// Whether it has an `@` in front: then it is a path.
    pub(super) at: bool,
    pub(super) span: Span,
}

impl Item {
    /// The word, if it may be a keyword.
    pub(super) fn keyword(&self) -> Option<&str> {
        (!self.quoted && !self.at).then_some(self.text.as_str())
    }
}

/// The text between two spaces: `acme`, `acme,globex`, `workers=8`, `@orgs.txt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arg {
    /// The part before the `=`.
    pub(super) key: Option<Item>,
    /// The parts between commas; at least one.
    pub(super) items: Vec<Item>,
    pub(super) span: Span,
}

/// Splits a line into arguments.
pub(super) fn cut(line: &str) -> Result<Vec<Arg>, Fault> {
    let mut cursor = Cursor::new(line);
    let mut args = Vec::new();
    loop {
        cursor.skip(char::is_whitespace);
        match cursor.peek() {
            None => return Ok(args),
            Some('#') => cursor.skip(|c| c != '\n'),
            Some(_) => args.push(cursor.arg()?),
        }
    }
}

impl Cursor<'_> {
    fn arg(&mut self) -> Result<Arg, Fault> {
        let start = self.at;
        let key = self.key()?;
        let mut items = vec![self.item(key.is_some())?];
        while self.peek() == Some(',') {
            self.take();
            self.skip(char::is_whitespace);
            items.push(self.item(false)?);
        }
        Ok(Arg { key, items, span: self.since(start) })
    }

    /// The word before a `=`, if this argument has one.
    fn key(&mut self) -> Result<Option<Item>, Fault> {
        let ahead = self.rest.clone().find(|c| !is_bare(*c) || *c == '=');
        if ahead != Some('=') || self.peek() == Some('@') {
            return Ok(None);
        }
        let start = self.at;
        let mut text = String::new();
        while self.peek().is_some_and(|c| c != '=') {
            text.extend(self.take());
        }
        let span = self.since(start);
        self.take();
        if text.is_empty() {
            return Err(Fault::new(span, "a name is missing before ="));
        }
        Ok(Some(Item { text, quoted: false, at: false, span }))
    }

    fn item(&mut self, may_be_empty: bool) -> Result<Item, Fault> {
        let start = self.at;
        let at = self.peek() == Some('@');
        if at {
            self.take();
        }
        let quoted = self.peek() == Some('"');
        let text = if quoted { self.quoted()? } else { self.bare() };
        let span = self.since(start);
        if self.peek() == Some('"') {
            let problem = "a quote begins inside a word: put quotes around the whole, and \\\" for a quote in it";
            return Err(Fault::new(self.since(self.at), problem));
        }
        if quoted && self.peek().is_some_and(is_bare) {
            let problem = "a word follows a quote directly: put a space or a comma between them";
            return Err(Fault::new(self.since(self.at), problem));
        }
        match (text.is_empty() && !quoted, at) {
            (true, true) => Err(Fault::new(span, "the path of a file is missing after @")),
            (true, false) if !may_be_empty => Err(Fault::new(span, "something is missing at this comma")),
            _ => Ok(Item { text, quoted, at, span }),
        }
    }

    fn bare(&mut self) -> String {
        let mut text = String::new();
        while self.peek().is_some_and(is_bare) {
            text.extend(self.take());
        }
        text
    }

    fn quoted(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.take();
        let mut text = String::new();
        loop {
            match self.take() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some(c) => text.push(c),
                None => return Err(Fault::new(self.since(start), "this quote is never closed")),
            }
        }
    }

    /// The character that a backslash and the following characters mean.
    fn escaped(&mut self) -> Result<char, Fault> {
        let start = self.at - 1;
        match self.take() {
            Some(c @ ('"' | '\\')) => Ok(c),
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('u') => self.unicode(start),
            _ => Err(Fault::new(self.since(start), r#"an unknown escape; known are \" \\ \n \t \r \u{…}"#)),
        }
    }

    fn unicode(&mut self, start: usize) -> Result<char, Fault> {
        let mut digits = String::new();
        if self.peek() == Some('{') {
            self.take();
            while digits.len() < 6 && self.peek().is_some_and(|c| c.is_ascii_hexdigit()) {
                digits.extend(self.take());
            }
        }
        let closed = self.take() == Some('}');
        let character = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).filter(|_| closed);
        character.ok_or_else(|| Fault::new(self.since(start), r"not a character; write its number as in \u{e9}"))
    }
}

/// Whether a character may be in a word without quotes.
fn is_bare(c: char) -> bool {
    !c.is_whitespace() && c != ',' && c != '"'
}

/// The text in the form that is read as a name: quoted unless it is plainly a word.
pub(super) fn written(text: &str, keywords: &[&str]) -> String {
    let wordlike = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let plain = text.chars().all(wordlike)
        && text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && !keywords.contains(&text);
    if plain { text.to_owned() } else { quoted(text) }
}

/// The text in quotes, with special characters escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.extend(c.escape_unicode()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
