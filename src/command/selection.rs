//! Which orgs a command is about: `all`, `100`, `5%`, `acme,"glob ex"`, `@orgs.txt`.

use std::fmt;

use mover_actors::domain::campaign::Selection;
use mover_actors::domain::ids::OrgName;

use super::RetryFrom;
use super::args::Args;
use super::error::Fault;
use super::line::{Arg, Item, quoted, written};

/// The selected orgs, as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Given in the command itself.
    Orgs(Selection),
    /// Named in a file, one per line. It is read when the command is carried out.
    File(String),
}

impl Which {
    /// Takes the next argument; `all` is the word for all orgs.
    pub(super) fn take(args: &mut Args, all: &str) -> Result<Self, Fault> {
        let arg = args.next(&format!("{all}, a number, a percentage, names, or @FILE"))?;
        Self::of(&arg, all)
    }

    /// What an argument selects; `all` is the word for all orgs.
    pub(super) fn of(arg: &Arg, all: &str) -> Result<Self, Fault> {
        if let [item] = arg.items.as_slice() {
            if item.at {
                return Ok(Which::File(item.text.clone()));
            }
            if let Some(word) = item.keyword()
                && let Some(selection) = not_names(word, all, item)?
            {
                return Ok(Which::Orgs(selection));
            }
        }
        names(arg, all).map(|names| Which::Orgs(Selection::Names(names)))
    }
}

/// The selection that a single unquoted word means, if it is not a name.
fn not_names(word: &str, all: &str, item: &Item) -> Result<Option<Selection>, Fault> {
    if word == all {
        return Ok(Some(Selection::All));
    }
    if let Some(percent) = word.strip_suffix('%') {
        let percent = percent.parse().ok().filter(|percent| (1..=100).contains(percent));
        let problem = "a percentage is a whole number from 1% to 100% (quote it if an org is called so)";
        return percent.map(|percent| Some(Selection::Percent(percent))).ok_or_else(|| Fault::new(item.span, problem));
    }
    if word.chars().all(|c| c.is_ascii_digit()) {
        let count = word.parse().ok().filter(|count| (1..=i64::MAX as u64).contains(count));
        let problem = "this is no number of orgs: they count from 1 (quote it if it is the name of an org)";
        return count.map(|count| Some(Selection::First(count))).ok_or_else(|| Fault::new(item.span, problem));
    }
    Ok(None)
}

/// The orgs that an argument names one by one.
pub(super) fn names(arg: &Arg, all: &str) -> Result<Vec<OrgName>, Fault> {
    let name = |item: &Item| {
        if item.keyword() == Some(all) {
            return Err(Fault::new(
                item.span,
                format!("{all} stands alone, not in a list (quote it if an org is called so)"),
            ));
        }
        org_name(item)
    };
    arg.items.iter().map(name).collect()
}

/// The words of `retry` for the orgs of one state, and `all`, which would leave open which of them is meant.
pub(super) const RETRY_WORDS: [&str; 3] = ["failed", "rolled_back", "all"];

/// The orgs that `retry` is about.
pub(super) fn retried(args: &mut Args) -> Result<(Which, RetryFrom), Fault> {
    let arg = args.next("failed, rolled_back, a number, a percentage, names, or @FILE")?;
    for item in &arg.items {
        match item.keyword() {
            Some("rolled_back") if arg.items.len() == 1 => {
                return Ok((Which::Orgs(Selection::All), RetryFrom::RolledBack));
            }
            Some(word @ ("all" | "rolled_back")) => {
                let problem = format!(
                    "{word} is no name here: failed and rolled_back stand alone for all orgs in one of these states (quote it if an org \
                     is called so)"
                );
                return Err(Fault::new(item.span, problem));
            }
            _ => {}
        }
    }
    Ok((Which::of(&arg, "failed")?, RetryFrom::Failed))
}

/// The org that one item names.
pub(super) fn org_name(item: &Item) -> Result<OrgName, Fault> {
    if item.at {
        return Err(Fault::new(item.span, "an org name is wanted here, not a file (quote it if an org is called so)"));
    }
    OrgName::new(&item.text).map_err(|error| Fault::new(item.span, error.to_string()))
}

/// Shows a selection so that it parses as the same again.
pub(super) struct Shown<'a> {
    pub(super) which: &'a Which,
    /// The word for all orgs.
    pub(super) all: &'static str,
    /// Names that need quotes, so that they are not taken for words.
    pub(super) keywords: &'static [&'static str],
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.which {
            Which::Orgs(Selection::All) => f.write_str(self.all),
            Which::Orgs(Selection::First(count)) => write!(f, "{count}"),
            Which::Orgs(Selection::Percent(percent)) => write!(f, "{percent}%"),
            Which::Orgs(Selection::Names(names)) => {
                let names: Vec<_> = names.iter().map(|name| written(name.as_str(), self.keywords)).collect();
                f.write_str(&names.join(","))
            }
            Which::File(path) => write!(f, "@{}", quoted(path)),
        }
    }
}
