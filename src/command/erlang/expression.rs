//! Tokens -> expressions.

use crate::command::error::Fault;
use crate::command::line::Span;

use super::token::{Token, tokens};

/// The deepest nesting of lists, tuples and calls.
const DEPTH_MAX: usize = 64;

/// An expression as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expression {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Atom(String),
    Variable(String),
    Integer(i64),
    Float(f64),
    Text(String),
    Binary(String),
    List(Vec<Expression>),
    Tuple(Vec<Expression>),
    Record(String, Vec<(String, Expression)>),
    Call {
        module: Option<String>,
        function: String,
        arguments: Vec<Expression>,
    },
    /// `Variable = Expression`
    Bind(String, Box<Expression>),
}

/// Reads expressions that are separated by commas, up to each final dot.
pub(super) fn expressions(text: &str) -> Result<Vec<Expression>, Fault> {
    let tokens = tokens(text)?;
    let end = text.trim_end().chars().count();
    let mut parser = Parser { tokens: &tokens, at: 0, end, depth: 0 };
    let mut expressions = Vec::new();
    while parser.peek().is_some() {
        loop {
            expressions.push(parser.expression()?);
            match parser.next() {
                Some((Token::Dot, _)) => break,
                Some((Token::Sign(","), _)) => {}
                Some((_, span)) => return Err(Fault::new(*span, "a comma or the final dot is missing before this")),
                None => return Err(parser.ended("the final dot is missing")),
            }
        }
    }
    Ok(expressions)
}

struct Parser<'a> {
    tokens: &'a [(Token, Span)],
    at: usize,
    end: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn next(&mut self) -> Option<&'a (Token, Span)> {
        let next = self.tokens.get(self.at);
        self.at += usize::from(next.is_some());
        next
    }

    fn ended(&self, problem: &str) -> Fault {
        Fault::new(Span { start: self.end, end: self.end + 1 }, problem)
    }

    fn has(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn must_have(&mut self, sign: &str, what: &str) -> Result<(), Fault> {
        if self.has(sign) {
            return Ok(());
        }
        let problem = format!("{sign} is missing {what}");
        Err(self.tokens.get(self.at).map_or_else(|| self.ended(&problem), |(_, span)| Fault::new(*span, &problem)))
    }

    fn expression(&mut self) -> Result<Expression, Fault> {
        self.depth += 1;
        let first = self.tokens.get(self.at).map(|(_, span)| *span);
        if self.depth > DEPTH_MAX {
            let span = first.unwrap_or(Span { start: self.end, end: self.end + 1 });
            return Err(Fault::new(span, "this stands too deep in other expressions"));
        }
        let kind = self.kind()?;
        self.depth -= 1;
        let start = first.map_or(self.end, |span| span.start);
        let end = self.tokens.get(self.at.saturating_sub(1)).map_or(self.end, |(_, span)| span.end);
        Ok(Expression { kind, span: Span { start, end: end.max(start + 1) } })
    }

    fn kind(&mut self) -> Result<Kind, Fault> {
        let Some((token, span)) = self.next() else { return Err(self.ended("an expression is missing here")) };
        match token {
            Token::Atom(name) => self.atom(name),
            Token::Variable(name) if self.has("=") => Ok(Kind::Bind(name.clone(), Box::new(self.expression()?))),
            Token::Variable(name) => Ok(Kind::Variable(name.clone())),
            Token::Integer(number) => Ok(Kind::Integer(*number)),
            Token::Float(number) => Ok(Kind::Float(*number)),
            Token::Text(text) => {
                let mut text = text.clone();
                // Adjacent strings are one string.
                while let Some(Token::Text(more)) = self.peek() {
                    text.push_str(more);
                    self.at += 1;
                }
                Ok(Kind::Text(text))
            }
            Token::Sign("<<") => self.binary(),
            Token::Sign("[") => self.several("]").map(Kind::List),
            Token::Sign("{") => self.several("}").map(Kind::Tuple),
            Token::Sign("#") => self.record(),
            Token::Sign("-") => match self.next() {
                Some((Token::Integer(number), _)) => Ok(Kind::Integer(-number)),
                Some((Token::Float(number), _)) => Ok(Kind::Float(-number)),
                _ => Err(Fault::new(*span, "a dash, as before a line of a copied list: leave it out")),
            },
            Token::Sign(">>") => Err(Fault::new(*span, ">> closes a binary that was not opened: <<\"text\">>")),
            Token::Sign(sign) => Err(Fault::new(*span, format!("{sign} is not expected here"))),
            Token::Dot => Err(Fault::new(*span, "an expression is missing before the final dot")),
        }
    }

    /// An atom, or a call that begins with one.
    fn atom(&mut self, name: &str) -> Result<Kind, Fault> {
        if self.has(":") {
            return match self.next() {
                Some((Token::Atom(function), _)) => {
                    self.must_have("(", &format!("after {name}:{function}"))?;
                    let arguments = self.several(")")?;
                    Ok(Kind::Call { module: Some(name.to_owned()), function: function.clone(), arguments })
                }
                Some((_, span)) => Err(Fault::new(*span, format!("a function of the module {name} is expected here"))),
                None => Err(self.ended(&format!("a function of the module {name} is expected here"))),
            };
        }
        if self.has("(") {
            let arguments = self.several(")")?;
            return Ok(Kind::Call { module: None, function: name.to_owned(), arguments });
        }
        Ok(Kind::Atom(name.to_owned()))
    }

    /// The expressions between commas, up to the closing sign.
    fn several(&mut self, close: &'static str) -> Result<Vec<Expression>, Fault> {
        let mut items = Vec::new();
        if self.has(close) {
            return Ok(items);
        }
        loop {
            items.push(self.expression()?);
            if self.has(",") {
                continue;
            }
            if close == "]" && matches!(self.peek(), Some(Token::Sign("|"))) {
                let problem = "lists with a tail are not known here: write all items with commas";
                return Err(self
                    .tokens
                    .get(self.at)
                    .map_or_else(|| self.ended(problem), |(_, span)| Fault::new(*span, problem)));
            }
            self.must_have(close, "or a comma")?;
            return Ok(items);
        }
    }

    fn binary(&mut self) -> Result<Kind, Fault> {
        let mut text = String::new();
        if self.has(">>") {
            return Ok(Kind::Binary(text));
        }
        loop {
            match self.next() {
                Some((Token::Text(part), _)) => text.push_str(part),
                Some((Token::Integer(byte), span)) => {
                    let c = u8::try_from(*byte).ok().filter(u8::is_ascii).map(char::from);
                    text.push(
                        c.ok_or_else(|| Fault::new(*span, "in a binary only ASCII characters have numbers here"))?,
                    );
                }
                Some((_, span)) => return Err(Fault::new(*span, "a binary holds text here: <<\"text\">>")),
                None => return Err(self.ended("this binary is never closed: <<\"text\">>")),
            }
            if self.has("/")
                && !matches!(self.next(), Some((Token::Atom(kind), _)) if kind == "utf8" || kind == "binary")
            {
                return Err(self.ended("after / in a binary stands utf8"));
            }
            if !self.has(",") {
                self.must_have(">>", "to close the binary")?;
                return Ok(Kind::Binary(text));
            }
        }
    }

    fn record(&mut self) -> Result<Kind, Fault> {
        let name = match self.next() {
            Some((Token::Atom(name), _)) => name.clone(),
            Some((_, span)) => return Err(Fault::new(*span, "the name of a record is expected after #")),
            None => return Err(self.ended("the name of a record is expected after #")),
        };
        self.must_have("{", &format!("after #{name}"))?;
        let mut fields: Vec<(String, Expression)> = Vec::new();
        if self.has("}") {
            return Ok(Kind::Record(name, fields));
        }
        loop {
            let field = match self.next() {
                Some((Token::Atom(field), span)) if fields.iter().any(|(known, _)| known == field) => {
                    return Err(Fault::new(*span, format!("{field} is given twice")));
                }
                Some((Token::Atom(field), _)) => field.clone(),
                Some((_, span)) => return Err(Fault::new(*span, "the name of a field is expected here")),
                None => return Err(self.ended("this record is never closed")),
            };
            self.must_have("=", &format!("after {field}"))?;
            fields.push((field, self.expression()?));
            if !self.has(",") {
                self.must_have("}", "or a comma")?;
                return Ok(Kind::Record(name, fields));
            }
        }
    }
}
