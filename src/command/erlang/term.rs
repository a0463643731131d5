//! Erlang terms: arguments and results of calls, in the syntax of the Erlang shell.

use std::fmt;

use serde_json::Value;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// `ok`, `'Elixir.Foo'`
    Atom(String),
    /// `42`
    Integer(i64),
    /// `0.5`
    Float(f64),
    /// `"text"`
    Text(String),
    /// `<<"text">>`
    Binary(String),
    /// `[a, b]`
    List(Vec<Term>),
    /// `{ok, 1}`
    Tuple(Vec<Term>),
    /// `#org_info{org_name = <<"acme">>}`
    Record(String, Vec<(String, Term)>),
}

impl Term {
    /// An atom such as `ok`.
    pub fn atom(name: &str) -> Self {
        Term::Atom(name.to_owned())
    }

    /// `{Tag, Value}`
    pub fn tagged(tag: &str, value: Term) -> Self {
        Term::Tuple(vec![Term::atom(tag), value])
    }

    /// JSON in the usual Erlang form: objects are proplists, texts are binaries, `null` is `undefined`.
    pub fn from_json(value: &Value) -> Self {
        match value {
            Value::Null => Term::atom("undefined"),
            Value::Bool(truth) => Term::atom(if *truth { "true" } else { "false" }),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Term::Integer(integer),
                None => Term::Float(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => Term::Binary(text.clone()),
            Value::Array(items) => Term::List(items.iter().map(Term::from_json).collect()),
            Value::Object(fields) => {
                Term::List(fields.iter().map(|(name, value)| Term::tagged(name, Term::from_json(value))).collect())
            }
        }
    }

    /// Whether it is `{error,…}`.
    pub fn is_error(&self) -> bool {
        matches!(self, Term::Tuple(items) if items.first() == Some(&Term::atom("error")))
    }

    /// The kind of the value, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Term::Atom(_) => "an atom",
            Term::Integer(_) => "an integer",
            Term::Float(_) => "a float",
            Term::Text(_) => "a string",
            Term::Binary(_) => "a binary",
            Term::List(_) => "a list",
            Term::Tuple(_) => "a tuple",
            Term::Record(..) => "a record",
        }
    }

    /// The characters of an atom, a string or a binary.
    pub(super) fn characters(&self) -> Option<&str> {
        match self {
            Term::Atom(text) | Term::Text(text) | Term::Binary(text) => Some(text),
            Term::Integer(_) | Term::Float(_) | Term::List(_) | Term::Tuple(_) | Term::Record(..) => None,
        }
    }
}

/// Words that need quotes to be atoms.
pub(super) const RESERVED: [&str; 28] = [
    "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case", "catch", "cond", "div",
    "else", "end", "fun", "if", "let", "maybe", "not", "of", "or", "orelse", "receive", "rem", "try", "when",
];

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Atom(name) => atom(f, name),
            Term::Integer(number) => write!(f, "{number}"),
            Term::Float(number) => write!(f, "{number:?}"),
            Term::Text(text) => quoted(f, text, '"'),
            Term::Binary(text) if text.is_empty() => f.write_str("<<>>"),
            Term::Binary(text) => {
                f.write_str("<<")?;
                quoted(f, text, '"')?;
                f.write_str(if text.is_ascii() { ">>" } else { "/utf8>>" })
            }
            Term::List(items) => several(f, "[", items, "]"),
            Term::Tuple(items) => several(f, "{", items, "}"),
            Term::Record(name, fields) => {
                f.write_str("#")?;
                atom(f, name)?;
                f.write_str("{")?;
                for (place, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if place == 0 { "" } else { "," })?;
                    atom(f, name)?;
                    write!(f, " = {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn several(f: &mut fmt::Formatter<'_>, open: &str, items: &[Term], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (place, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if place == 0 { "" } else { "," })?;
    }
    f.write_str(close)
}

fn atom(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let mut characters = name.chars();
    let plain = characters.next().is_some_and(char::is_lowercase)
        && characters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '@'))
        && !RESERVED.contains(&name);
    if plain { f.write_str(name) } else { quoted(f, name, '\'') }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    write!(f, "{quote}")?;
    for c in text.chars() {
        match c {
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            c if c == quote || c == '\\' => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\x{{{:X}}}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    write!(f, "{quote}")
}
