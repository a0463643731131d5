//! A child's mailbox. It stands in for actix's own mailbox for two reasons: it knows exactly how many
//! messages wait, and it yields to its neighbours after a while even when messages never stop
//! coming.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context as Task, Poll};

use actix::dev::{Envelope, EnvelopeProxy};
use actix::fut::ActorFuture;
use actix::{AsyncContext, Context};
use tokio::sync::mpsc::UnboundedReceiver;

use super::actor::Child;
use super::registry::MailboxGauge;

/// Counts one message for as long as it waits or is being worked on.
pub(crate) struct GaugeGuard(MailboxGauge);

impl GaugeGuard {
    pub(crate) fn one_more(gauge: &MailboxGauge) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        GaugeGuard(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One message under way. A message that wants an answer is counted by the asker instead, until the
/// answer is there.
pub(crate) struct QueuedMessage<A: Child> {
    pub(crate) envelope: Envelope<A>,
    pub(crate) counted: Option<GaugeGuard>,
}

/// Runs inside the actor's context and hands it one message after the other.
pub(crate) struct Mailbox<A: Child>(pub(crate) UnboundedReceiver<QueuedMessage<A>>);

impl<A: Child> ActorFuture<A> for Mailbox<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, actor: &mut A, ctx: &mut Context<A>, task: &mut Task<'_>) -> Poll<()> {
        // An actor that waits or stops takes no messages; the context polls again when the wait is
        // over.
        while !ctx.waiting() {
            match self.0.poll_recv(task) {
                Poll::Ready(Some(QueuedMessage { mut envelope, counted })) => {
                    envelope.handle(actor, ctx);
                    drop(counted);
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }
}
