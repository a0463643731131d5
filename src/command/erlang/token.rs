//! Text -> tokens of Erlang, each with its place.

use crate::command::cursor::Cursor;
use crate::command::error::Fault;
use crate::command::line::Span;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Atom(String),
    Variable(String),
    Integer(i64),
    Float(f64),
    Text(String),
    /// One of the [`SIGNS`].
    Sign(&'static str),
    /// The dot that ends an expression.
    Dot,
}

/// Longer ones first.
const SIGNS: [&str; 15] = ["<<", ">>", "(", ")", "[", "]", "{", "}", ",", ":", "=", "#", "|", "/", "-"];

/// Cuts a text into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Span)>, Fault> {
    let mut cursor = Cursor::new(text);
    let mut tokens = Vec::new();
    while let Some(c) = cursor.peek() {
        match c {
            c if c.is_whitespace() => cursor.skip(char::is_whitespace),
            '%' => cursor.skip(|c| c != '\n'),
            _ => {
                let start = cursor.at;
                let token = cursor.token(c)?;
                tokens.push((token, cursor.since(start)));
            }
        }
    }
    Ok(tokens)
}

impl Cursor<'_> {
    fn token(&mut self, first: char) -> Result<Token, Fault> {
        let start = self.at;
        match first {
            c if c.is_lowercase() => Ok(Token::Atom(self.word())),
            c if c.is_uppercase() || c == '_' => Ok(Token::Variable(self.word())),
            c if c.is_ascii_digit() => self.number(),
            '\'' => self.text('\'').map(Token::Atom),
            '"' => self.text('"').map(Token::Text),
            '.' => {
                self.take();
                match self.peek() {
                    None => Ok(Token::Dot),
                    Some(c) if c.is_whitespace() || c == '%' => Ok(Token::Dot),
                    Some('\'' | '"' | '`' | '’' | '”') => {
                        let span = Span { start: self.at, end: self.at + 1 };
                        let problem = "a quote is left over after the final dot, as in copied text: leave it out";
                        Err(Fault::new(span, problem))
                    }
                    Some(_) => {
                        Err(Fault::new(self.since(start), "after the final dot a space or a line break follows"))
                    }
                }
            }
            '`' => Err(self.fault("a backquote, as in copied Markdown: leave it out")),
            '‘' | '’' => Err(self.fault("a typographic quote, as in copied text: write '")),
            '“' | '”' | '„' => Err(self.fault("a typographic quote, as in copied text: write \"")),
            '–' | '—' | '•' => Err(self.fault("a dash or a bullet, as in copied text: leave it out")),
            '+' | '*' => {
                Err(self.fault("there is no arithmetic here; if it is the mark of a list in copied text, leave it out"))
            }
            '?' => Err(self.fault("macros are not known here: write the value")),
            '$' => Err(self.fault("characters with $ are not known here: write the number")),
            ';' => Err(self.fault("expressions are separated by commas, and the last one ends with a dot")),
            _ => self.sign(),
        }
    }

    fn fault(&self, problem: &str) -> Fault {
        Fault::new(Span { start: self.at, end: self.at + 1 }, problem)
    }

    fn sign(&mut self) -> Result<Token, Fault> {
        let ahead: String = self.rest.clone().take(2).collect();
        let Some(sign) = SIGNS.into_iter().find(|sign| ahead.starts_with(sign)) else {
            return Err(self.fault("this character has no meaning in Erlang"));
        };
        for _ in sign.chars() {
            self.take();
        }
        Ok(Token::Sign(sign))
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while self.peek().is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '@')) {
            word.extend(self.take());
        }
        word
    }

    /// `8`, `1_000`, `0.5`, `1.0e6`, `16#ff`
    fn number(&mut self) -> Result<Token, Fault> {
        let start = self.at;
        let mut digits = self.digits(10);
        let too_big = |span| Fault::new(span, "this number is too big");
        let mut ahead = self.rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some('#'), Some(c)) if c.is_ascii_alphanumeric() => {
                self.take();
                let radix = digits.parse().ok().filter(|radix| (2..=36).contains(radix));
                let radix = radix.ok_or_else(|| Fault::new(self.since(start), "a base is a number from 2 to 36"))?;
                let digits = self.digits(radix);
                let value = i64::from_str_radix(&digits, radix);
                value.map(Token::Integer).map_err(|_| Fault::new(self.since(start), "not a number of this base"))
            }
            (Some('.'), Some(c)) if c.is_ascii_digit() => {
                digits.extend(self.take());
                digits.push_str(&self.digits(10));
                if matches!(self.peek(), Some('e' | 'E')) {
                    digits.extend(self.take());
                    if matches!(self.peek(), Some('+' | '-')) {
                        digits.extend(self.take());
                    }
                    digits.push_str(&self.digits(10));
                }
                let value = digits.parse::<f64>().ok().filter(|value| value.is_finite());
                value.map(Token::Float).ok_or_else(|| too_big(self.since(start)))
            }
            _ => digits.parse().map(Token::Integer).map_err(|_| too_big(self.since(start))),
        }
    }

    fn digits(&mut self, radix: u32) -> String {
        let mut digits = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_digit(radix) || *c == '_') {
            self.take();
            digits.extend((c != '_').then_some(c));
        }
        digits
    }

    fn text(&mut self, quote: char) -> Result<String, Fault> {
        let start = self.at;
        self.take();
        let mut text = String::new();
        loop {
            match self.take() {
                Some(c) if c == quote => return Ok(text),
                Some('\\') => text.push(self.character()?),
                Some(c) => text.push(c),
                None => {
                    let span = Span { start, end: start + 1 };
                    return Err(Fault::new(
                        span,
                        "this quote is never closed; if it is left over from copied text, leave it out",
                    ));
                }
            }
        }
    }

    fn character(&mut self) -> Result<char, Fault> {
        let start = self.at - 1;
        match self.take() {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('s') => Ok(' '),
            Some('e') => Ok('\u{1b}'),
            Some('0') => Ok('\0'),
            Some('x') => self.hex(start),
            Some(c) if !c.is_alphanumeric() => Ok(c),
            _ => Err(Fault::new(self.since(start), r#"an unknown escape; known are \" \' \\ \n \t \r \s \e \x{…}"#)),
        }
    }

    fn hex(&mut self, start: usize) -> Result<char, Fault> {
        let mut digits = String::new();
        let braced = self.peek() == Some('{');
        let most = if braced { 6 } else { 2 };
        if braced {
            self.take();
        }
        while digits.len() < most && self.peek().is_some_and(|c| c.is_ascii_hexdigit()) {
            digits.extend(self.take());
        }
        let closed = !braced || self.take() == Some('}');
        let character = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).filter(|_| closed);
        character.ok_or_else(|| Fault::new(self.since(start), r"not a character; write its number as in \x{e9}"))
    }
}
