//! The node: sends heartbeats, and takes over the orgs of dead nodes.
//!
//! Owns: the heartbeat. Source of truth: the move log. It also reconciles: a move that this node owns and that has no state
//! machine here (the claim was stored, and then the manager crashed) gets one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use crate::domain::ids::{MoveId, NodeId};
use crate::domain::record::MoveRecord;
use crate::otp::{Child, SelfHandle};
use crate::ports::{LogError, MoveLog};
use crate::tree::orgs::Orgs;

/// The most moves taken over at once; the rest at the next round.
const ADOPT_MAX: u32 = 500;

/// See the module's documentation.
pub(crate) struct Node {
    me: SelfHandle,
    context: NodeContext,
    /// Owned moves that had no machine at the last round: perhaps just being started.
    suspects: HashSet<MoveId>,
}

#[derive(Clone)]
pub(crate) struct NodeContext {
    pub(crate) log: Arc<dyn MoveLog>,
    pub(crate) node: NodeId,
    pub(crate) orgs: Orgs,
    pub(crate) lease: Duration,
}

impl Node {
    /// It is up after its first round. A move log that is unreachable now may be reachable at the next round.
    pub(crate) async fn start(me: SelfHandle, context: NodeContext) -> Self {
        let suspects = context.round(HashSet::new()).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the node's first round failed; trying again");
            HashSet::new()
        });
        Self { me, context, suspects }
    }

    fn round(&mut self, ctx: &mut Context<Self>) {
        let (context, suspects) = (self.context.clone(), std::mem::take(&mut self.suspects));
        let round = async move { context.round(suspects).await };
        // The next round is timed from the end of this one, so that a slow store is not asked twice at once.
        ctx.spawn(round.into_actor(self).map(|outcome, this, ctx| {
            match outcome {
                Ok(suspects) => {
                    this.suspects = suspects;
                    this.me.note(format!("node {}, {} orgs in flight", this.context.node, this.context.orgs.len()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the node's round failed; trying again");
                    this.me.note(format!("waiting: {error}"));
                }
            }
            ctx.run_later(this.context.lease / 3, Self::round);
        }));
    }
}

impl NodeContext {
    /// Heartbeat, orphans, reconciliation. Returns the owned moves without a machine.
    async fn round(&self, suspects: HashSet<MoveId>) -> Result<HashSet<MoveId>, LogError> {
        self.log.heartbeat(self.node, self.lease).await?;
        let orphans = self.log.adopt_orphans(self.node, ADOPT_MAX).await?;
        if !orphans.is_empty() {
            tracing::warn!(orgs = orphans.len(), "taking over orgs that a dead node left in flight");
        }
        for record in orphans {
            tracing::debug!(org = %record.org, migration = %record.migration, state = %record.state, epoch = record.epoch.0,
                "taking over an org");
            self.start(record).await;
        }
        let mut without_machine = HashSet::new();
        for id in self.log.held(self.node, ADOPT_MAX).await? {
            if self.orgs.has(id) {
                continue;
            }
            if suspects.contains(&id) {
                self.start(self.log.load(id).await?).await;
            } else {
                without_machine.insert(id);
            }
        }
        Ok(without_machine)
    }

    async fn start(&self, record: MoveRecord) {
        let org = record.org.clone();
        if let Err(error) = self.orgs.start(record).await {
            tracing::error!(%org, %error, "an org could not be started; the next round tries again");
        }
    }
}

impl Actor for Node {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.me.note(format!("node {}, {} orgs in flight", self.context.node, self.context.orgs.len()));
        ctx.run_later(self.context.lease / 3, Self::round);
    }
}

impl Child for Node {}
