//! Who runs which runbook from elsewhere. A run is held by one client at a time: only its journal and commands are taken. Whoever is
//! not heard of for a while holds it no longer, so a client that died is in nobody's way.
//!
//! Behind each hold is the lock that `mover run` takes where Mover runs, so here and there nobody can run the same runbook at once. It is let
//! go when the hold is gone and no command that it gave is being carried out any more.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard};

use crate::state::{PgMoveLog, Run, RunLock};

use super::access::{Caller, hash};
use super::problem::Problem;

/// Held at once by everybody together; each has a connection to the move log.
const HOLDS_MAX: usize = 32;

/// Every run that is held.
pub(super) struct Holds {
    lease: Duration,
    held: Arc<Mutex<HashMap<i64, Arc<Hold>>>>,
    taking: Mutex<()>,
}

/// One run, held by one client.
pub(super) struct Hold {
    secret: String,
    by: String,
    lease: Duration,
    lock: Arc<RunLock>,
    heard: std::sync::Mutex<Instant>,
    given: Mutex<HashMap<String, i64>>,
}

impl Hold {
    /// What keeps others out while a command is being carried out, whatever becomes of the hold.
    pub(super) fn lock(&self) -> Arc<RunLock> {
        Arc::clone(&self.lock)
    }

    /// The commands that it has given, by the keys of their requests. While this is looked at, no other is given.
    pub(super) async fn given(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.given.lock().await
    }

    fn is_of(&self, secret: &str, caller: &Caller) -> bool {
        self.secret == secret && self.by == caller.name
    }

    fn is_over(&self) -> bool {
        self.left().is_none() || self.lock.is_lost()
    }

    /// How long it still lasts.
    fn left(&self) -> Option<Duration> {
        self.lease.checked_sub(self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed())
    }

    fn renew(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl Holds {
    /// Whoever is not heard of for so long has died, or cannot reach us.
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, held: Arc::default(), taking: Mutex::default() }
    }

    /// See [`Holds::new`].
    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    /// Takes a runbook before there is a run of it; keep the lock with `keep`.
    pub(super) async fn lock(&self, log: &PgMoveLog, title: &str) -> Result<RunLock, Problem> {
        let mut holds = self.held.lock().await;
        holds.retain(|_, hold| !hold.is_over());
        if holds.len() >= HOLDS_MAX {
            return Err(Problem::unavailable("too many runbooks are run at once"));
        }
        drop(holds);
        log.lock_runbook(title).await?.ok_or_else(|| Problem::run_busy(title, None))
    }

    /// Holds a run whose runbook was locked. The secret is the client's own, so that asking twice is no harm.
    pub(super) async fn keep(&self, run: i64, lock: RunLock, secret: &str, caller: &Caller) {
        let hold = Arc::new(Hold {
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

    /// Holds a run that was begun before, or goes on holding it. `again`: only if nobody else has held it since.
    pub(super) async fn take(
        &self,
        log: &PgMoveLog,
        run: &Run,
        secret: &str,
        again: bool,
        caller: &Caller,
    ) -> Result<(), Problem> {
        // One after the other: the same client may ask twice at once.
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

    /// The hold of whoever asks, which lasts longer now.
    pub(super) async fn check(&self, run: i64, secret: &str, caller: &Caller) -> Result<Arc<Hold>, Problem> {
        let mut holds = self.held.lock().await;
        holds.retain(|_, hold| !hold.is_over());
        let hold = holds.get(&run).filter(|hold| hold.is_of(secret, caller)).ok_or_else(|| Problem::not_held(run))?;
        hold.renew();
        Ok(Arc::clone(hold))
    }

    /// Others may take it.
    pub(super) async fn release(&self, run: i64, secret: &str, caller: &Caller) {
        let mut holds = self.held.lock().await;
        if !holds.get(&run).is_some_and(|hold| hold.is_of(secret, caller)) {
            return;
        }
        let Some(hold) = holds.remove(&run) else { return };
        // A command that is being carried out keeps others out to its end.
        if Arc::strong_count(&hold.lock) == 1
            && let Err(error) = hold.lock.unlock().await
        {
            tracing::debug!(%error, run, "the lock goes with its connection");
        }
    }
}

/// Lets go of a run when its holder was not heard of for too long: whoever wants it may come through another door.
async fn end_in_time(holds: Weak<Mutex<HashMap<i64, Arc<Hold>>>>, hold: Weak<Hold>, run: i64) {
    while let Some(left) = hold.upgrade().map(|hold| hold.left()) {
        if let Some(left) = left {
            tokio::time::sleep(left).await;
            continue;
        }
        let Some(holds) = holds.upgrade() else { return };
        let mut holds = holds.lock().await;
        if holds.get(&run).is_some_and(|held| Weak::ptr_eq(&Arc::downgrade(held), &hold) && held.is_over()) {
            tracing::warn!(run, "whoever ran this runbook is not heard of any more; run --resume goes on");
            holds.remove(&run);
        }
        return;
    }
}
