//! Mistakes in what people wrote: all of them, each with its place and what would be right.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file; lines and columns count from 1.
    File {
        /// The file, as it was named to Mover.
        file: Arc<str>,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// Outside of files: the name of an environment variable, or of a flag of the command line.
    Outside(Arc<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Place::Outside(name) => f.write_str(name),
        }
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// Every mistake of a configuration or of some definitions; at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// The mistakes, in the order of files and lines.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Mistake { place, problem }) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{place}: {problem}")?;
        }
        Ok(())
    }
}

/// Collects mistakes while reading continues.
#[derive(Debug, Default)]
pub(super) struct Found {
    mistakes: RefCell<Vec<Mistake>>,
    missing: RefCell<Vec<Mistake>>,
    /// Places at which the text itself could not be understood.
    garbled: RefCell<Vec<Place>>,
}

impl Found {
    pub(super) fn add(&self, place: &Place, problem: impl Into<String>) {
        self.mistakes.borrow_mut().push(Mistake { place: place.clone(), problem: problem.into() });
    }

    /// Something required is not there.
    pub(super) fn add_missing(&self, place: &Place, problem: impl Into<String>) {
        self.missing.borrow_mut().push(Mistake { place: place.clone(), problem: problem.into() });
    }

    /// The text is not TOML here.
    pub(super) fn add_garbled(&self, place: &Place, problem: impl Into<String>) {
        self.garbled.borrow_mut().push(place.clone());
        self.add(place, problem);
    }

    /// What was read, if nothing was wrong.
    pub(super) fn unless_any<T>(self, read: Option<T>) -> Result<T, Mistakes> {
        let garbled = self.garbled.into_inner();
        let mut mistakes = self.mistakes.into_inner();
        // What seems to be missing may well be there, in the part that could not be understood.
        let missing = self.missing.into_inner().into_iter();
        mistakes.extend(missing.filter(|mistake| !garbled.iter().any(|place| same_file(place, &mistake.place))));
        // And what follows from a garbled line is no second mistake.
        let mut kept: Vec<Mistake> = Vec::new();
        mistakes.sort_by(|one, other| one.place.cmp(&other.place));
        for mistake in mistakes {
            let echo =
                kept.last().is_some_and(|last| garbled.contains(&last.place) && same_line(&last.place, &mistake.place));
            if !echo {
                kept.push(mistake);
            }
        }
        match read {
            Some(read) if kept.is_empty() => Ok(read),
            _ => Err(Mistakes(kept)),
        }
    }
}

fn same_file(one: &Place, other: &Place) -> bool {
    matches!((one, other), (Place::File { file: one, .. }, Place::File { file: other, .. }) if one == other)
}

fn same_line(one: &Place, other: &Place) -> bool {
    let line = |place: &Place| if let Place::File { line, .. } = place { Some(*line) } else { None };
    same_file(one, other) && line(one) == line(other)
}
