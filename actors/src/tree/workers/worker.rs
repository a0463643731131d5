//! A worker carries out one step at a time.
//!
//! Owns: the future of the step under way, which ends with the worker. On failure: a panic in a step ends the worker, the
//! caller receives the message of the panic, and the pool starts a new worker; the org continues with another one.

use std::future::Future;
use std::pin::Pin;

use actix::prelude::*;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use crate::domain::record::Findings;
use crate::otp::{Child, SelfHandle};
use crate::tree::orgs::effects::StepError;

/// A step's effect, for one org or for several.
pub(crate) type Job = Pin<Box<dyn Future<Output = Vec<Result<Findings, StepError>>> + Send>>;

/// The result of a step's effect: an outcome for each org, or the message of the panic that ended it.
pub(crate) type JobOutcome = Result<Vec<Result<Findings, StepError>>, String>;

/// See the module's documentation.
pub(crate) struct Worker {
    me: SelfHandle,
}

impl Worker {
    pub(crate) fn new(me: SelfHandle) -> Self {
        Self { me }
    }
}

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Child for Worker {}

/// Carry out a step.
#[derive(Message)]
#[rtype(result = "JobOutcome")]
pub(crate) struct Perform {
    pub(crate) what: String,
    pub(crate) job: Job,
}

impl Handler<Perform> for Worker {
    type Result = ResponseActFuture<Self, JobOutcome>;

    fn handle(&mut self, Perform { what, job }: Perform, _: &mut Self::Context) -> Self::Result {
        self.me.note(what);
        let task = AbortOnDropHandle::new(tokio::spawn(job));
        Box::pin(task.into_actor(self).map(|ended, this, ctx| {
            this.me.note(String::new());
            ended.map_err(|error| {
                let message = panic_message(error);
                this.me.fail(ctx, format!("a step panicked: {message}"));
                message
            })
        }))
    }
}

fn panic_message(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => payload.downcast_ref::<&str>().map_or_else(|| "no message".into(), ToString::to_string),
        },
        Err(error) => error.to_string(),
    }
}
