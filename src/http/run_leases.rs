//! The leases of remote clients on runbook runs. One client at a time has the lease of a run: only its journal entries and
//! commands are accepted. A client without heartbeats loses the lease, so a dead client does not block others.
//!
//! Behind each lease is the lock that `mover run` takes locally, so no two processes can run the same runbook. It is released
//! when the lease has ended and none of its commands is running.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard};

use crate::state::{PgMoveLog, Run, RunLock};

use super::access::{Caller, hash};
use super::problem::Problem;

/// The most leases at once; each has a connection to the move log.
const RUN_LEASES_MAX: usize = 32;

/// All leases.
pub(super) struct RunLeases {
    lease: Duration,
    held: Arc<Mutex<HashMap<i64, Arc<RunLease>>>>,
    taking: Mutex<()>,
}

/// The lease of one client on one run.
pub(super) struct RunLease {
    secret: String,
    by: String,
    lease: Duration,
    lock: Arc<RunLock>,
    heard: std::sync::Mutex<Instant>,
    given: Mutex<HashMap<String, i64>>,
}

impl RunLease {
    /// The lock. A clone keeps others out while a command is carried out, whatever happens to the lease.
    pub(super) fn lock(&self) -> Arc<RunLock> {
        Arc::clone(&self.lock)
    }

    /// The commands given under it, by the keys of their requests. While the guard lives, no other command is given.
    pub(super) async fn given(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.given.lock().await
    }

    fn is_of(&self, secret: &str, caller: &Caller) -> bool {
        self.secret == secret && self.by == caller.name
    }

    fn is_over(&self) -> bool {
        self.left().is_none() || self.lock.is_lost()
    }

    /// The remaining time.
    fn left(&self) -> Option<Duration> {
        self.lease.checked_sub(self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed())
    }

    fn renew(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl RunLeases {
    /// A client without a heartbeat for `lease` counts as dead.
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, held: Arc::default(), taking: Mutex::default() }
    }

    /// See [`RunLeases::new`].
    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    /// Locks a runbook before it has a run; pass the lock to `keep`.
    pub(super) async fn lock(&self, log: &PgMoveLog, title: &str) -> Result<RunLock, Problem> {
        let mut holds = self.held.lock().await;
        holds.retain(|_, hold| !hold.is_over());
        if holds.len() >= RUN_LEASES_MAX {
            return Err(Problem::unavailable("too many runbooks are run at once"));
        }
        drop(holds);
        log.lock_runbook(title).await?.ok_or_else(|| Problem::run_busy(title, None))
    }

    /// Takes a run whose runbook is locked. The secret is the client's own, so that a repeated request is harmless.
    pub(super) async fn keep(&self, run: i64, lock: RunLock, secret: &str, caller: &Caller) {
        let hold = Arc::new(RunLease {
            secret: secret.to_owned(),
            by: caller.name.clone(),
            lease: self.lease,
            lock: Arc::new(lock),
            heard: std::sync::Mutex::new(Instant::now()),
            given: Mutex::default(),
        });
        tokio::spawn(end_in_time(Arc::downgrade(&self.held), Arc::downgrade(&hold), run));
        self.held.lock().await.insert(run, hold);
    }

    /// Takes the lease on an earlier run, or renews it. `again`: only if no other client had it since.
    pub(super) async fn take(
        &self,
        log: &PgMoveLog,
        run: &Run,
        secret: &str,
        again: bool,
        caller: &Caller,
    ) -> Result<(), Problem> {
        // Serialized: the same client may send two requests at once.
        let _taking = self.taking.lock().await;
        if self.check(run.id, secret, caller).await.is_ok() {
            return Ok(());
        }
        if let Some(hold) = self.held.lock().await.get(&run.id) {
            return Err(Problem::run_busy(&run.title, Some(&hold.by)));
        }
        let lock = self.lock(log, &run.title).await?;
        if !log.hold_run(run.id, &hash(secret), again).await? {
            return Err(Problem::run_lost(run));
        }
        self.keep(run.id, lock, secret, caller).await;
        Ok(())
    }

    /// Renews and returns the lease of the caller.
    pub(super) async fn check(&self, run: i64, secret: &str, caller: &Caller) -> Result<Arc<RunLease>, Problem> {
        let mut holds = self.held.lock().await;
        holds.retain(|_, hold| !hold.is_over());
        let hold = holds.get(&run).filter(|hold| hold.is_of(secret, caller)).ok_or_else(|| Problem::not_held(run))?;
        hold.renew();
        Ok(Arc::clone(hold))
    }

    /// Releases the lease: others may take the run.
    pub(super) async fn release(&self, run: i64, secret: &str, caller: &Caller) {
        let mut holds = self.held.lock().await;
        if !holds.get(&run).is_some_and(|hold| hold.is_of(secret, caller)) {
            return;
        }
        let Some(hold) = holds.remove(&run) else { return };
        // A command that is being carried out keeps others out until its end.
        if Arc::strong_count(&hold.lock) == 1
            && let Err(error) = hold.lock.unlock().await
        {
            tracing::debug!(%error, run, "the lock goes with its connection");
        }
    }
}

/// Releases a run when its lease has expired: the next client may use another interface.
async fn end_in_time(holds: Weak<Mutex<HashMap<i64, Arc<RunLease>>>>, hold: Weak<RunLease>, run: i64) {
    while let Some(left) = hold.upgrade().map(|hold| hold.left()) {
        if let Some(left) = left {
            tokio::time::sleep(left).await;
            continue;
        }
        let Some(holds) = holds.upgrade() else { return };
        let mut holds = holds.lock().await;
        if holds.get(&run).is_some_and(|held| Weak::ptr_eq(&Arc::downgrade(held), &hold) && held.is_over()) {
            tracing::warn!(
                run,
                "the client of this runbook run sends no heartbeat any more; run --resume continues it"
            );
            holds.remove(&run);
        }
        return;
    }
}
