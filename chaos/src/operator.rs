//! Starts Mover, with this and that, and kills it: at a random instant, or at a named place in the program.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mover_actors::failpoint;
use rand::seq::IndexedRandom;
use rand::{RngExt, rngs::StdRng};
use tokio::time::sleep;
use tokio_postgres::Error;

use crate::counters::Counters;
use crate::postgres::connect_patiently;
use crate::program::{Death, Ended, Program};

/// How long a campaign takes, as long as none has come to its end.
const CAMPAIGN: Duration = Duration::from_millis(1_500);

const AFTER_AN_ERROR: Duration = Duration::from_millis(150);

pub(crate) struct Operator {
    pub(crate) program: Arc<Program>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) state_url: String,
    pub(crate) migrations: Vec<&'static str>,
    pub(crate) random: StdRng,
    /// How long a campaign takes that is let be, so that random instants fall into it.
    campaign: Duration,
    /// Whether the last process may have left something undone.
    unfinished: Option<String>,
}

/// How many orgs of a migration are in each state, the orgs that can be named told by name.
#[derive(Debug, Default)]
pub(crate) struct States {
    pub(crate) by_state: BTreeMap<String, Vec<String>>,
}

impl States {
    fn of(&self, state: &str) -> &[String] {
        self.by_state.get(state).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.of("started").len()
    }
}

impl Operator {
    pub(crate) fn new(
        program: Arc<Program>,
        counters: Arc<Counters>,
        state_url: String,
        migrations: Vec<&'static str>,
        random: StdRng,
    ) -> Self {
        Self { program, counters, state_url, migrations, random, campaign: CAMPAIGN, unfinished: None }
    }

    pub(crate) async fn states(&self, migration: &str) -> Result<States, Error> {
        let log = connect_patiently(&self.state_url).await?;
        let sql = "SELECT state, org_name FROM mover.org_migration_state WHERE migration = $1 ORDER BY id";
        let mut states = States::default();
        for row in log.query(sql, &[&migration]).await? {
            states.by_state.entry(row.get(0)).or_default().push(row.get(1));
        }
        Ok(states)
    }

    /// One command, which may be killed.
    pub(crate) async fn step(&mut self) -> io::Result<()> {
        let Some(command) = self.choose().await else { return Ok(()) };
        let death = self.death(&command);
        let ended = self.program.exec(&command, death).await?;
        self.note(&ended, death).await;
        Ok(())
    }

    async fn choose(&mut self) -> Option<String> {
        if let Some(unfinished) = self.unfinished.take() {
            // Mostly by the book; but the same once more must do no harm either.
            return Some(if self.random.random_ratio(4, 5) { "resume".into() } else { unfinished });
        }
        let migration = *self.migrations.choose(&mut self.random)?;
        // The server may go away between two statements; then the next step sees.
        let states = self.states(migration).await.ok()?;
        let (ready, migrated) = (states.of("ready").len(), states.of("migrated").len());
        let back = [states.of("rolled_back"), states.of("failed")].concat();
        let workers = self.random.random_range(1..=4);
        let forward = ready > 0 && (migrated == 0 || self.random.random());
        Some(match () {
            () if states.in_flight() > 0 => "resume".into(),
            () if !back.is_empty() && self.random.random_ratio(2, 3) => format!("retry {migration} {}", back.join(",")),
            () if forward => format!("migrate {migration} all workers={workers}"),
            () if migrated > 0 => {
                let which = *["all", "all", "1", "50%"].choose(&mut self.random)?;
                format!("rollback {migration} {which} workers={workers}")
            }
            () => format!("retry {migration} {}", back.join(",")),
        })
    }

    fn death(&mut self, command: &str) -> Death {
        if command.starts_with("retry") && self.random.random_ratio(9, 10) {
            return Death::Natural;
        }
        match self.random.random_range(0..100) {
            0..45 => failpoint::ALL.choose(&mut self.random).map_or(Death::Natural, |place| Death::At(place)),
            45..90 => Death::After(self.campaign.mul_f64(self.random.random_range(0.02..1.1))),
            _ => Death::Natural,
        }
    }

    async fn note(&mut self, ended: &Ended, death: Death) {
        let is_campaign = !ended.command.contains("retry");
        if ended.was_killed() {
            self.counters.add(&self.counters.kills);
            self.counters.name(match death {
                Death::At(place) => format!("killed at {place}"),
                Death::After(_) | Death::Natural => "killed at an instant".into(),
            });
            let command = ended.command.trim_start_matches("exec ");
            self.unfinished = Some(command.into());
        } else if ended.code() == Some(0) {
            if is_campaign {
                self.campaign = (self.campaign * 7 + ended.took) / 8;
            }
        } else {
            self.counters.name(format!("`{}` ended with an error", first_word(ended)));
            // A server may be away; somebody who types does not hammer either.
            sleep(AFTER_AN_ERROR).await;
        }
    }

    /// Lets Mover finish what it began, undisturbed. Answers with what it said if it could not.
    pub(crate) async fn finish(&mut self) -> io::Result<Result<(), String>> {
        self.unfinished = None;
        let mut said = String::new();
        // An org that cannot be finished fails, and is at rest then.
        for _ in 0..5 {
            let ended = self.program.exec("resume", Death::Natural).await?;
            let mut in_flight = 0;
            for migration in &self.migrations {
                in_flight += self.states(migration).await.map_or(1, |states| states.in_flight());
            }
            if in_flight == 0 {
                return Ok(Ok(()));
            }
            said = format!("{in_flight} orgs are still in flight after {}", ended.tail());
        }
        Ok(Err(said))
    }
}

fn first_word(ended: &Ended) -> &str {
    ended.command.trim_start_matches("exec ").split(' ').next().unwrap_or_default()
}
