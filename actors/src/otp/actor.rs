//! Actors as children: how an actor reports its own end, and how one incarnation is driven.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Task, Poll};

use actix::dev::ContextFut;
use actix::fut::{ActorFutureExt, ready};
use actix::{Actor, ActorContext, AsyncContext, Context};

use super::actor_ref::{ActorRef, Connected};
use super::exit::Exit;
use super::mailbox::Mailbox;
use super::process::{Order, SupervisorLink};
use super::registry::Registry;
use super::spec::StartFailed;

/// An actor that a supervisor can keep alive.
pub trait Child: Actor<Context = Context<Self>> {
    /// Its supervisor asks it to stop. An actor with something to finish first finishes it and then
    /// calls `ctx.stop()`; after its time limit it is killed.
    fn shutdown(&mut self, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

/// What an incarnation knows of itself. The start function gets it; the actor keeps it.
#[derive(Clone)]
pub struct SelfHandle {
    id: Arc<str>,
    path: Arc<str>,
    registry: Registry,
    exit_reason: Arc<Mutex<Option<Exit>>>,
}

impl SelfHandle {
    fn new(link: &SupervisorLink) -> Self {
        SelfHandle {
            id: link.id.clone(),
            path: link.path.clone(),
            registry: link.registry.clone(),
            exit_reason: Arc::default(),
        }
    }

    /// The name under the supervisor: `acme`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The place in the tree: `root/orgs/acme`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Shows in the registry what the actor is doing: `acme copy`.
    pub fn note(&self, note: impl Into<String>) {
        self.registry.note(&self.path, note.into());
    }

    /// Stops the actor with [`Exit::Error`]: it cannot continue, and its supervisor decides what
    /// follows.
    pub fn fail(&self, ctx: &mut impl ActorContext, reason: impl Display) {
        *self.exit_reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(Exit::Error(reason.to_string()));
        ctx.stop();
    }

    fn take_exit_reason(&self) -> Option<Exit> {
        self.exit_reason.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// One incarnation from its start to its end. When this returns nothing of it is left: its channel is closed, its actor
/// dropped.
pub(crate) async fn live<A, F, Fut>(mut link: SupervisorLink, child: ActorRef<A>, start: Arc<F>) -> Exit
where
    A: Child,
    F: Fn(SelfHandle) -> Fut,
    Fut: Future<Output = Result<A, StartFailed>>,
{
    let me = SelfHandle::new(&link);
    let actor = tokio::select! {
        biased;
        order = link.order() => return order.obeyed(),
        started = start(me.clone()) => match started {
            Ok(actor) => actor,
            Err(failed) => return Exit::Error(failed.to_string()),
        },
    };
    let mut life = ActorLoop::new(actor, &child, me);
    // The first poll runs `started`: an actor that fails there was never up.
    match futures_util::poll!(&mut life) {
        Poll::Ready(exit) if exit.is_failure() => return exit,
        Poll::Ready(exit) => {
            link.up();
            return exit;
        }
        Poll::Pending => link.up(),
    }
    loop {
        tokio::select! {
            biased;
            order = link.order() => match order {
                Order::Stop { .. } => life.ask_to_stop(),
                Order::Kill => return Exit::Killed,
            },
            exit = &mut life => return exit,
        }
    }
}

/// A running actor. A panic anywhere in it ends it here and goes no further.
struct ActorLoop<A: Child> {
    running: Option<ContextFut<A, Context<A>>>,
    me: SelfHandle,
    asked_to_stop: bool,
    _line: Connected<A>,
}

impl<A: Child> ActorLoop<A> {
    fn new(actor: A, child: &ActorRef<A>, me: SelfHandle) -> Self {
        let (line, messages) = child.connect();
        let mut ctx = Context::new();
        ctx.spawn(Mailbox(messages));
        ActorLoop { running: Some(ctx.into_future(actor)), me, asked_to_stop: false, _line: line }
    }

    fn ask_to_stop(&mut self) {
        self.asked_to_stop = true;
        if let Some(running) = &mut self.running {
            // Only a future inside the context gets at the actor; it runs at the next poll, ahead
            // of waiting messages.
            running.ctx().spawn(ready(()).map(|(), actor: &mut A, ctx: &mut Context<A>| actor.shutdown(ctx)));
        }
    }

    /// Drops the actor. Terminated first, because a context that is dropped alive polls once more,
    /// which after a panic would run code of a broken actor, and abort the process if that code
    /// panics too.
    fn drop_actor(&mut self) -> Result<(), Exit> {
        let Some(mut running) = self.running.take() else {
            return Ok(());
        };
        running.ctx().terminate();
        catch_unwind(AssertUnwindSafe(|| drop(running))).map_err(|panic| Exit::from_panic(panic.as_ref()))
    }
}

impl<A: Child> Future for ActorLoop<A> {
    type Output = Exit;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Exit> {
        let Some(running) = &mut self.running else {
            return Poll::Pending;
        };
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(running).poll(task)));
        let exit = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => match self.me.take_exit_reason() {
                Some(said) => said,
                None if self.asked_to_stop => Exit::Shutdown,
                None => Exit::Normal,
            },
            Err(panic) => Exit::from_panic(panic.as_ref()),
        };
        // The first failure is the reason; what goes wrong while cleaning up after it is not.
        Poll::Ready(match self.drop_actor() {
            Err(panic) if !exit.is_failure() => panic,
            Ok(()) | Err(_) => exit,
        })
    }
}

impl<A: Child> Drop for ActorLoop<A> {
    fn drop(&mut self) {
        if let Err(exit) = self.drop_actor() {
            tracing::error!(child = %self.me.path, %exit, "killed child fell while it was dropped");
        }
    }
}
