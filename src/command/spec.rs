//! The spec of a command: syntax, help and parser.

use super::args::Args;
use super::error::Fault;
use super::line::{Arg, Item, Span};
use super::{Command, grammar};
use crate::nearest::did_you_mean;

/// Commands of the language that this version does not have yet.
const LATER: [&str; 4] = ["rollout", "hold", "bundle", "run"];

/// One command of the language.
#[derive(Debug)]
pub struct Spec {
    /// The words it begins with, e.g. `orgs`, `list`.
    pub words: &'static [&'static str],
    /// Its syntax.
    pub syntax: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Further help.
    pub details: &'static str,
    /// Lines that can be typed as they are.
    pub examples: &'static [&'static str],
    /// Names of its options.
    pub options: &'static [&'static str],
    pub(super) parse: fn(&mut Args) -> Result<Command, Fault>,
}

impl Spec {
    /// Parses the arguments after the words.
    pub(super) fn read(&self, rest: Vec<Arg>, end: usize) -> Result<Command, Fault> {
        let mut args = Args::new(rest, end)?;
        let command = (self.parse)(&mut args)?;
        args.finish(self.options)?;
        Ok(command)
    }
}

/// Every command, in the order of `help`.
pub fn specs() -> impl Iterator<Item = &'static Spec> {
    grammar::ALL.iter().copied().flatten()
}

/// The command that a line begins with, and the arguments after its words.
pub(super) fn find(mut args: Vec<Arg>, end: usize) -> Result<(&'static Spec, Vec<Arg>), Fault> {
    let mut candidates: Vec<&'static Spec> = specs().collect();
    let mut depth = 0;
    loop {
        // No command is the beginning of another, so the first complete one is the only one.
        if let Some(spec) = candidates.iter().find(|spec| spec.words.len() == depth) {
            return Ok((spec, args.split_off(depth)));
        }
        let known = next_words(&candidates, depth);
        let Some(arg) = args.get(depth) else {
            let problem = format!("something is missing: one of {}", known.join(", "));
            return Err(Fault::new(Span { start: end, end: end + 1 }, problem));
        };
        candidates.retain(|spec| spec.words.get(depth).copied() == only_word(arg));
        if candidates.is_empty() {
            return Err(unknown(arg, depth, &known));
        }
        depth += 1;
    }
}

/// The words that can come at this place.
pub(super) fn next_words(candidates: &[&'static Spec], depth: usize) -> Vec<&'static str> {
    let mut words: Vec<_> = candidates.iter().filter_map(|spec| spec.words.get(depth).copied()).collect();
    words.dedup();
    words
}

fn only_word(arg: &Arg) -> Option<&str> {
    match arg.items.as_slice() {
        [item] if arg.key.is_none() => Item::keyword(item),
        _ => None,
    }
}

fn unknown(arg: &Arg, depth: usize, known: &[&str]) -> Fault {
    let Some(word) = only_word(arg) else {
        let problem = if depth == 0 {
            "a line begins with a command; type help for all of them".to_owned()
        } else {
            format!("one of {} is expected here", known.join(", "))
        };
        return Fault::new(arg.span, problem);
    };
    if depth == 0 && LATER.contains(&word) {
        return Fault::new(arg.span, format!("{word} is not in this version; type help for the commands there are"));
    }
    let shown: String = word.chars().take(40).collect();
    let suggestion = did_you_mean(word, known.iter().copied());
    let problem = match depth {
        0 if suggestion.is_empty() => format!("unknown command {shown:?}; type help for all of them"),
        0 => format!("unknown command {shown:?}{suggestion}"),
        _ => format!("one of {} is expected here, not {shown:?}{suggestion}", known.join(", ")),
    };
    Fault::new(arg.span, problem)
}
