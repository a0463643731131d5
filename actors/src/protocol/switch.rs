//! The switch: writers wait, their last writes are carried over, and the orgs live in the other store.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::try_join;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::domain::record::Lease;
use crate::failpoint;
use crate::ports::{CaughtUp, EngineError, WriteBlock};

use super::cohort::Cohort;
use super::doing::Doing;
use super::limits::LiveLimits;
use super::patience::Patience;
use super::proofs::{Proofs, What};
use super::round::{Round, keys_of};
use super::route::LiveRoute;
use super::store::{Hold, LeavingSession, ReceivingSession, Seen};
use super::turns::{Blocking, Turns};

/// No more keys than this should be left when writers begin to wait.
const KEYS_LEFT_MAX: i64 = 50;
/// An org that is written all the time never gets there.
const ROUNDS_MAX: usize = 10;

/// The requests, one after the other, that a switch sends to each store from the lock until it asks for the commit of `moved`: so
/// many round trips writers wait at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundTrips {
    /// To the store that the org leaves.
    pub leaving: u32,
    /// To the store that it goes to.
    pub receiving: u32,
}

impl RoundTrips {
    /// Nothing was written since the last round: the lock and the log in the one store, the guard row in the other.
    pub const QUIET: Self = Self { leaving: 2, receiving: 1 };
    /// A row of one table was written: it is read in the one store; in the other its predecessor is removed, the row is written
    /// (begun and ended), counted and proven, and both the epoch and the transaction are committed.
    pub const WRITTEN: Self = Self { leaving: 3, receiving: 7 };

    /// How long they take.
    pub fn take(self, leaving: Duration, receiving: Duration) -> Duration {
        leaving * self.leaving + receiving * self.receiving
    }
}

/// The locks of all these orgs are held. When it is dropped, the sessions end, and with them the locks.
pub(super) struct Block {
    route: LiveRoute,
    cohort: Cohort,
    proofs: Arc<Proofs>,
    /// Holds the locks.
    from: Box<dyn LeavingSession>,
    to: Box<dyn ReceivingSession>,
    /// When the locks were requested.
    since: SystemTime,
    /// Writers may wait until then.
    deadline: Instant,
    bound: Duration,
    /// Whether the sessions are idle, so that they can be used again.
    is_at_rest: bool,
    /// Whether the transaction in the receiving store that has locked the guard rows since the last round is still open.
    is_receiving: bool,
    /// Lets other work of the process wait.
    blocking: Blocking,
    /// The turn for the connections.
    _turn: OwnedSemaphorePermit,
}

/// Prepares everything, catches up, and takes the locks: for one org within the budget; of several orgs it leaves out those
/// whose lock is not free. `None` if no lock is.
pub(super) async fn block(
    route: LiveRoute,
    cohort: Cohort,
    proofs: Arc<Proofs>,
    (turns, turn): (&Turns, OwnedSemaphorePermit),
    (bound, limits): (Duration, LiveLimits),
) -> Result<Option<Block>, EngineError> {
    let (from, to) = try_join!(route.leaving.session(), route.receiving.session())?;
    let round = Round { route: &route, cohort: &cohort, from: &*from, to: &*to };
    // Statements of an outdated plan could not be prepared. Once this check was run, it costs little while writers wait.
    must_stand(round, &proofs).await?;
    try_join!(from.rehearse(&cohort, limits.lock_timeout), to.rehearse(&cohort, limits.lock_timeout))?;
    let hold = Hold { wait: limits.lock_timeout.min(bound), idle: idle_max(bound) };
    let mut patience = Patience::new(limits.lock_budget);
    let (since, deadline, blocking, held) = loop {
        for _ in 0..ROUNDS_MAX {
            if round.run().await?.keys <= KEYS_LEFT_MAX {
                break;
            }
        }
        let (since, deadline, blocking) = (SystemTime::now(), Instant::now() + bound, turns.blocking());
        let Some(lease) = cohort.single() else {
            let free = from.lock_free(&cohort, hold).await?;
            break (since, deadline, blocking, cohort.only(|lease| free.contains(&lease.key)));
        };
        if from.try_lock(lease, hold).await? {
            break (since, deadline, blocking, Some(cohort.clone()));
        }
        if patience.is_over() {
            return Err(from.lock_refusal(lease, patience.budget()).await?);
        }
        patience.pause(&lease.key).await;
    };
    let Some(cohort) = held else {
        try_join!(from.reset_timeouts(), to.reset_timeouts())?;
        from.release();
        to.release();
        return Ok(None);
    };
    failpoint::hit("lock.held");
    Ok(Some(Block {
        route,
        cohort,
        proofs,
        from,
        to,
        since,
        deadline,
        bound,
        is_at_rest: true,
        is_receiving: false,
        blocking,
        _turn: turn,
    }))
}

/// The last round, two commits and the flags may each take as long as the bound. If Mover hangs, the stores end its sessions.
fn idle_max(bound: Duration) -> Duration {
    bound * 4
}

/// Refuses, with a transient fault, if a schema was changed or a store was restarted since the comparison: writers continue,
/// and the next try compares again.
async fn must_stand(round: Round<'_>, proofs: &Proofs) -> Result<(), EngineError> {
    let Round { route, cohort, from, to } = round;
    let (leaving, receiving) = route.basis.glances(route.way);
    let (here, there) = try_join!(from.glance(), to.glance())?;
    if here == *leaving && there == *receiving {
        return Ok(());
    }
    cohort.leases().iter().for_each(|lease| proofs.breaks(lease, What::Compared(route.way)));
    let doing = Doing::new(route.leaving.store(), "looking whether both stores are as they were compared");
    Err(doing
        .not_now("a schema was changed or a store was started again since the org was compared; it is compared again"))
}

#[async_trait]
impl WriteBlock for Block {
    async fn leave(&mut self) -> Result<CaughtUp, EngineError> {
        self.is_at_rest = false;
        let last = timeout_at(self.deadline, self.last_round()).await.map_err(|_| self.too_long())??;
        let moved = self.from.move_away(&self.cohort, &last.seen, last.is_open);
        failpoint::hit("moved.before_commit");
        self.until_commits_end(moved).await?;
        failpoint::hit("moved.committed");
        let served = [What::Compared(self.route.way)];
        self.cohort.leases().iter().for_each(|lease| self.proofs.forget(lease, &served));
        self.proofs.streams.forget(&self.cohort);
        self.is_receiving = last.is_open;
        Ok(CaughtUp { keys: last.keys, left: 0 })
    }

    async fn arrive(&mut self) -> Result<(), EngineError> {
        let received = async {
            // If there was nothing to carry over, the commit ends the transaction that has held the guard rows all the time.
            self.to.receive(&self.cohort, self.route.way, self.is_receiving).await?;
            self.to.commit().await
        };
        self.until_commits_end(received).await?;
        failpoint::hit("capturing.committed");
        self.is_at_rest = true;
        Ok(())
    }

    fn since(&self) -> SystemTime {
        self.since
    }

    async fn release(self: Box<Self>) -> Result<SystemTime, EngineError> {
        if !self.is_at_rest {
            // The end of the session releases the lock.
            return Ok(SystemTime::now());
        }
        self.from.unlock(&self.cohort).await?;
        let released_at = SystemTime::now();
        drop(self.blocking);
        failpoint::hit("lock.released");
        try_join!(self.from.reset_timeouts(), self.to.reset_timeouts())?;
        self.to.forget_pieces(&self.cohort).await?;
        let Self { from, to, .. } = *self;
        from.release();
        to.release();
        Ok(released_at)
    }
}

/// The result of the last round.
struct Last {
    keys: i64,
    seen: Seen,
    /// Whether both transactions are still open, because nothing was carried over.
    is_open: bool,
}

impl Block {
    /// Whether the org's writers wait for this.
    pub(super) fn holds(&self, lease: &Lease) -> bool {
        self.cohort.lease(lease.key.as_str()).is_some()
    }

    /// With all writers waiting one snapshot sees everything.
    async fn last_round(&self) -> Result<Last, EngineError> {
        let round = Round { route: &self.route, cohort: &self.cohort, from: &*self.from, to: &*self.to };
        round.hold(Some(idle_max(self.bound))).await?;
        // Sent together: the proof is checked in the same snapshot.
        let (logged, ()) = try_join!(round.log(), must_stand(round, &self.proofs))?;
        let seen = logged.seen.clone();
        let mut keys = keys_of(&self.route, logged);
        let is_open = keys.is_empty();
        let keys = if is_open { 0 } else { round.carry_over(&mut keys).await? };
        Ok(Last { keys, seen, is_open })
    }

    /// Two commits are left. If a store hangs in one, writers do not wait for it.
    async fn until_commits_end(
        &self,
        commit: impl Future<Output = Result<(), EngineError>>,
    ) -> Result<(), EngineError> {
        timeout_at(self.deadline + self.bound, commit).await.map_err(|_| self.too_long())?
    }

    fn too_long(&self) -> EngineError {
        Doing::new(self.route.leaving.store(), "bringing over what was written last").not_now(format!(
            "it took longer than writers may wait ({:?}); they go on now, and the switch is tried again",
            self.bound
        ))
    }
}
