//! The list of mutants: small edits of SQL, Lua and Rust, each of which takes one safety measure away.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One edit of one file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// Its name on the command line.
    pub name: String,
    /// What happens without the measure.
    pub without: String,
    /// Below the root of the workspace.
    pub file: PathBuf,
    /// A text that occurs there exactly once.
    pub find: String,
    /// The replacement.
    pub put: String,
    /// The test binary that must notice: a name below `tests`, or that of a library for its own tests.
    #[serde(default)]
    pub binary: String,
    /// The tests in it, at least one of which must fail.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Why no test can notice: another measure does the same.
    pub redundant: Option<String>,
}

/// The libraries with tests, and the directories of their packages.
const PACKAGES: [(&str, &str); 2] = [("mover", "."), ("mover_actors", "actors")];

#[derive(Deserialize)]
struct File {
    mutant: Vec<Mutant>,
}

/// The directory of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// All mutants, in the order of the files in `mutants/list`.
pub fn list(root: &Path) -> io::Result<Vec<Mutant>> {
    let directory = root.join("mutants/list");
    let mut paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    let mut mutants = Vec::new();
    for path in paths {
        let file: File = toml::from_str(&fs::read_to_string(&path)?)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        mutants.extend(file.mutant);
    }
    Ok(mutants)
}

impl Mutant {
    /// The text of its file with the measure taken away, if the edit applies exactly once.
    pub fn applied(&self, text: &str) -> Result<String, String> {
        match text.matches(&self.find).count() {
            1 if self.find != self.put => Ok(text.replacen(&self.find, &self.put, 1)),
            1 => Err(format!("{}: it changes nothing", self.name)),
            times => Err(format!("{}: its text occurs {times} times in {}", self.name, self.file.display())),
        }
    }

    /// The directory of the package that its test binary belongs to.
    pub fn package(&self, root: &Path) -> Option<PathBuf> {
        PACKAGES.iter().map(|(_, package)| root.join(package)).find(|package| self.sources(root, package).is_some())
    }

    /// Whether the tests are a library's own.
    pub fn is_of_library(&self) -> bool {
        PACKAGES.iter().any(|(library, _)| self.binary == *library)
    }

    fn sources(&self, root: &Path, package: &Path) -> Option<PathBuf> {
        if self.is_of_library() {
            let is_its = |(library, path): &&(&str, &str)| self.binary == *library && package == root.join(path);
            return PACKAGES.iter().find(is_its).map(|_| package.join("src"));
        }
        let (file, directory) = (format!("tests/{}.rs", self.binary), format!("tests/{}", self.binary));
        [package.join(file), package.join(directory)].into_iter().find(|path| path.exists())
    }
}

/// What is wrong with the list: edits that do not apply, tests that do not exist.
pub fn faults(root: &Path, mutants: &[Mutant]) -> Vec<String> {
    let mut names = HashSet::new();
    let mut faults = Vec::new();
    for mutant in mutants {
        let Mutant { name, file, binary, tests, redundant, .. } = mutant;
        if !names.insert(name) {
            faults.push(format!("{name}: two mutants have this name"));
        }
        match fs::read_to_string(root.join(file)) {
            Ok(text) => faults.extend(mutant.applied(&text).err()),
            Err(error) => faults.push(format!("{name}: {}: {error}", file.display())),
        }
        if tests.is_empty() == redundant.is_none() {
            faults.push(format!("{name}: either tests notice it, or it is redundant"));
        }
        if tests.is_empty() {
            continue;
        }
        let sources = mutant.package(root).and_then(|package| mutant.sources(root, &package));
        let Some(texts) = sources.and_then(|sources| texts(&sources).ok()) else {
            faults.push(format!("{name}: there is no test binary {binary}"));
            continue;
        };
        for test in tests {
            let function = format!("fn {}(", test.rsplit("::").next().unwrap_or(test));
            if !texts.iter().any(|text| text.contains(&function)) {
                faults.push(format!("{name}: there is no test {test} in {binary}"));
            }
        }
    }
    faults
}

/// The texts of a file, or of all in a directory.
fn texts(path: &Path) -> io::Result<Vec<String>> {
    if path.is_file() {
        return Ok(vec![fs::read_to_string(path)?]);
    }
    let mut all = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "rs") {
            all.extend(texts(&path)?);
        }
    }
    Ok(all)
}
