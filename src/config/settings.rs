//! `mover.toml`, with the overrides of the environment and the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mover_actors::domain::campaign::{FailurePolicy, Tuning};
use mover_actors::domain::ids::StoreName;

use super::address::{self, Postgres, Redis};
use super::http::{self, Http};
use super::mistake::{Found, Mistakes, Place};
use super::overrides::Override;
use super::reader::{Read, Section};
use super::telemetry::{self, Telemetry};
use super::tree;

/// A day: a longer wait is a mistake.
const WAIT_MAX_MS: i64 = 86_400_000;

/// The configuration of Mover.
#[derive(Debug, Clone)]
pub struct Config {
    /// The database of the move log; `None`: a private one.
    pub state: Option<Postgres>,
    /// The Redis with the flags; `None`: a private one.
    pub redis: Option<Redis>,
    /// The stores, by name.
    pub stores: BTreeMap<StoreName, Store>,
    /// The directory of the migration definitions.
    pub migrations_dir: PathBuf,
    /// The tuning with which a campaign begins.
    pub tuning: Tuning,
    /// When a campaign halts by itself.
    pub failure_policy: FailurePolicy,
    /// How long this process counts as alive after its last heartbeat.
    pub lease: Duration,
    /// How long a move waits for transactions of the source that may still write to its org.
    pub drain_budget: Duration,
    /// How long a step that fails for a transient reason is retried while its org is blocked.
    pub step_budget: Duration,
    /// The directory of backups, which are written before rows of a finalized org are removed from the source.
    pub backup_dir: PathBuf,
    /// How long the copy of a rolled back org is kept after the switch.
    pub rolled_back_copy: Duration,
    /// The size of a range. A table with more rows of one org is copied in ranges.
    pub copy_range_rows: i64,
    /// The settings of `mover serve`.
    pub http: Http,
    /// The settings of logging.
    pub log: Log,
    /// The settings of traces.
    pub telemetry: Telemetry,
}

/// A datastore that holds orgs.
#[derive(Debug, Clone)]
pub enum Store {
    /// A Postgres database.
    Postgres(Postgres),
}

/// Level and format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The format.
    pub format: LogFormat,
    /// The level.
    pub level: LogLevel,
    /// Whether rows that a store refuses are repeated, in the log and in reasons of failures.
    pub customer_rows: bool,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The level of the log; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum LogLevel {
    /// Failures.
    Error,
    /// Possible failures.
    Warn,
    /// Events.
    Info,
    /// Each step.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    const ALL: [(&'static str, LogLevel); 5] = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];

    /// Its name in log filters.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// After more failures than this a campaign halts by itself, unless the configuration or the command says otherwise.
const FAILURES_MAX: u32 = 100;

impl Default for Config {
    fn default() -> Self {
        Self {
            state: None,
            redis: None,
            stores: BTreeMap::new(),
            migrations_dir: "migrations".into(),
            tuning: Tuning { concurrency: 8, sleep_time_ms: 5_000, pace_ms: 0 },
            failure_policy: FailurePolicy { error_halts: false, failures_max: Some(FAILURES_MAX) },
            lease: Duration::from_secs(15),
            drain_budget: Duration::from_secs(30),
            step_budget: Duration::from_secs(60),
            rolled_back_copy: Duration::from_secs(30),
            copy_range_rows: 100_000,
            backup_dir: "backups".into(),
            http: Http::default(),
            log: Log { format: LogFormat::Text, level: LogLevel::Info, customer_rows: true },
            telemetry: Telemetry::default(),
        }
    }
}

impl Config {
    /// Reads a file, or none, and applies the overrides; the last one wins. Reports every mistake.
    pub fn load(file: Option<&Path>, overrides: &[Override]) -> Result<Self, Mistakes> {
        let Some(path) = file else { return Self::read("mover.toml", "", Path::new(""), overrides) };
        let label = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::read(&label, &text, path.parent().unwrap_or(Path::new("")), overrides),
            Err(error) => {
                let found = Found::default();
                found.add(&Place::Outside(label.into()), format!("this file cannot be read: {error}"));
                found.unless_any(None)
            }
        }
    }

    /// Reads a text as if it were in `file`; relative paths in it start at `base`.
    pub fn read(file: &str, text: &str, base: &Path, overrides: &[Override]) -> Result<Self, Mistakes> {
        let found = Found::default();
        let mut document = tree::parse(file, text, &found);
        for Override { section, keys, value, place } in overrides {
            tree::lay_over(&mut document.1, section, keys, value, place);
        }
        let config = read_document(Section::document(document, &found), base);
        found.unless_any(Some(config))
    }
}

fn read_document(mut document: Section<'_>, base: &Path) -> Config {
    let mut config =
        Config { migrations_dir: base.join("migrations"), backup_dir: base.join("backups"), ..Config::default() };
    if let Some(mut section) = document.section("state") {
        config.state = address::read_postgres(&mut section, base);
        section.finish();
    }
    if let Some(mut section) = document.section("redis") {
        config.redis = address::read_redis(&mut section, base);
        section.finish();
    }
    if let Some(section) = document.section("stores") {
        config.stores = read_stores(section, base);
    }
    if let Some(section) = document.section("migrations") {
        read_migrations(section, base, &mut config.migrations_dir);
    }
    if let Some(section) = document.section("campaign") {
        read_campaign(section, &mut config);
    }
    if let Some(mut section) = document.section("node") {
        // A lease shorter than a second would be lost in a pause of the machine.
        replace(&mut config.lease, section.number("lease_ms", 1_000..=WAIT_MAX_MS).map(milliseconds));
        section.finish();
    }
    if let Some(mut section) = document.section("engine") {
        replace(&mut config.drain_budget, section.number("drain_budget_ms", 0..=WAIT_MAX_MS).map(milliseconds));
        replace(&mut config.step_budget, section.number("step_budget_ms", 0..=WAIT_MAX_MS).map(milliseconds));
        let kept = section.number("rolled_back_copy_ms", 0..=WAIT_MAX_MS).map(milliseconds);
        replace(&mut config.rolled_back_copy, kept);
        replace(&mut config.copy_range_rows, section.number("copy_range_rows", 1..=i64::from(i32::MAX)));
        // It need not exist yet: the first backup creates it.
        replace(&mut config.backup_dir, section.text("backup_dir").map(|given| base.join(given.value)));
        section.finish();
    }
    if let Some(section) = document.section("http") {
        http::read(section, base, &mut config.http);
    }
    if let Some(mut section) = document.section("log") {
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        replace(&mut config.log.format, section.choice("format", &formats));
        replace(&mut config.log.level, section.choice("level", &LogLevel::ALL));
        replace(&mut config.log.customer_rows, section.boolean("customer_rows"));
        section.finish();
    }
    if let Some(section) = document.section("telemetry") {
        config.telemetry = telemetry::read(section);
    }
    document.finish();
    config
}

fn read_stores(section: Section<'_>, base: &Path) -> BTreeMap<StoreName, Store> {
    let mut stores = BTreeMap::new();
    for (name, mut section) in section.named_sections() {
        let name = section.parsed(Some(name), StoreName::new);
        // The only kind so far; the key is there so that files are explicit.
        section.choice("kind", &[("postgres", ())]);
        let postgres = address::read_postgres(&mut section, base);
        section.finish();
        if let (Some(Read { value: name, .. }), Some(postgres)) = (name, postgres) {
            stores.insert(name, Store::Postgres(postgres));
        }
    }
    stores
}

fn read_migrations(mut section: Section<'_>, base: &Path, dir: &mut PathBuf) {
    let given = section.text("dir");
    let given = section.parsed(given, |given| {
        let path = base.join(given);
        if path.is_dir() { Ok(path) } else { Err(format!("dir: there is no directory {}", path.display())) }
    });
    replace(dir, given.map(|given| given.value));
    section.finish();
}

fn read_campaign(mut section: Section<'_>, config: &mut Config) {
    let Config { tuning, failure_policy, .. } = config;
    replace(&mut tuning.concurrency, section.number("concurrency", 1..=10_000).map(|number| number as u32));
    replace(&mut tuning.sleep_time_ms, section.number("sleep_time_ms", 0..=WAIT_MAX_MS).map(|ms| ms as u64));
    replace(&mut tuning.pace_ms, section.number("pace_ms", 0..=WAIT_MAX_MS).map(|ms| ms as u64));
    replace(&mut failure_policy.error_halts, section.boolean("error_halts"));
    let failures_max = section.number("failures_max", 0..=i64::from(u32::MAX)).map(|number| number as u32);
    failure_policy.failures_max = failures_max.or(failure_policy.failures_max);
    section.finish();
}

fn milliseconds(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

fn replace<T>(setting: &mut T, read: Option<T>) {
    if let Some(read) = read {
        *setting = read;
    }
}
