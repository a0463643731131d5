//! A child's inbox. It stands in for actix's own mailbox for two reasons: it knows exactly how many
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
use super::board::MailboxGauge;

/// Counts one message for as long as it waits or is being worked on.
pub(crate) struct Counted(MailboxGauge);

impl Counted {
    pub(crate) fn one_more(gauge: &MailboxGauge) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        Counted(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One message under way. A message that wants an answer is counted by the asker instead, until the
/// answer is there.
pub(crate) struct Letter<A: Child> {
    pub(crate) envelope: Envelope<A>,
    pub(crate) counted: Option<Counted>,
}

/// Runs inside the actor's context and hands it one letter after the other.
pub(crate) struct Inbox<A: Child>(pub(crate) UnboundedReceiver<Letter<A>>);

impl<A: Child> ActorFuture<A> for Inbox<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, actor: &mut A, ctx: &mut Context<A>, task: &mut Task<'_>) -> Poll<()> {
        // An actor that waits or stops takes no letters; the context polls again when the wait is
        // over.
        while !ctx.waiting() {
            match self.0.poll_recv(task) {
                Poll::Ready(Some(Letter { mut envelope, counted })) => {
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
