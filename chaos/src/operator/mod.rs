//! Runs Mover with random commands, and kills it: at a random instant, or at a named place in the program. Sometimes it stops a
//! process until it counts as dead, and continues it when another has taken over its orgs.

mod death;
mod states;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use nix::sys::signal::Signal;
use rand::seq::IndexedRandom;
use rand::{RngExt, rngs::StdRng};
use tokio::time::sleep;
use tokio_postgres::Error;

use crate::counters::Counters;
use crate::evidence::Evidence;
use crate::program::{Death, Ended, Program};
use crate::servers::{Servers, Store};
use crate::trial::LEASE_MS;
use crate::watcher::until_locked;

pub(crate) use states::Site;
use states::States;

/// The assumed duration of a campaign, until one has ended.
const CAMPAIGN: Duration = Duration::from_millis(1_500);

const AFTER_AN_ERROR: Duration = Duration::from_millis(150);

/// One in so many campaigns is stopped instead of killed.
const HELD_ONE_IN: u32 = 12;
/// A campaign that gets to a switch at all does so within this time.
const SWITCH_WITHIN: Duration = Duration::from_secs(2);
/// One in so many has `doctor --fix` running beside it.
const DOCTOR_ONE_IN: u32 = 15;
/// A continued process that finds its work taken over ends within this time, or is killed.
const LET_GO_WITHIN: Duration = Duration::from_secs(8);
const DIES_AT_ONCE: Duration = Duration::from_secs(20);

pub(crate) struct Operator {
    program: Arc<Program>,
    counters: Arc<Counters>,
    evidence: Arc<Evidence>,
    servers: Arc<Servers>,
    sites: Vec<Site>,
    kills_wanted: u64,
    random: StdRng,
    /// The duration of an undisturbed campaign, so that random instants fall into it.
    campaign: Duration,
    /// The killed command, which may have left something undone.
    unfinished: Option<String>,
}

impl Operator {
    pub(crate) fn new(
        program: Arc<Program>,
        counters: Arc<Counters>,
        evidence: Arc<Evidence>,
        servers: Arc<Servers>,
        sites: Vec<Site>,
        kills_wanted: u64,
        random: StdRng,
    ) -> Self {
        Self { program, counters, evidence, servers, sites, kills_wanted, random, campaign: CAMPAIGN, unfinished: None }
    }

    /// One command, which may be killed.
    pub(crate) async fn step(&mut self) -> io::Result<()> {
        let Some(command) = self.choose().await else { return Ok(()) };
        if is_campaign(&command) && self.random.random_ratio(1, HELD_ONE_IN) {
            return self.hold(&command).await;
        }
        let death = self.death(&command);
        let doctor = is_campaign(&command) && self.random.random_ratio(1, DOCTOR_ONE_IN);
        let delay = self.instant();
        let (ended, ()) = tokio::try_join!(self.program.exec(&command, death), self.doctor(doctor, delay))?;
        self.note(&ended, death).await;
        Ok(())
    }

    /// `doctor` may run at any time, and must not mistake a move under way for an inconsistency.
    async fn doctor(&self, comes: bool, delay: Duration) -> io::Result<()> {
        if comes {
            sleep(delay).await;
            self.program.run(&["doctor", "--fix"], Death::Natural).await?;
            self.counters.name("doctor --fix beside a campaign");
        }
        Ok(())
    }

    /// Stops a process for longer than its lease, as in a machine that is suspended, and continues it.
    async fn hold(&mut self, command: &str) -> io::Result<()> {
        let mut held = self.program.start(&["exec", "--yes", command], Death::Natural)?;
        let instant = self.instant();
        let in_switch = match self.random.random_range(0..3) {
            0 => {
                sleep(instant).await;
                false
            }
            // A store that goes down meanwhile is as good an instant.
            store => {
                until_locked(&self.servers.store_url(Store::BOTH[store - 1]), SWITCH_WITHIN).await.unwrap_or(false)
            }
        };
        held.signal(Signal::SIGSTOP);
        let lease = Duration::from_millis(LEASE_MS);
        sleep(lease + Duration::from_millis(self.random.random_range(0..500))).await;
        let (death, head_start) = (self.death("resume"), self.instant());
        let release = async {
            sleep(head_start).await;
            held.signal(Signal::SIGCONT);
            Ok(())
        };
        let (ended, ()) = tokio::try_join!(self.program.exec("resume", death), release)?;
        self.note(&ended, death).await;
        let place = if in_switch { " in a switch" } else { "" };
        self.counters.name(format!("held{place} until taken for dead, and let go"));
        let ended = match held.end(LET_GO_WITHIN).await {
            Ok(ended) => ended,
            Err(_) => {
                held.signal(Signal::SIGKILL);
                held.end(DIES_AT_ONCE).await?
            }
        };
        self.note(&ended, Death::After(lease)).await;
        self.unfinished = Some("resume".into());
        Ok(())
    }

    async fn choose(&mut self) -> Option<String> {
        if let Some(unfinished) = self.unfinished.take() {
            // Mostly as documented; but repeating the same command must be harmless, too.
            return Some(if self.random.random_ratio(4, 5) { "resume".into() } else { unfinished });
        }
        let kills_done = self.counters.kills.load(Relaxed) as f64 / self.kills_wanted.max(1) as f64;
        // The orgs of the first site are small, and Mover passes more places in the same time.
        let site = self.sites.choose_weighted(&mut self.random, |site| site.weight).ok()?;
        let (migration, workers) = (site.migration, self.random.random_range(1..=4));
        // The server may go down between two statements; the next step will see.
        let states = States::read(&self.servers.state_url(), migration).await.ok()?;
        let (ready, migrated) = (states.of("ready").len(), states.of("migrated").len());
        let back = [states.of("rolled_back"), states.of("failed")].concat();
        let finalized = states.of("finalized").len();
        let may_finalize = migrated > 0 && finalized < (site.finalized_max() as f64 * kills_done) as usize;
        let forward = ready > 0 && (migrated == 0 || self.random.random());
        Some(match () {
            () if states.in_flight() > 0 => "resume".into(),
            () if !states.of("holding").is_empty() => format!("orgs ready {migration} all"),
            () if states.known() - finalized < site.at_once && states.known() < site.orgs.len() => {
                format!("orgs add {} {migration}", site.orgs[states.known()])
            }
            () if may_finalize && self.random.random_ratio(1, 3) => format!("finalize {migration} 1"),
            () if !back.is_empty() && self.random.random_ratio(2, 3) => format!("retry {migration} {}", back.join(",")),
            () if forward => format!("migrate {migration} all workers={workers}"),
            () if migrated > 0 => {
                let which = *["all", "all", "1", "50%"].choose(&mut self.random)?;
                format!("rollback {migration} {which} workers={workers}")
            }
            () => format!("retry {migration} {}", back.join(",")),
        })
    }

    async fn note(&mut self, ended: &Ended, death: Death) {
        if ended.said.contains("panicked at") {
            self.evidence.add(format!("a panic: {}", ended.tail()));
        }
        if ended.was_killed() {
            self.counters.add(&self.counters.kills);
            self.counters.name(match death {
                Death::At(place) => format!("killed at {place}"),
                Death::After(_) | Death::Natural => "killed at an instant".into(),
            });
            let command = ended.command.trim_start_matches("exec ");
            self.unfinished = Some(command.into());
        } else if ended.code() == Some(0) {
            if is_campaign(ended.command.trim_start_matches("exec ")) {
                self.campaign = (self.campaign * 7 + ended.took) / 8;
            }
        } else {
            let first_word = ended.command.trim_start_matches("exec ").split(' ').next().unwrap_or_default();
            self.counters.name(format!("`{first_word}` ended with an error"));
            // A server may be down; an operator does not retry at once either.
            sleep(AFTER_AN_ERROR).await;
        }
    }

    /// Lets Mover finish what it began, undisturbed. Returns its output if it could not.
    pub(crate) async fn finish(&mut self) -> io::Result<Result<(), String>> {
        self.unfinished = None;
        let mut said = String::new();
        // An org that cannot be finished fails, and is at rest then.
        for _ in 0..5 {
            let ended = self.program.exec("resume", Death::Natural).await?;
            match self.in_flight().await {
                Ok(0) => return Ok(Ok(())),
                Ok(in_flight) => said = format!("{in_flight} orgs are still in flight after {}", ended.tail()),
                Err(error) => said = error.to_string(),
            }
        }
        Ok(Err(said))
    }

    async fn in_flight(&self) -> Result<usize, Error> {
        let mut in_flight = 0;
        for site in &self.sites {
            in_flight += States::read(&self.servers.state_url(), site.migration).await?.in_flight();
        }
        Ok(in_flight)
    }
}

/// Whether a command moves orgs.
fn is_campaign(command: &str) -> bool {
    ["migrate", "rollback", "finalize", "resume"].iter().any(|verb| command.starts_with(verb))
}
