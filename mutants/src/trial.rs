//! Building a test binary of the copy and running some of its tests.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use mover_mutants::Mutant;

use crate::copy::Copy;
use crate::orphans;
use crate::results::Results;

/// Without a measure a test may wait forever.
const TESTS_MAX: Duration = Duration::from_secs(600);

/// The result of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// By these tests.
    Noticed(String),
    Unnoticed,
    DoesNotBuild,
}

impl Outcome {
    pub(crate) fn written(&self) -> String {
        match self {
            Outcome::Noticed(by) => format!("noticed {by}"),
            Outcome::Unnoticed => "unnoticed".into(),
            Outcome::DoesNotBuild => "does not build".into(),
        }
    }

    pub(crate) fn read(text: &str) -> Self {
        match text.strip_prefix("noticed ") {
            Some(by) => Outcome::Noticed(by.into()),
            None if text == "does not build" => Outcome::DoesNotBuild,
            None => Outcome::Unnoticed,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Noticed(by) => write!(f, "noticed by {by}"),
            Outcome::Unnoticed => f.write_str("NOT NOTICED"),
            Outcome::DoesNotBuild => f.write_str("DOES NOT BUILD"),
        }
    }
}

/// How a run of tests ended.
enum Run {
    Passed,
    Failed(String),
}

/// The copy, and where it is built.
pub(crate) struct Workshop {
    copy: Copy,
    build: PathBuf,
    logs: PathBuf,
}

impl Workshop {
    pub(crate) fn new(home: &Path, copy: Copy) -> io::Result<Self> {
        let logs = home.join("logs");
        fs::create_dir_all(&logs)?;
        orphans::adopt()?;
        Ok(Self { copy, build: home.join("build"), logs })
    }

    pub(crate) fn restore(&self) -> io::Result<()> {
        self.copy.restore()
    }

    /// All tests in the mutant's test binary that should notice something must pass without a mutation.
    pub(crate) fn must_pass_without(&self, mutant: &Mutant, all: &[Mutant], results: &mut Results) -> io::Result<()> {
        let binary = &mutant.binary;
        if results.passes(binary) {
            return Ok(());
        }
        self.copy.restore()?;
        let same = all.iter().filter(|other| other.binary == *binary);
        let tests: BTreeSet<&str> = same.flat_map(|other| other.tests.iter().map(String::as_str)).collect();
        let log = self.logs.join(format!("binary {binary}"));
        let failed = |what: &str| io::Error::other(format!("{binary} {what}: {}", log.display()));
        let Some(program) = self.build(mutant, &log)? else { return Err(failed("does not build")) };
        match self.run(mutant, &program, &tests, &log)? {
            Run::Passed => results.add_passing(binary),
            Run::Failed(by) => Err(failed(&format!("fails although nothing is taken away, by {by}"))),
        }
    }

    /// Takes the measure away and checks whether a test notices.
    pub(crate) fn try_one(&self, mutant: &Mutant) -> io::Result<Outcome> {
        self.copy.edit(mutant)?;
        let log = self.logs.join(&mutant.name);
        let Some(program) = self.build(mutant, &log)? else { return Ok(Outcome::DoesNotBuild) };
        let tests = mutant.tests.iter().map(String::as_str).collect();
        Ok(match self.run(mutant, &program, &tests, &log)? {
            Run::Passed => Outcome::Unnoticed,
            Run::Failed(by) => Outcome::Noticed(by),
        })
    }

    /// Builds the test binary; `None` if it cannot be built.
    fn build(&self, mutant: &Mutant, log: &Path) -> io::Result<Option<PathBuf>> {
        let package = self.package(mutant)?;
        let which = if mutant.is_of_library() { vec!["--lib"] } else { vec!["--test", mutant.binary.as_str()] };
        let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["test", "--no-run", "--message-format=json-render-diagnostics"])
            .args(which)
            .current_dir(package)
            .env("CARGO_TARGET_DIR", &self.build)
            .stderr(File::create(log)?)
            .output()?;
        if !built.status.success() {
            return Ok(None);
        }
        let messages = String::from_utf8_lossy(&built.stdout).into_owned();
        let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let is_wanted = |message: &serde_json::Value| message["target"]["name"] == mutant.binary.as_str();
        let program = messages.filter(is_wanted).find_map(|message| Some(message["executable"].as_str()?.to_owned()));
        let missing = || io::Error::other(format!("cargo does not say where the test binary {} is", mutant.binary));
        program.map(|program| Some(program.into())).ok_or_else(missing)
    }

    fn run(&self, mutant: &Mutant, program: &Path, tests: &BTreeSet<&str>, log: &Path) -> io::Result<Run> {
        let package = self.package(mutant)?;
        let output = File::create(log)?;
        let mut running = Command::new(program)
            .arg("--exact")
            .args(tests)
            .env("CARGO_MANIFEST_DIR", &package)
            .current_dir(package)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let begun = Instant::now();
        let status: ExitStatus = loop {
            if let Some(status) = running.try_wait()? {
                break status;
            }
            if begun.elapsed() > TESTS_MAX {
                running.kill()?;
                running.wait()?;
                orphans::end()?;
                return Ok(Run::Failed(format!("tests that did not end within {} s", TESTS_MAX.as_secs())));
            }
            sleep(Duration::from_millis(50));
        };
        let told = String::from_utf8_lossy(&fs::read(log)?).into_owned();
        let count = format!("running {} test", tests.len());
        if !told.contains(&count) {
            return Err(io::Error::other(format!("not all of {tests:?} were run: {}", log.display())));
        }
        if status.success() {
            return Ok(Run::Passed);
        }
        let failed: BTreeSet<&str> = told
            .lines()
            .filter_map(|line| line.strip_prefix("test ")?.strip_suffix("FAILED"))
            .map(|test| test.trim_end_matches([' ', '.']))
            .collect();
        Ok(Run::Failed(match failed.is_empty() {
            true => format!("the end of the test binary ({status})"),
            false => failed.into_iter().collect::<Vec<_>>().join(", "),
        }))
    }

    fn package(&self, mutant: &Mutant) -> io::Result<PathBuf> {
        let missing = || io::Error::other(format!("there is no test binary {}", mutant.binary));
        mutant.package(self.copy.path()).ok_or_else(missing)
    }
}
