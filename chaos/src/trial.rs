//! A whole trial, from the first server to the last row.

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::app::{App, Isolation, Org};
use crate::bank::Bank;
use crate::check;
use crate::client::{Client, Shared};
use crate::counters::{Counters, Figures};
use crate::dump::dump;
use crate::evidence::{Evidence, Wrong};
use crate::flags::Flags;
use crate::ledger::Ledger;
use crate::older_store;
use crate::operator::{Operator, Site};
use crate::options::Options;
use crate::postgres::{causes, connect_patiently};
use crate::program::{Death, Program};
use crate::restarts::Restarts;
use crate::schema_changes::{self, Constants, SchemaChanges};
use crate::servers::{Servers, Store};
use crate::shop::Shop;
use crate::tampering;
use crate::watcher::watch;

/// With all servers up and no Mover that blocks, every write ends well within this time.
const CLIENTS_REST_WITHIN: Duration = Duration::from_secs(60);

const CONFIGURATION: &str = "mover.toml";

const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// The lease of Mover in this trial.
pub(crate) const LEASE_MS: u64 = 1_500;

/// How long a client that caches its flags keeps them.
const CACHED: Duration = Duration::from_secs(1);

/// The schema changes once in so many faults of servers.
const SCHEMA_CHANGES_RARER: u32 = 6;

/// Words in the reason of a failed move that hint at wrong rows, not at circumstances.
const SUSPICIOUS: [&str; 5] = ["differ", "violates", "duplicate", "does not exist", "bug"];

/// Runs a trial. `progress` is called periodically.
pub async fn run(options: &Options, progress: impl Fn(&Figures) + Send + Sync) -> Result<Figures, Wrong> {
    let evidence = Arc::new(Evidence::new());
    let counters = Arc::new(Counters::new());
    let trial = match Trial::set_up(options, evidence.clone(), counters.clone()).await {
        Ok(trial) => trial,
        Err(error) => return Err(Wrong(vec![format!("setting up: {error}")])),
    };
    let reporting = async {
        loop {
            sleep(PROGRESS_EVERY).await;
            progress(&counters.figures());
        }
    };
    tokio::select! {
        () = trial.go(options) => {}
        () = reporting => {}
    }
    let result = evidence.result();
    match &result {
        // It is not needed any more; what cannot be removed stays.
        Ok(()) => drop(std::fs::remove_dir_all(&options.evidence)),
        Err(_) => dump(&trial.servers, &options.evidence).await,
    }
    result.map(|()| counters.figures())
}

struct Trial {
    servers: Arc<Servers>,
    program: Arc<Program>,
    evidence: Arc<Evidence>,
    counters: Arc<Counters>,
    pen: Arc<RwLock<()>>,
    sky: Arc<RwLock<()>>,
    shop: Arc<Shared<Shop>>,
    bank: Arc<Shared<Bank>>,
    constants: Constants,
    events_seen: Mutex<i64>,
}

impl Trial {
    async fn set_up(options: &Options, evidence: Arc<Evidence>, counters: Arc<Counters>) -> Result<Self, String> {
        if options.evidence.join(CONFIGURATION).exists() {
            // From the previous trial.
            std::fs::remove_dir_all(&options.evidence).map_err(|error| error.to_string())?;
        }
        std::fs::create_dir_all(&options.evidence).map_err(|error| error.to_string())?;
        let templates = std::env::temp_dir().join("mover-chaos-template");
        let servers = Servers::start(&templates, options.postgres.as_ref()).await;
        let servers = Arc::new(servers.map_err(|error| error.to_string())?);
        let program = Arc::new(Program::new(&options.mover, &options.evidence));
        let pen = Arc::new(RwLock::new(()));
        let shop = share(Shop::new(options.shops + options.shops_later), options, &servers, &evidence, &counters, &pen);
        let bank = Bank::new(options.branches, options.accounts, options.big_accounts);
        let bank = share(bank, options, &servers, &evidence, &counters, &pen);
        shop.app.prepare(&servers).await?;
        bank.app.prepare(&servers).await?;
        write_configuration(&options.evidence, &servers).map_err(|error| error.to_string())?;
        write_definition(&options.evidence, shop.app.as_ref()).map_err(|error| error.to_string())?;
        write_definition(&options.evidence, bank.app.as_ref()).map_err(|error| error.to_string())?;
        let trial = Self {
            servers,
            program,
            evidence,
            counters,
            pen,
            sky: Arc::default(),
            shop,
            bank,
            constants: Constants::default(),
            events_seen: Mutex::new(0),
        };
        trial.undisturbed("darklaunch default cell=old").await?;
        let first: Vec<_> =
            trial.shop.app.orgs().iter().take(options.shops as usize).map(|org| org.name.as_str()).collect();
        trial.undisturbed(&format!("orgs add {} shop", first.join(","))).await?;
        trial.undisturbed("orgs ready shop all").await?;
        trial.undisturbed("orgs capture bank").await?;
        trial.undisturbed("orgs ready bank all").await?;
        Ok(trial)
    }

    fn sites(&self, options: &Options) -> Vec<Site> {
        let names = |orgs: &[Org]| orgs.iter().map(|org| org.name.clone()).collect();
        vec![
            Site { migration: "shop", orgs: names(self.shop.app.orgs()), at_once: options.shops as usize, weight: 2 },
            Site {
                migration: "bank",
                orgs: names(self.bank.app.orgs()),
                at_once: options.branches as usize,
                weight: 1,
            },
        ]
    }

    async fn undisturbed(&self, command: &str) -> Result<(), String> {
        self.program_says(&["exec", "--yes", command]).await
    }

    /// Runs Mover to its end; an error is what it said.
    async fn program_says(&self, arguments: &[&str]) -> Result<(), String> {
        let ended = self.program.run(arguments, Death::Natural).await.map_err(|error| error.to_string())?;
        if ended.code() == Some(0) { Ok(()) } else { Err(ended.tail()) }
    }

    async fn go(&self, options: &Options) {
        let mut random = StdRng::seed_from_u64(options.seed);
        // Dropped at the end, which stops all tasks that still run.
        let mut tasks = JoinSet::new();
        let restarts = Restarts {
            servers: self.servers.clone(),
            counters: self.counters.clone(),
            evidence: self.evidence.clone(),
            sky: self.sky.clone(),
            every: options.mishap_every,
            random: StdRng::from_rng(&mut random),
        };
        tasks.spawn(restarts.run());
        let schema_changes = SchemaChanges {
            servers: self.servers.clone(),
            counters: self.counters.clone(),
            evidence: self.evidence.clone(),
            sky: self.sky.clone(),
            every: options.mishap_every * SCHEMA_CHANGES_RARER,
            random: StdRng::from_rng(&mut random),
        };
        tasks.spawn(schema_changes.run());
        for store in Store::BOTH {
            tasks.spawn(watch(self.servers.store_url(store), self.counters.clone(), self.evidence.clone()));
        }
        let started = self
            .start_clients(&self.shop, 1, options, &mut random, &mut tasks)
            .and_then(|()| self.start_clients(&self.bank, 501, options, &mut random, &mut tasks));
        if let Err(error) = started {
            return self.evidence.add(error.to_string());
        }
        let operator = Operator::new(
            self.program.clone(),
            self.counters.clone(),
            self.evidence.clone(),
            self.servers.clone(),
            self.sites(options),
            options.kills,
            StdRng::from_rng(&mut random),
        );
        tokio::select! {
            () = self.drive(options, operator) => {}
            () = self.evidence.first() => {
                // Further findings at the same time help to understand the first.
                sleep(Duration::from_secs(1)).await;
                // With all servers up, so that they can be examined.
                let _fair = self.sky.write().await;
            }
        }
    }

    async fn drive(&self, options: &Options, mut operator: Operator) {
        loop {
            let until = (self.counters.kills.load(Relaxed) + options.kills_between_checks).min(options.kills);
            while self.counters.kills.load(Relaxed) < until && self.counters.elapsed() < options.limit {
                if let Err(error) = operator.step().await {
                    return self.evidence.add(error.to_string());
                }
                // A store may be down; the next time it will be up.
                let _ = self.read_events().await;
            }
            let done = self.counters.kills.load(Relaxed) >= options.kills || self.counters.elapsed() >= options.limit;
            self.come_to_rest(&mut operator, done).await;
            if done || self.evidence.is_any() {
                return;
            }
        }
    }

    /// Stops restarts, lets Mover finish what it began, stops clients between two writes, and checks everything.
    async fn come_to_rest(&self, operator: &mut Operator, for_good: bool) {
        let _fair = self.sky.write().await;
        match operator.finish().await {
            Ok(Ok(())) => {}
            Ok(Err(said)) => return self.evidence.add(said),
            Err(error) => return self.evidence.add(error.to_string()),
        }
        let Ok(_resting) = timeout(CLIENTS_REST_WITHIN, self.pen.write()).await else {
            let doing = [&self.shop.doing, &self.bank.doing];
            let doing = doing.map(|doing| doing.lock().unwrap_or_else(PoisonError::into_inner).clone()).concat();
            let busy: Vec<_> = doing.iter().filter(|doing| *doing != "idle").collect();
            return self.evidence.add(format!("clients do not get on although nothing is in their way: {busy:#?}"));
        };
        if let Err(error) = self.read_events().await {
            self.evidence.add(format!("reading the events of the move log: {error}"));
        }
        // Partitions that were attached since the last move.
        for store in Store::BOTH {
            if let Err(said) = self.program_says(&["guard", "install", store.name(), "shop"]).await {
                self.evidence.add(said);
            }
        }
        let store = if self.counters.checks.load(Relaxed).is_multiple_of(2) { Store::New } else { Store::Old };
        older_store::is_noticed(store, &self.program, &self.servers, &self.evidence).await;
        self.counters.name("a store was replaced by an older copy");
        self.ask_mover().await;
        if let Err(error) = self.constants.check(&self.servers, &self.evidence).await {
            self.evidence.add(format!("reading the columns that were added: {}", causes(&error)));
        }
        check::check(&self.shop, &self.servers, &self.evidence).await;
        check::check(&self.bank, &self.servers, &self.evidence).await;
        self.counters.add(&self.counters.checks);
        if for_good && !self.evidence.is_any() {
            tampering::is_noticed(&self.shop, &self.servers, &self.evidence).await;
        }
    }

    /// Mover's own view: it must find nothing to repair.
    async fn ask_mover(&self) {
        for (arguments, good) in [
            (&["doctor"] as &[&str], "all as the move log says"),
            (&["exec", "flags check"], " 0 differ"),
            // Failed orgs are a warning.
            (&["health"], ""),
        ] {
            match self.program.run(arguments, Death::Natural).await {
                Ok(ended) => {
                    let failed_orgs =
                        arguments == ["health"] && ended.code() == Some(1) && ended.said.contains("orgs failed");
                    let well = ended.code() == Some(0) && ended.said.contains(good);
                    if !well && !failed_orgs {
                        self.evidence.add(ended.tail());
                    }
                }
                Err(error) => self.evidence.add(error.to_string()),
            }
        }
    }

    /// Counts moves that ended and the reasons of failed ones, and looks for reasons that must never occur.
    async fn read_events(&self) -> Result<(), String> {
        let told = |error: tokio_postgres::Error| causes(&error);
        let log = connect_patiently(&self.servers.state_url()).await.map_err(told)?;
        let after = *self.events_seen.lock().unwrap_or_else(PoisonError::into_inner);
        let sql = include_str!("events.sql");
        let mut last = after;
        for row in log.query(sql, &[&after]).await.map_err(told)? {
            last = row.get("id");
            let (org, to, reason): (String, String, Option<String>) =
                (row.get("org"), row.get("became"), row.get("reason"));
            match (to.as_str(), reason) {
                ("migrated" | "rolled_back" | "finalized", None) => {
                    self.counters.add(&self.counters.moves);
                    self.counters.name(format!("moves that ended: {to}"));
                }
                ("abort", reason) => {
                    let reason = reason.unwrap_or_else(|| "no reason".into());
                    // While only one store has a column, orgs are refused.
                    let by_column = reason.contains(schema_changes::COLUMN);
                    if !by_column && SUSPICIOUS.iter().any(|word| reason.contains(word)) {
                        self.evidence.add(format!("{org} was given up because {reason}"));
                    }
                    self.counters.name(format!("move given up: {}", in_general(&reason)));
                }
                _ => {}
            }
        }
        *self.events_seen.lock().unwrap_or_else(PoisonError::into_inner) = last;
        Ok(())
    }

    fn start_clients<A: App>(
        &self,
        shared: &Arc<Shared<A>>,
        first_number: i32,
        options: &Options,
        random: &mut StdRng,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), redis::RedisError> {
        for (index, number) in (0..options.clients as usize).zip(first_number..) {
            let cached = if index % 3 == 2 { CACHED } else { Duration::ZERO };
            let client = Client {
                shared: shared.clone(),
                index,
                number,
                isolation: match index % 4 {
                    0 | 1 => Isolation::ReadCommitted,
                    2 => Isolation::RepeatableRead,
                    _ => Isolation::Serializable,
                },
                marks_last: random.random(),
                beat: Duration::from_secs(1) * options.clients / options.writes_per_second.max(1),
                flags: Flags::open(&self.servers.redis_url(), cached)?,
                random: StdRng::from_rng(random),
            };
            tasks.spawn(client.run());
        }
        Ok(())
    }
}

fn share<A: App>(
    app: A,
    options: &Options,
    servers: &Servers,
    evidence: &Arc<Evidence>,
    counters: &Arc<Counters>,
    pen: &Arc<RwLock<()>>,
) -> Arc<Shared<A>> {
    Arc::new(Shared {
        ledger: Ledger::new(app.orgs().len()),
        app: Arc::new(app),
        evidence: evidence.clone(),
        counters: counters.clone(),
        pen: pen.clone(),
        urls: Store::BOTH.map(|store| servers.store_url(store)),
        doing: Mutex::new(vec!["idle".into(); options.clients as usize]),
    })
}

fn write_configuration(dir: &Path, servers: &Servers) -> std::io::Result<()> {
    let (state, redis) = (servers.state_url_for_mover(), servers.redis_url());
    let [old, new] = Store::BOTH.map(|store| servers.store_url_for_mover(store));
    let text = format!(
        "[state]\nurl = {state:?}\n[redis]\nurl = {redis:?}\n[stores.old]\nurl = {old:?}\n[stores.new]\nurl = {new:?}\n\
         [migrations]\ndir = \"migrations\"\n[node]\nlease_ms = {LEASE_MS}\n[engine]\nrolled_back_copy_ms = 500\ndrain_budget_ms = 1000\nstep_budget_ms = 5000\n"
    );
    std::fs::write(dir.join(CONFIGURATION), text)
}

fn write_definition(dir: &Path, app: &impl App) -> std::io::Result<()> {
    let dir = dir.join("migrations");
    std::fs::create_dir_all(&dir)?;
    std::fs::write(dir.join(format!("{}.toml", app.migration())), app.definition())
}

/// A reason without variable parts: numbers, and everything after the first sentence.
fn in_general(reason: &str) -> String {
    let mut text = String::new();
    for c in reason.chars().take(110) {
        match c {
            '0'..='9' if text.ends_with('N') => {}
            '0'..='9' => text.push('N'),
            c => text.push(c),
        }
    }
    text
}
