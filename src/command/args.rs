//! The arguments of one command, read one by one.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use mover_actors::domain::ids::{MigrationName, OrgName};

use super::error::Fault;
use super::line::{Arg, Item, Span};
use super::selection::org_name;
use crate::nearest::did_you_mean;

/// Options that have no value.
const FLAGS: [&str; 1] = ["--watch"];

/// The arguments after the words of a command.
pub(super) struct Args {
    positional: VecDeque<Arg>,
    options: Vec<(Item, Vec<Item>)>,
    end: Span,
}

impl Args {
    /// Sorts the arguments into positional ones and options; `--out FILE` and `--out=FILE` are `out=FILE`.
    pub(super) fn new(args: impl IntoIterator<Item = Arg>, end: usize) -> Result<Self, Fault> {
        let mut sorted =
            Self { positional: VecDeque::new(), options: Vec::new(), end: Span { start: end, end: end + 1 } };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.key {
                Some(key) => sorted.add_option(key, arg.items)?,
                None => match arg.items.first().and_then(Item::keyword).filter(|word| word.starts_with("--")) {
                    Some(word) if FLAGS.contains(&word) => {
                        sorted.add_option(arg.items[0].clone(), arg.items)?;
                    }
                    Some(_) => {
                        let missing = || Fault::new(arg.span, "a value is missing after this");
                        let value = args.next().filter(|value| value.key.is_none()).ok_or_else(missing)?;
                        let key = arg.items.into_iter().next().ok_or_else(missing)?;
                        sorted.add_option(key, value.items)?;
                    }
                    None => sorted.positional.push_back(arg),
                },
            }
        }
        Ok(sorted)
    }

    fn add_option(&mut self, mut key: Item, value: Vec<Item>) -> Result<(), Fault> {
        if let Some(name) = key.text.strip_prefix("--") {
            key.text = name.to_owned();
        }
        if self.options.iter().any(|(known, _)| known.text == key.text) {
            return Err(Fault::new(key.span, format!("{} is given twice", key.text)));
        }
        self.options.push((key, value));
        Ok(())
    }

    /// The next positional argument.
    pub(super) fn next(&mut self, expected: &str) -> Result<Arg, Fault> {
        self.positional.pop_front().ok_or_else(|| Fault::new(self.end, format!("something is missing: {expected}")))
    }

    /// Whether another positional argument follows.
    pub(super) fn has_more(&self) -> bool {
        !self.positional.is_empty()
    }

    /// The next positional argument, which must not be a list.
    pub(super) fn item(&mut self, expected: &str) -> Result<Item, Fault> {
        let arg = self.next(expected)?;
        single(arg.items, expected)
    }

    pub(super) fn migration(&mut self) -> Result<MigrationName, Fault> {
        let item = self.item("the name of a migration")?;
        MigrationName::new(item.text).map_err(|error| Fault::new(item.span, error.to_string()))
    }

    pub(super) fn migration_if_any(&mut self) -> Result<Option<MigrationName>, Fault> {
        self.has_more().then(|| self.migration()).transpose()
    }

    pub(super) fn org(&mut self) -> Result<OrgName, Fault> {
        org_name(&self.item("the name of an org")?)
    }

    /// One of some words.
    pub(super) fn one_of<T: Copy>(&mut self, known: &[(&str, T)]) -> Result<T, Fault> {
        let item = self.item(&words(known))?;
        choice(&item, known)
    }

    /// A whole number.
    pub(super) fn number(&mut self, what: &str, range: RangeInclusive<u64>) -> Result<u64, Fault> {
        let item = self.item(what)?;
        number(&item, what, range)
    }

    /// Takes the option of this name, if it was given.
    pub(super) fn option(&mut self, name: &str) -> Result<Option<Item>, Fault> {
        let Some(at) = self.options.iter().position(|(key, _)| key.text == name) else { return Ok(None) };
        let (_, value) = self.options.remove(at);
        single(value, &format!("the value of {name}")).map(Some)
    }

    /// Takes the option without a value of this name; returns whether it was given.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Fault> {
        Ok(self.option(name)?.is_some())
    }

    /// Takes an option that is a whole number.
    pub(super) fn number_option(&mut self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Fault> {
        self.option(name)?.map(|item| number(&item, name, range)).transpose()
    }

    /// Takes an option that is one of some words.
    pub(super) fn choice_option<T: Copy>(&mut self, name: &str, known: &[(&str, T)]) -> Result<Option<T>, Fault> {
        self.option(name)?.map(|item| choice(&item, known)).transpose()
    }

    /// Takes all remaining options, whatever their names.
    pub(super) fn all_options(&mut self) -> Result<Vec<(Item, Item)>, Fault> {
        let options = std::mem::take(&mut self.options).into_iter();
        options.map(|(key, value)| Ok((key, single(value, "one value")?))).collect()
    }

    /// Where the command ends.
    pub(super) fn end(&self) -> Span {
        self.end
    }

    /// Checks that nothing is left over.
    pub(super) fn finish(self, options: &[&str]) -> Result<(), Fault> {
        if let Some((key, _)) = self.options.first() {
            let known = match options {
                [] => "; this command has no options".to_owned(),
                _ => format!("; options are {}", options.join(", ")),
            };
            let suggestion = did_you_mean(&key.text, options.iter().copied());
            return Err(Fault::new(key.span, format!("unknown option {:?}{known}{suggestion}", key.text)));
        }
        match self.positional.front() {
            Some(arg) => Err(Fault::new(arg.span, "nothing more is expected here")),
            None => Ok(()),
        }
    }
}

fn single(items: Vec<Item>, expected: &str) -> Result<Item, Fault> {
    let span = items.get(1).map(|second| second.span);
    match (items.into_iter().next(), span) {
        (Some(item), None) => Ok(item),
        (_, span) => {
            let span = span.unwrap_or(Span { start: 0, end: 1 });
            Err(Fault::new(
                span,
                format!("no list is expected here, only {expected} (quote a name that has a comma in it)"),
            ))
        }
    }
}

fn words<T>(known: &[(&str, T)]) -> String {
    let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
    if words.len() <= 2 { words.join(" or ") } else { format!("one of {}", words.join(", ")) }
}

fn choice<T: Copy>(item: &Item, known: &[(&str, T)]) -> Result<T, Fault> {
    let found = known.iter().find(|(word, _)| item.keyword() == Some(word));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let suggestion = did_you_mean(&item.text, known.iter().map(|(word, _)| *word));
        Fault::new(item.span, format!("{} is expected here{suggestion}", words(known)))
    })
}

fn number(item: &Item, what: &str, range: RangeInclusive<u64>) -> Result<u64, Fault> {
    let number = item.keyword().and_then(|word| word.parse().ok()).filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let problem = format!("{what} is a whole number from {} to {}", range.start(), range.end());
        Fault::new(item.span, problem)
    })
}
