//! The state machine of one org in flight, as an actor.
//!
//! Owns: nothing that outlives it; the move log has the state. On failure its supervisor starts it anew, and it begins
//! with what the move log says. One that keeps crashing takes its org back and parks it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actix::prelude::*;
use tokio::sync::watch;

use crate::domain::campaign::Tuning;
use crate::domain::ids::MoveId;
use crate::domain::record::MoveRecord;
use crate::otp::{ActorRef, Child, Me, StartFailed};
use crate::ports::{Engine, LogError, MoveLog};
use crate::tree::darklaunch::Flagger;
use crate::tree::journal::Journal;
use crate::tree::workers::{Checkout, Desk, Lease};

use super::alone::Alone;
use super::cohort::Member;
use super::drive::{Drive, Patience};
use super::effects::{Effects, Progress};

/// What every machine is made with.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) log: Arc<dyn MoveLog>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) flags: Flagger,
    pub(crate) journal: ActorRef<Journal>,
    pub(crate) desk: ActorRef<Desk>,
    pub(crate) tuning: watch::Receiver<Tuning>,
    pub(crate) patience: Patience,
    pub(crate) alone: Alone,
}

/// What survives the incarnations of one machine: only what they must not repeat.
pub(crate) struct Birth {
    id: MoveId,
    /// What the claim said, for the first incarnation; the next ones ask the move log.
    claimed: std::sync::Mutex<Option<(MoveRecord, Member)>>,
    incarnations: AtomicU32,
}

impl Birth {
    pub(crate) fn of_claim(record: MoveRecord, member: Member) -> Self {
        let id = record.id;
        Self { id, claimed: std::sync::Mutex::new(Some((record, member))), incarnations: AtomicU32::new(0) }
    }
}

/// See the module's documentation.
pub(crate) struct Machine {
    me: Me,
    around: Surroundings,
    record: MoveRecord,
    member: Option<Member>,
    crashes: u32,
}

impl Machine {
    /// A fresh incarnation, from what is stored.
    pub(crate) async fn start(me: Me, around: Surroundings, birth: Arc<Birth>) -> Result<Self, StartFailed> {
        let crashes = birth.incarnations.fetch_add(1, Ordering::Relaxed);
        let claimed = birth.claimed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let (record, member) = match claimed {
            Some(claimed) => claimed,
            None => (around.log.load(birth.id).await?, Member::alone(&around, birth.id)),
        };
        Ok(Self { me, around, record, member: Some(member), crashes })
    }
}

impl Actor for Machine {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let around = self.around.clone();
        let (record, crashes) = (self.record.clone(), self.crashes);
        let member = self.member.take().unwrap_or_else(|| Member::alone(&around, record.id));
        let (org, me) = (record.org.clone(), self.me.clone());
        let drive = async move {
            let Surroundings { log, engine, flags, journal, tuning, patience, .. } = around;
            let note = Box::new(move |text| me.note(format!("{org} {text}")));
            let effects = Effects { engine, flags, tuning, progress: Progress::default() };
            Drive { record, log, effects, journal, member, patience, crashes, note, shut_since: None }.run().await
        };
        ctx.spawn(drive.into_actor(self).map(|ended, this, ctx| match ended {
            Ok(_) => ctx.stop(),
            Err(error) => this.me.fail(ctx, error),
        }));
    }
}

impl Child for Machine {}

impl Surroundings {
    pub(super) async fn checkout(&self) -> Result<Lease, LogError> {
        self.desk.running().await;
        match self.desk.send(Checkout).await {
            Ok(Some(lease)) => Ok(lease),
            // The desk was restarted; so is this machine.
            Ok(None) | Err(_) => Err(LogError::Unreachable {
                doing: "waiting for a worker".into(),
                cause: "the pool was restarted".into(),
            }),
        }
    }
}
