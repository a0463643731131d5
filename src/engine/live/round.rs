//! One round of catching up: what has been logged by a snapshot is brought over, compared and forgotten.

use mover_actors::failpoint;
use mover_actors::ports::{CaughtUp, EngineError};
use tokio_postgres::error::SqlState;

use super::super::cohort::Cohort;
use super::super::connection::Session;
use super::super::error::Doing;
use super::super::pipeline::send;
use super::apply::apply;
use super::guard_row::{self, Standing};
use super::keys::Keys;
use super::log::{self, Reading, SNAPSHOT};
use super::plan::LivePlan;
use super::work::Prove;

const LOCK_ROW: &str = include_str!("sql/lock_row.sql");

/// The two sessions of a round, and for which orgs it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round<'a> {
    pub(super) live: &'a LivePlan,
    pub(super) cohort: &'a Cohort,
    /// On the store that the orgs leave.
    pub(super) from: &'a Session,
    /// On the store that receives them.
    pub(super) to: &'a Session,
}

impl Round<'_> {
    /// A whole round.
    pub(super) async fn run(self) -> Result<CaughtUp, EngineError> {
        self.hold("BEGIN").await?;
        let reading = self.read().await?;
        let snapshot = reading.snapshot.clone();
        let mut keys = reading.keys(self.live);
        if keys.is_empty() {
            self.end_snapshot().await?;
            // Refused from now on is whoever is older: that is worth a commit only once.
            self.commit().await?;
            return Ok(CaughtUp::default());
        }
        let keys = self.carry_over(&mut keys).await?;
        let left = log::forget(self.live, self.from, self.cohort, &snapshot).await?;
        failpoint::hit("catch_up.forgotten");
        Ok(CaughtUp { keys, left })
    }

    /// Begins the transaction on the receiving store with `begin`, and locks the orgs' guard rows there. Only then may the snapshot be
    /// taken: two that carry over at once would undo each other.
    pub(super) async fn hold(self, begin: &str) -> Result<(), EngineError> {
        let doing = self.writing();
        let failed = |error| doing.failed(error);
        self.to.prepared(LOCK_ROW).await.map_err(failed)?;
        let begun = send(self.to.batch_execute(begin)).await;
        let found = guard_row::read(self.to, LOCK_ROW, self.cohort, doing).await?;
        begun.answer().await.map_err(failed)?;
        Standing::all_must_be(&found, guard_row::before_arrival(self.live.way), self.cohort, doing)
    }

    /// Takes the snapshot, which stays open, and reads the log.
    pub(super) async fn read(self) -> Result<Reading, EngineError> {
        let reading = log::read(self.live, self.from, self.cohort, SNAPSHOT).await?;
        failpoint::hit("catch_up.read");
        Ok(reading)
    }

    /// Brings over the rows with these keys, and ends both transactions. Answers how many keys that were.
    pub(super) async fn carry_over(self, keys: &mut Keys) -> Result<i64, EngineError> {
        let applied = apply(self.live, self.from, self.to, self.cohort, keys, Prove::ForeignKeys).await;
        // Of a cohort the org is looked for first: what it lets go must not wait for what others take.
        let is_single = self.cohort.single().is_some();
        applied.map_err(|error| if is_single { may_pass(error) } else { error })?;
        let snapshot = send(self.from.batch_execute("COMMIT")).await;
        self.commit().await?;
        snapshot.answer().await.map_err(|error| self.reading().failed(error))?;
        Ok(keys.count())
    }

    pub(super) async fn end_snapshot(self) -> Result<(), EngineError> {
        self.from.batch_execute("COMMIT").await.map_err(|error| self.reading().failed(error))
    }

    async fn commit(self) -> Result<(), EngineError> {
        let doing = self.writing();
        guard_row::raise(self.to, self.cohort, doing).await?;
        failpoint::hit("catch_up.before_commit");
        self.to.batch_execute("COMMIT").await.map_err(|error| doing.failed(error))?;
        failpoint::hit("catch_up.committed");
        Ok(())
    }

    fn reading(&self) -> Doing<'_> {
        Doing::new(&self.live.plan.source, "reading what was written")
    }

    pub(super) fn writing(&self) -> Doing<'_> {
        Doing::new(&self.live.plan.target, "carrying over what was written")
    }
}

/// A row that went from one org to another, both of which are being moved, is in the way until the other has let it go.
fn may_pass(error: EngineError) -> EngineError {
    const TAKEN: [SqlState; 2] = [SqlState::UNIQUE_VIOLATION, SqlState::EXCLUSION_VIOLATION];
    let is_taken = TAKEN.iter().any(|code| error.reason.ends_with(&format!("[{}]", code.code())));
    EngineError { transient: error.transient || is_taken, ..error }
}
