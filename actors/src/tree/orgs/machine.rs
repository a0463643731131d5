//! The state machine of one org in flight, as an actor.
//!
//! Owns: nothing that outlives it; the move log has the state. On failure its supervisor restarts it, and it begins with the
//! state of the move log. A machine that keeps crashing aborts its move and parks the org.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actix::prelude::*;
use tokio::sync::watch;

use crate::domain::campaign::Tuning;
use crate::domain::ids::MoveId;
use crate::domain::record::MoveRecord;
use crate::otp::{ActorRef, Child, SelfHandle, StartFailed};
use crate::ports::{Engine, LogError, MoveLog};
use crate::tree::darklaunch::FlagWriter;
use crate::tree::journal::Journal;
use crate::tree::workers::{Checkout, PooledWorker, WorkerPool};

use super::cohort::Member;
use super::driver::{MoveDriver, Patience};
use super::effect_locks::EffectLocks;
use super::effects::{Effects, Progress};
use super::kept_copies::KeptCopies;

/// The context that all machines share.
#[derive(Clone)]
pub(crate) struct MachineContext {
    pub(crate) log: Arc<dyn MoveLog>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) flags: FlagWriter,
    pub(crate) journal: ActorRef<Journal>,
    pub(crate) pool: ActorRef<WorkerPool>,
    pub(crate) tuning: watch::Receiver<Tuning>,
    pub(crate) patience: Patience,
    pub(crate) effect_locks: EffectLocks,
    pub(crate) kept_copies: KeptCopies,
}

/// State that survives the incarnations of one machine: only what they must not repeat.
pub(crate) struct MachineSeed {
    id: MoveId,
    /// The claimed record, for the first incarnation; the next ones ask the move log.
    claimed: std::sync::Mutex<Option<(MoveRecord, Member)>>,
    incarnations: AtomicU32,
}

impl MachineSeed {
    pub(crate) fn of_claim(record: MoveRecord, member: Member) -> Self {
        let id = record.id;
        Self { id, claimed: std::sync::Mutex::new(Some((record, member))), incarnations: AtomicU32::new(0) }
    }
}

/// See the module's documentation.
pub(crate) struct Machine {
    me: SelfHandle,
    context: MachineContext,
    record: MoveRecord,
    member: Option<Member>,
    crashes: u32,
}

impl Machine {
    /// A fresh incarnation, from what is stored.
    pub(crate) async fn start(
        me: SelfHandle,
        context: MachineContext,
        seed: Arc<MachineSeed>,
    ) -> Result<Self, StartFailed> {
        let crashes = seed.incarnations.fetch_add(1, Ordering::Relaxed);
        let claimed = seed.claimed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let (record, member) = match claimed {
            Some(claimed) => claimed,
            None => (context.log.load(seed.id).await?, Member::alone(&context, seed.id)),
        };
        Ok(Self { me, context, record, member: Some(member), crashes })
    }
}

impl Actor for Machine {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let context = self.context.clone();
        let (record, crashes) = (self.record.clone(), self.crashes);
        let member = self.member.take().unwrap_or_else(|| Member::alone(&context, record.id));
        let (org, me) = (record.org.clone(), self.me.clone());
        let drive = async move {
            let MachineContext { log, engine, flags, journal, tuning, patience, kept_copies, .. } = context;
            let note = Box::new(move |text| me.note(format!("{org} {text}")));
            let effects = Effects { engine, flags, log: log.clone(), tuning, progress: Progress::default() };
            let driver = MoveDriver {
                record,
                log,
                effects,
                journal,
                member,
                patience,
                crashes,
                note,
                kept_copies,
                shut_since: None,
            };
            driver.run().await
        };
        ctx.spawn(drive.into_actor(self).map(|ended, this, ctx| match ended {
            Ok(_) => ctx.stop(),
            Err(error) => this.me.fail(ctx, error),
        }));
    }
}

impl Child for Machine {}

impl MachineContext {
    pub(super) async fn checkout(&self) -> Result<PooledWorker, LogError> {
        self.pool.running().await;
        match self.pool.send(Checkout).await {
            Ok(Some(pooled_worker)) => Ok(pooled_worker),
            // The pool was restarted; this machine restarts, too.
            Ok(None) | Err(_) => Err(LogError::Unreachable {
                doing: "waiting for a worker".into(),
                cause: "the pool was restarted".into(),
            }),
        }
    }
}
