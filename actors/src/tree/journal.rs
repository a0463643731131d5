//! The transition journal: writes transitions of many orgs in one statement.
//!
//! Owns: nothing that outlives it. Source of truth: the move log. On failure: the callers learn that the result is unknown, and
//! write the same transition again, which the log treats as one.

use std::sync::Arc;

use actix::prelude::*;

use crate::domain::ids::{Epoch, MoveId, NodeId};
use crate::domain::record::Advance;
use crate::otp::Child;
use crate::ports::{LogError, MoveLog};

use super::queue::Queue;

/// More than this in one transaction gains nothing.
const BATCH_MAX: usize = 500;

/// See the module's documentation.
pub(crate) struct Journal {
    log: Arc<dyn MoveLog>,
    node: NodeId,
    advances: Queue<Advance, Result<(), LogError>>,
}

impl Journal {
    pub(crate) fn new(log: Arc<dyn MoveLog>, node: NodeId) -> Self {
        Self { log, node, advances: Queue::new(BATCH_MAX) }
    }

    fn proceed(&mut self, ctx: &mut Context<Self>) {
        let Some(batch) = self.advances.next() else { return };
        let (log, node) = (self.log.clone(), self.node);
        let work = async move {
            match log.advance(node, &batch.requests).await {
                Ok(answers) => batch.answer(answers),
                Err(error) => batch.answer_all(Err(error)),
            }
        };
        ctx.spawn(work.into_actor(self).map(|(), this, ctx| {
            this.advances.finished();
            this.proceed(ctx);
        }));
    }
}

impl Actor for Journal {
    type Context = Context<Self>;
}

impl Child for Journal {}

/// Write a transition.
#[derive(Message)]
#[rtype(result = "Result<(), LogError>")]
pub(crate) struct Write(pub(crate) Advance);

impl Handler<Write> for Journal {
    type Result = ResponseFuture<Result<(), LogError>>;

    fn handle(&mut self, Write(advance): Write, ctx: &mut Self::Context) -> Self::Result {
        let answer = self.advances.push(advance);
        self.proceed(ctx);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(unanswered())) })
    }
}

/// Gives a move an epoch under which nothing was sent to a store yet. It is rare, so each is written alone.
#[derive(Message)]
#[rtype(result = "Result<Epoch, LogError>")]
pub(crate) struct Renew(pub(crate) MoveId, pub(crate) Epoch);

impl Handler<Renew> for Journal {
    type Result = ResponseFuture<Result<Epoch, LogError>>;

    fn handle(&mut self, Renew(id, epoch): Renew, _: &mut Self::Context) -> Self::Result {
        let (log, node) = (self.log.clone(), self.node);
        Box::pin(async move { log.renew(node, id, epoch).await })
    }
}

pub(crate) fn unanswered() -> LogError {
    LogError::Unreachable { doing: "writing a transition".into(), cause: "the journal was restarted".into() }
}
