//! The calls that operators of the original system type, and its runbooks contain: Erlang, with its final dot.
//!
//! - `token`, `expression`: text -> expressions
//! - `term`: values, and how they are printed
//! - `functions`: calls -> commands
//! - `reply`: the result of a command -> the term that the call returned
//!
//! Only calls without effects are evaluated inside expressions; a call with an effect stands alone, or after `Variable =`.

mod expression;
mod functions;
mod reply;
mod term;
mod token;

use std::collections::BTreeMap;

use super::Command;
use super::error::{Fault, ParseError};
use super::line::Span;
use expression::{Expression, Kind};
use functions::Call;
use token::Token;

pub use reply::Reply;
pub use term::Term;

/// The state of a session.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Bound variables.
    bound: BTreeMap<String, Term>,
    /// `sleep_time` as it was set here, for campaigns that are begun here.
    sleep_time_ms: Option<u64>,
    /// The default of campaigns.
    configured_sleep_time_ms: Option<u64>,
}

/// One expression of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    text: String,
    expression: Expression,
}

/// The meaning of a form.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// A value, without an effect.
    Value(Term),
    /// Commands in order, and how to print the outcome of the last one.
    Commands(Vec<Command>, Reply),
}

/// Whether a line is written in Erlang, and not in the command language.
pub fn is_erlang(line: &str) -> bool {
    let line =
        line.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '+' | '*' | '•' | '–' | '—' | '`'));
    let word_end = line.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '@'))).unwrap_or(line.len());
    let (word, rest) = line.split_at(word_end);
    match word.chars().next() {
        Some(c) if c.is_uppercase() || c == '_' => {
            let rest = rest.trim_start();
            rest.starts_with('=') && !rest.starts_with("==") || rest == "."
        }
        Some(c) if c.is_lowercase() => {
            let called =
                rest.strip_prefix(':').is_some_and(|rest| rest.starts_with(|c: char| c.is_lowercase() || c == '\''));
            called || rest.starts_with('(')
        }
        Some(_) => false,
        None => ["<<", "{", "[", "%"].iter().any(|sign| rest.starts_with(sign)),
    }
}

/// Whether a text that [`is_erlang`] ends where an expression ends; otherwise more lines follow. A text with a mistake is
/// complete: more input would not correct it.
pub fn is_complete(text: &str) -> bool {
    token::tokens(text).map_or(true, |tokens| matches!(tokens.last(), None | Some((Token::Dot, _))))
}

/// Parses all expressions of a text.
pub fn read(text: &str) -> Result<Vec<Form>, ParseError> {
    let expressions = expression::expressions(text).map_err(|fault| fault.in_text(text))?;
    Ok(expressions.into_iter().map(|expression| Form { text: text.to_owned(), expression }).collect())
}

/// All known calls, as they can be typed.
pub fn calls() -> Vec<String> {
    functions::calls()
}

impl Environment {
    /// An environment with this `sleep_time`, until it is set.
    pub fn with_sleep_time(sleep_time_ms: u64) -> Self {
        Self { configured_sleep_time_ms: Some(sleep_time_ms), ..Self::default() }
    }

    /// The meaning of a form. A value is bound at once.
    pub fn meaning(&mut self, form: &Form) -> Result<Meaning, ParseError> {
        let mut work = || {
            let meaning = match &form.expression.kind {
                Kind::Bind(_, value) => self.evaluate(value)?,
                _ => self.evaluate(&form.expression)?,
            };
            if let Meaning::Value(value) = &meaning {
                self.bind_to(form, value.clone())?;
            }
            Ok(meaning)
        };
        work().map_err(|fault: Fault| fault.in_text(&form.text))
    }

    /// Binds the answer of a command, if the form has a variable.
    pub fn bind(&mut self, form: &Form, answer: Term) -> Result<(), ParseError> {
        self.bind_to(form, answer).map_err(|fault| fault.in_text(&form.text))
    }

    fn bind_to(&mut self, form: &Form, value: Term) -> Result<(), Fault> {
        let Kind::Bind(name, _) = &form.expression.kind else { return Ok(()) };
        match self.bound.get(name) {
            Some(bound) if *bound != value && name != "_" => {
                let problem = format!(
                    "** exception error: no match of right hand side value {value}: {name} is bound already; f(). forgets it"
                );
                Err(Fault::new(form.expression.span, problem))
            }
            _ => {
                self.bound.insert(name.clone(), value);
                Ok(())
            }
        }
    }

    fn evaluate(&mut self, expression: &Expression) -> Result<Meaning, Fault> {
        let Kind::Call { module, function, arguments } = &expression.kind else {
            return self.value(expression).map(Meaning::Value);
        };
        let arguments = arguments.iter().map(|argument| Ok((self.value(argument)?, argument.span)));
        let arguments = arguments.collect::<Result<_, Fault>>()?;
        let call = Call { module: module.as_deref(), function, arguments, span: expression.span };
        functions::meaning(&call, self)
    }

    fn value(&mut self, expression: &Expression) -> Result<Term, Fault> {
        Ok(match &expression.kind {
            Kind::Atom(name) => Term::Atom(name.clone()),
            Kind::Integer(number) => Term::Integer(*number),
            Kind::Float(number) => Term::Float(*number),
            Kind::Text(text) => Term::Text(text.clone()),
            Kind::Binary(text) => Term::Binary(text.clone()),
            Kind::List(items) => Term::List(self.values(items)?),
            Kind::Tuple(items) => Term::Tuple(self.values(items)?),
            Kind::Record(name, fields) => {
                let fields = fields.iter().map(|(field, value)| Ok((field.clone(), self.value(value)?)));
                Term::Record(name.clone(), fields.collect::<Result<_, Fault>>()?)
            }
            Kind::Variable(name) => return self.variable(name, expression.span),
            Kind::Bind(..) => {
                return Err(Fault::new(expression.span, "a variable is bound at the beginning of an expression only"));
            }
            Kind::Call { .. } => match self.evaluate(expression)? {
                Meaning::Value(term) => term,
                Meaning::Commands(..) => {
                    let problem = "this call acts, so it cannot stand inside another: call it on its own";
                    return Err(Fault::new(expression.span, problem));
                }
            },
        })
    }

    fn values(&mut self, items: &[Expression]) -> Result<Vec<Term>, Fault> {
        items.iter().map(|item| self.value(item)).collect()
    }

    fn variable(&self, name: &str, span: Span) -> Result<Term, Fault> {
        let bound = self.bound.get(name).cloned();
        bound.ok_or_else(|| Fault::new(span, format!("variable '{name}' is unbound")))
    }
}
