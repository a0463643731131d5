//! Results of earlier trials, valid while the sources are unchanged.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::trial::Outcome;

/// A line for each mutant, and for each test binary whose tests pass without a mutation.
#[derive(Debug)]
pub(crate) struct Results {
    path: PathBuf,
    fingerprint: u64,
    lines: HashMap<String, String>,
}

impl Results {
    pub(crate) fn of(home: &Path, fingerprint: u64) -> io::Result<Self> {
        fs::create_dir_all(home)?;
        let path = home.join("results");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut lines = text.lines();
        let is_current = lines.next() == Some(fingerprint.to_string().as_str());
        let pairs = lines.filter_map(|line| line.split_once('\t')).filter(|_| is_current);
        let lines = pairs.map(|(name, what)| (name.to_owned(), what.to_owned())).collect();
        Ok(Self { path, fingerprint, lines })
    }

    pub(crate) fn known(&self, name: &str) -> Option<Outcome> {
        self.lines.get(name).map(|line| Outcome::read(line))
    }

    pub(crate) fn add(&mut self, name: &str, outcome: &Outcome) -> io::Result<()> {
        self.lines.insert(name.into(), outcome.written());
        self.save()
    }

    pub(crate) fn passes(&self, binary: &str) -> bool {
        self.lines.contains_key(&format!("binary {binary}"))
    }

    pub(crate) fn add_passing(&mut self, binary: &str) -> io::Result<()> {
        self.lines.insert(format!("binary {binary}"), "passes".into());
        self.save()
    }

    fn save(&self) -> io::Result<()> {
        let mut lines: Vec<String> = self.lines.iter().map(|(name, what)| format!("{name}\t{what}")).collect();
        lines.sort();
        fs::write(&self.path, format!("{}\n{}\n", self.fingerprint, lines.join("\n")))
    }
}
