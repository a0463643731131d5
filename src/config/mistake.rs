//! Mistakes in a configuration: all of them, each with its place and the correction.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// The place of a text.
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
    /// Outside files: the name of an environment variable, or of a flag of the command line.
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
    /// The place.
    pub place: Place,
    /// What is wrong, and the correction.
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
    /// Places where the text could not be parsed.
    garbled: RefCell<Vec<Place>>,
}

impl Found {
    pub(super) fn add(&self, place: &Place, problem: impl Into<String>) {
        self.mistakes.borrow_mut().push(Mistake { place: place.clone(), problem: problem.into() });
    }

    /// Adds a mistake: something required is missing.
    pub(super) fn add_missing(&self, place: &Place, problem: impl Into<String>) {
        self.missing.borrow_mut().push(Mistake { place: place.clone(), problem: problem.into() });
    }

    /// Adds a mistake: the text is not TOML here.
    pub(super) fn add_garbled(&self, place: &Place, problem: impl Into<String>) {
        self.garbled.borrow_mut().push(place.clone());
        self.add(place, problem);
    }

    /// The result, if there were no mistakes.
    pub(super) fn unless_any<T>(self, read: Option<T>) -> Result<T, Mistakes> {
        let garbled = self.garbled.into_inner();
        let mut mistakes = self.mistakes.into_inner();
        // A value that seems to be missing may be in the part that could not be parsed.
        let missing = self.missing.into_inner().into_iter();
        mistakes.extend(missing.filter(|mistake| !garbled.iter().any(|place| same_file(place, &mistake.place))));
        // Mistakes that follow from a garbled line are not reported.
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
