//! An actor that fails in every way it is asked to, and a log of what happened in which order.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{
    Actor, ActorContext, AsyncContext, Context, Handler, Message, MessageResult, ResponseActFuture, ResponseFuture,
};
use mover_actors::otp::{ActorRef, Child, ChildSpec, Intensity, SelfHandle, StartFailed};
use tokio::sync::oneshot;

/// Runs a test on one thread, in paused time.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

/// Enough restarts for a test that is not about their number.
pub(crate) const PATIENT: Intensity = Intensity { restarts_max: 100, within: Duration::from_secs(5) };

#[derive(Clone, Default)]
pub(crate) struct EventLog(Arc<Mutex<Vec<String>>>);

impl EventLog {
    pub(crate) fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    /// What was written since the last look.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

pub(crate) struct Probe {
    me: SelfHandle,
    event_log: EventLog,
    incarnation: usize,
    behaviour: Behaviour,
}

/// How a probe behaves when it starts and stops.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum Behaviour {
    #[default]
    Good,
    PanicsInStarted,
    PanicsInStopped,
    PanicsInDrop,
    RefusesToStop,
    NeedsToFinishFirst(Duration),
}

/// A probe under this name that writes "start NAME" and "stop NAME".
pub(crate) fn probe(child: &ActorRef<Probe>, event_log: &EventLog) -> ChildSpec {
    probe_with(child, event_log, Behaviour::Good)
}

pub(crate) fn probe_with(child: &ActorRef<Probe>, event_log: &EventLog, behaviour: Behaviour) -> ChildSpec {
    ChildSpec::actor(child, start(event_log, behaviour))
}

type Started = std::future::Ready<Result<Probe, StartFailed>>;

pub(crate) fn start(
    event_log: &EventLog,
    behaviour: Behaviour,
) -> impl Fn(SelfHandle) -> Started + Send + Sync + use<> {
    let event_log = event_log.clone();
    let starts = AtomicUsize::new(0);
    move |me| {
        let incarnation = starts.fetch_add(1, Ordering::Relaxed) + 1;
        std::future::ready(Ok(Probe { me, event_log: event_log.clone(), incarnation, behaviour }))
    }
}

impl Actor for Probe {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.event_log.write(format!("start {}", self.me.id()));
        assert!(self.behaviour != Behaviour::PanicsInStarted, "no way to begin");
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        assert!(self.behaviour != Behaviour::PanicsInStopped, "no way to end");
        self.event_log.write(format!("stop {}", self.me.id()));
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        assert!(self.behaviour != Behaviour::PanicsInDrop, "no way to go");
    }
}

impl Child for Probe {
    fn shutdown(&mut self, ctx: &mut Context<Self>) {
        match self.behaviour {
            Behaviour::RefusesToStop => self.event_log.write(format!("{} stays", self.me.id())),
            Behaviour::NeedsToFinishFirst(time) => {
                self.event_log.write(format!("{} finishes", self.me.id()));
                ctx.run_later(time, |_, ctx| ctx.stop());
            }
            _ => ctx.stop(),
        }
    }
}

/// Answers with the number of the incarnation.
#[derive(Message)]
#[rtype(usize)]
pub(crate) struct Ping;

impl Handler<Ping> for Probe {
    type Result = MessageResult<Ping>;

    fn handle(&mut self, _: Ping, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.incarnation)
    }
}

/// Ends the incarnation in one of the ways an actor can end.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub(crate) enum Failure {
    Panic(&'static str),
    PanicInSpawned(&'static str),
    Fail(&'static str),
    Finish,
}

impl Handler<Failure> for Probe {
    type Result = ();

    fn handle(&mut self, how: Failure, ctx: &mut Context<Self>) {
        match how {
            Failure::Panic(message) => panic!("{message}"),
            Failure::PanicInSpawned(message) => {
                let soon = wrap_future(tokio::task::yield_now());
                ctx.spawn(soon.map(move |(), _: &mut Self, _| panic!("{message}")));
            }
            Failure::Fail(reason) => self.me.fail(ctx, reason),
            Failure::Finish => ctx.stop(),
        }
    }
}

/// Panics in the future that would have been the answer, with the actor in hand.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct PanicInActFuture;

impl Handler<PanicInActFuture> for Probe {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: PanicInActFuture, _: &mut Context<Self>) -> Self::Result {
        let soon = wrap_future(tokio::task::yield_now());
        Box::pin(soon.map(|(), probe: &mut Self, _| panic!("{} cannot answer", probe.me.id())))
    }
}

/// Works on it until told otherwise, and answers with what it was told.
#[derive(Message)]
#[rtype(u32)]
pub(crate) struct AnswerLater(pub(crate) oneshot::Receiver<u32>);

impl Handler<AnswerLater> for Probe {
    type Result = ResponseFuture<u32>;

    fn handle(&mut self, AnswerLater(answer): AnswerLater, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move { answer.await.unwrap() })
    }
}

/// Shows this on the registry.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Note(pub(crate) &'static str);

impl Handler<Note> for Probe {
    type Result = ();

    fn handle(&mut self, Note(text): Note, _: &mut Context<Self>) {
        self.me.note(text);
    }
}

/// Takes no messages until told otherwise.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Pause(pub(crate) oneshot::Receiver<()>);

impl Handler<Pause> for Probe {
    type Result = ();

    fn handle(&mut self, Pause(until): Pause, ctx: &mut Context<Self>) {
        ctx.wait(wrap_future(until).map(|_, _: &mut Self, _| ()));
    }
}

/// Sends itself another one, without end.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct TalkToYourself(pub(crate) ActorRef<Probe>);

impl Handler<TalkToYourself> for Probe {
    type Result = ();

    fn handle(&mut self, TalkToYourself(me): TalkToYourself, _: &mut Context<Self>) {
        me.notify(TalkToYourself(me.clone())).unwrap();
    }
}
