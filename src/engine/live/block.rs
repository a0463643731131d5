//! The switch: writers wait, what they wrote last is brought over, and the orgs live in the other store.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::try_join;
use mover_actors::domain::record::Lease;
use mover_actors::failpoint;
use mover_actors::ports::{CaughtUp, EngineError, WriteBlock};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::error::SqlState;

use super::super::cohort::Cohort;
use super::super::connection::Session;
use super::super::error::Doing;
use super::super::pipeline::send;
use super::super::store::Store;
use super::limits::LiveLimits;
use super::lock::{self, Hold, Patience};
use super::plan::LivePlan;
use super::prove::Proven;
use super::round::Round;
use super::{guard_row, log, work};

const MOVED: &str = include_str!("sql/moved.sql");
const LOCK_ROW: &str = include_str!("sql/lock_row.sql");
const RAISE: &str = include_str!("sql/raise.sql");
const RECEIVE: &str = include_str!("sql/receive.sql");
const RANGES_REMOVE: &str = include_str!("sql/ranges_remove.sql");

/// Before writers wait, so few keys should be left to carry over.
const KEYS_LEFT_MAX: i64 = 50;
/// An org that is written all the time would never have so few.
const ROUNDS_MAX: usize = 10;

/// The locks of all these orgs are held. Dropped, the connection is closed, and with it the locks are gone.
pub(super) struct Block {
    live: Arc<LivePlan>,
    cohort: Cohort,
    proof: Proven,
    /// Holds the locks.
    from: Session,
    to: Session,
    /// When the locks were asked for.
    since: SystemTime,
    /// Until then writers may wait.
    deadline: Instant,
    bound: Duration,
    /// Whether the sessions are at rest, so that they can be used again.
    is_at_rest: bool,
    /// Whether the transaction in the receiving store is still open that has held the guard rows since the last round.
    is_receiving: bool,
    /// For the connections.
    _turn: OwnedSemaphorePermit,
}

/// Makes everything ready, catches up, and takes the locks. For one org that is tried within the budget; of several those are left
/// out whose lock is not free. `None` if no lock is.
pub(super) async fn block(
    live: Arc<LivePlan>,
    (source, target): (&Store, &Store),
    cohort: Cohort,
    proof: Proven,
    turn: OwnedSemaphorePermit,
    (bound, limits): (Duration, LiveLimits),
) -> Result<Option<Block>, EngineError> {
    let (from, to) = try_join!(source.session(), target.session())?;
    // Statements of a plan that is outdated could not be prepared. This one costs little when writers wait, once it was run.
    proof.must_stand(&live, &cohort, &from, &to).await?;
    prepare(&live, &from, &to, &cohort).await?;
    let impatient = format!("SET lock_timeout = {}", limits.lock_timeout.as_millis().max(1));
    for (session, store) in [(&from, &live.plan.source), (&to, &live.plan.target)] {
        let failed = |error| Doing::new(store, "making ready for the switch").failed(error);
        session.batch_execute(&impatient).await.map_err(failed)?;
    }
    let round = Round { live: &live, cohort: &cohort, from: &from, to: &to };
    let waiting = Doing::new(&live.plan.source, "waiting for the lock that keeps writers out");
    let mut patience = Patience::new(limits);
    let (since, deadline, held) = loop {
        for _ in 0..ROUNDS_MAX {
            if round.run().await?.keys <= KEYS_LEFT_MAX {
                break;
            }
        }
        let (since, deadline) = (SystemTime::now(), Instant::now() + bound);
        let hold = Hold { wait: limits.lock_timeout.min(bound), idle: idle_max(bound) };
        let Some(lease) = cohort.single() else {
            let free = lock::lock_free(&from, &cohort, hold, waiting).await?;
            break (since, deadline, cohort.only(|lease| free.contains(lease.key.as_str())));
        };
        if lock::try_lock(&from, lease, hold, waiting).await? {
            break (since, deadline, Some(cohort));
        }
        patience.again(&from, lease, waiting).await?;
    };
    let Some(cohort) = held else {
        for (session, store) in [(from, &live.plan.source), (to, &live.plan.target)] {
            lock::patient_again(&session, Doing::new(store, "leaving the switch to later")).await?;
            session.release();
        }
        return Ok(None);
    };
    failpoint::hit("lock.held");
    Ok(Some(Block {
        live,
        cohort,
        proof,
        from,
        to,
        since,
        deadline,
        bound,
        is_at_rest: true,
        is_receiving: false,
        _turn: turn,
    }))
}

/// The last round, two commits and the flags may each take as long as the bound. If we hang, the stores end our sessions.
fn idle_max(bound: Duration) -> Duration {
    bound * 4
}

/// No statement is prepared while writers wait.
async fn prepare(live: &LivePlan, from: &Session, to: &Session, cohort: &Cohort) -> Result<(), EngineError> {
    let leaving = Doing::new(&live.plan.source, "making ready for the switch");
    let receiving = Doing::new(&live.plan.target, "making ready for the switch");
    let on_leaving = async {
        let statements = log::STATEMENTS.into_iter().chain([MOVED]).map(|sql| from.prepared(sql));
        futures_util::future::try_join_all(statements).await.map_err(|error| leaving.failed(error))?;
        lock::prepare(from, leaving).await
    };
    let on_receiving = async {
        let statements = [LOCK_ROW, RAISE, RECEIVE, RANGES_REMOVE].map(|sql| to.prepared(sql));
        futures_util::future::try_join_all(statements).await.map(drop).map_err(|error| receiving.failed(error))
    };
    try_join!(on_leaving, on_receiving, work::rehearse(live, from, to, cohort)).map(drop)
}

#[async_trait]
impl WriteBlock for Block {
    async fn leave(&mut self) -> Result<CaughtUp, EngineError> {
        self.is_at_rest = false;
        let round = Round { live: &self.live, cohort: &self.cohort, from: &self.from, to: &self.to };
        let last = timeout_at(self.deadline, last_round(round, &self.proof, idle_max(self.bound))).await;
        let last = last.map_err(|_| self.too_long())??;
        self.until_commits_end(self.move_away(&last)).await?;
        self.proof.has_served(&self.cohort);
        self.is_receiving = last.is_open;
        Ok(CaughtUp { keys: last.keys, left: 0 })
    }

    async fn arrive(&mut self) -> Result<(), EngineError> {
        self.until_commits_end(self.receive()).await?;
        self.is_at_rest = true;
        Ok(())
    }

    fn since(&self) -> SystemTime {
        self.since
    }

    async fn release(self: Box<Self>) -> Result<SystemTime, EngineError> {
        if !self.is_at_rest {
            // Closing the connection releases the lock.
            return Ok(SystemTime::now());
        }
        lock::unlock(&self.from, &self.cohort, Doing::new(&self.live.plan.source, "letting writers go on")).await?;
        let released_at = SystemTime::now();
        failpoint::hit("lock.released");
        lock::patient_again(&self.from, Doing::new(&self.live.plan.source, "letting writers go on")).await?;
        let doing = Doing::new(&self.live.plan.target, "forgetting how the org was copied");
        lock::patient_again(&self.to, doing).await?;
        remove_ranges(&self.to, &self.cohort, doing).await?;
        let Self { from, to, .. } = *self;
        from.release();
        to.release();
        Ok(released_at)
    }
}

/// What the last round found.
struct Last {
    keys: i64,
    snapshot: String,
    /// Whether both transactions are still open, because nothing was carried over.
    is_open: bool,
}

/// With all writers waiting one snapshot sees everything.
async fn last_round(round: Round<'_>, proof: &Proven, idle_max: Duration) -> Result<Last, EngineError> {
    let idle_max_ms = idle_max.as_millis();
    round.hold(&format!("BEGIN; SET LOCAL idle_in_transaction_session_timeout = {idle_max_ms}")).await?;
    // Sent together: what the proof says is looked at in the same snapshot.
    let stands = proof.must_stand(round.live, round.cohort, round.from, round.to);
    let (reading, ()) = try_join!(round.read(), stands)?;
    let snapshot = reading.snapshot.clone();
    let mut keys = reading.keys(round.live);
    let is_open = keys.is_empty();
    let keys = if is_open { 0 } else { round.carry_over(&mut keys).await? };
    Ok(Last { keys, snapshot, is_open })
}

impl Block {
    /// Whether the org's writers wait for this.
    pub(super) fn holds(&self, lease: &Lease) -> bool {
        self.cohort.lease(lease.key.as_str()).is_some()
    }

    /// The point of no return.
    async fn move_away(&self, last: &Last) -> Result<(), EngineError> {
        let doing = Doing::new(&self.live.plan.source, "moving the org away");
        let failed = |error| doing.failed(error);
        failpoint::hit("moved.before_commit");
        let statement = self.from.prepared(MOVED).await.map_err(failed)?;
        let ended = match last.is_open {
            true => Some(send(self.from.batch_execute("COMMIT")).await),
            false => None,
        };
        let [migration, keys, epochs] = self.cohort.parameters();
        let parameters = [migration, keys, epochs, &last.snapshot];
        let moved = send(self.from.query_one(&statement, &parameters)).await;
        if let Some(ended) = ended {
            ended.answer().await.map_err(failed)?;
        }
        match moved.answer().await {
            Ok(_) => {
                failpoint::hit("moved.committed");
                Ok(())
            }
            Err(error) if error.code() == Some(&SqlState::DIVISION_BY_ZERO) => Err(self.not_moved(doing).await?),
            Err(error) => Err(failed(error)),
        }
    }

    /// Why the orgs were not moved away.
    async fn not_moved(&self, doing: Doing<'_>) -> Result<EngineError, EngineError> {
        let found = guard_row::read(&self.from, guard_row::READ, &self.cohort, doing).await?;
        for lease in self.cohort.leases() {
            let is_ours = |found: &guard_row::Standing| found.mode == "capturing" && found.epoch == lease.epoch;
            if !found.get(lease.key.as_str()).is_some_and(is_ours) {
                return guard_row::why_refused(&self.from, lease, doing).await;
            }
        }
        Ok(doing.refused("something was logged although all writers wait: a trigger does not take the lock"))
    }

    /// The orgs live in the other store.
    async fn receive(&self) -> Result<(), EngineError> {
        let doing = Doing::new(&self.live.plan.target, "making the org live here");
        // The commit ends the transaction that has held the row all the time, if there was nothing to carry over.
        if !self.is_receiving {
            self.to.batch_execute("BEGIN").await.map_err(|error| doing.failed(error))?;
        }
        guard_row::receive(&self.to, &self.cohort, self.live.way, doing).await?;
        self.to.batch_execute("COMMIT").await.map_err(|error| doing.failed(error))?;
        failpoint::hit("capturing.committed");
        Ok(())
    }

    /// Two commits are left. If a store hangs in one, writers are not kept waiting for it.
    async fn until_commits_end(
        &self,
        commit: impl Future<Output = Result<(), EngineError>>,
    ) -> Result<(), EngineError> {
        timeout_at(self.deadline + self.bound, commit).await.map_err(|_| self.too_long())?
    }

    fn too_long(&self) -> EngineError {
        let doing = Doing::new(&self.live.plan.source, "bringing over what was written last");
        let problem = format!(
            "it took longer than writers may wait ({:?}); they go on now, and the switch is tried again",
            self.bound
        );
        EngineError { transient: true, ..doing.refused(problem) }
    }
}

/// The copy is no copy any more.
pub(super) async fn remove_ranges(session: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(RANGES_REMOVE).await.map_err(failed)?;
    session.execute(&statement, &cohort.names()).await.map(drop).map_err(failed)
}
