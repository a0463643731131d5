//! A connection to a store, taken for some work. It goes back only through [`Connection::release`]: dropped anywhere else it is closed, and
//! what it was doing ends with it, as soon as the server notices.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mover_actors::domain::ids::StoreName;
use mover_actors::ports::{EngineError, Side};
use mover_actors::protocol::Doing;

use super::super::process::{Line, Process, Trouble};
use super::super::stores::{Ends, Fault, SessionId};
use super::super::world::WorldGuard;
use super::request::{LOCK_TIMEOUT, call, told};

/// See the module's documentation.
pub(super) struct Connection {
    process: Process,
    store: StoreName,
    line: Line,
    patience: Mutex<Duration>,
    is_closed: AtomicBool,
}

impl Connection {
    pub(super) fn open(process: &Process, store: &StoreName, side: Side) -> Self {
        let id = process.world().act(|scene| scene.open_session(process.id(), side));
        let (patience, is_closed) = (Mutex::new(LOCK_TIMEOUT), AtomicBool::new(false));
        Self { process: process.clone(), store: store.clone(), line: Line::of(id), patience, is_closed }
    }

    pub(super) fn doing<'a>(&'a self, what: &'a str) -> Doing<'a> {
        Doing::new(&self.store, what)
    }

    /// Asks for something in this session, and waits for guard rows as long as it is patient.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        method: &'static str,
        what: &str,
        ask: impl FnMut(&mut WorldGuard<'_>, SessionId) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, EngineError> {
        let patience = *self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = self.ask_for(method, what, (Ends::No, patience), ask).await?;
        answer.ok_or_else(|| {
            self.process.world().act(|scene| scene.abort_transaction(self.line.session()));
            Fault::Locked.told(self.doing(what))
        })
    }

    /// The same with a patience of its own; nothing if that is over.
    pub(super) async fn ask_within<T: Send + 'static>(
        &self,
        method: &'static str,
        what: &str,
        patience: Duration,
        ask: impl FnMut(&mut WorldGuard<'_>, SessionId) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Option<T>, EngineError> {
        self.ask_for(method, what, (Ends::No, patience), ask).await
    }

    pub(super) async fn commit(&self, what: &str) -> Result<(), EngineError> {
        self.end("commit", what, |scene, id| scene.commit(id)).await
    }

    /// Ends a transaction or snapshot, which is possible after an error as well.
    pub(super) async fn end(
        &self,
        method: &'static str,
        what: &str,
        mut end: impl FnMut(&mut WorldGuard<'_>, SessionId) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(), EngineError> {
        let ended = self.ask_for(method, what, (Ends::Yes, Duration::ZERO), move |scene, id| end(scene, id));
        ended.await.map(Option::unwrap_or_default)
    }

    async fn ask_for<T: Send + 'static>(
        &self,
        method: &'static str,
        what: &str,
        (ends, patience): (Ends, Duration),
        mut ask: impl FnMut(&mut WorldGuard<'_>, SessionId) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Option<T>, EngineError> {
        if self.is_closed.load(Relaxed) {
            return Err(told(Trouble::Unreachable, self.doing(what)));
        }
        let id = self.line.session();
        let at_server = move |scene: &mut WorldGuard<'_>| match scene.in_session(id, ends, |scene| ask(scene, id)) {
            Err(Fault::Locked) => None,
            answer => Some(answer),
        };
        match self.process.call_patiently(call(method), Some(&self.line), patience, at_server).await {
            Ok(Some(answer)) => answer.map(Some).map_err(|fault| fault.told(self.doing(what))),
            Ok(None) => Ok(None),
            Err(trouble) => {
                self.process.world().act(|scene| match trouble {
                    Trouble::Unreachable => scene.close_session(id),
                    Trouble::Refused => scene.abort_transaction(id),
                });
                self.is_closed.store(trouble == Trouble::Unreachable, Relaxed);
                Err(told(trouble, self.doing(what)))
            }
        }
    }

    /// Waits for guard rows no longer than this.
    pub(super) fn wait_at_most(&self, patience: Duration) {
        *self.patience.lock().unwrap_or_else(PoisonError::into_inner) = patience;
    }

    /// Waits for guard rows as long as all do.
    pub(super) fn wait_as_usual(&self) {
        self.wait_at_most(LOCK_TIMEOUT);
    }

    /// Does not stand in line for a lock any longer.
    pub(super) fn stop_waiting(&self) {
        self.process.world().act(|scene| scene.stop_waiting(self.line.session()));
    }

    /// Gives the connection back, at rest.
    pub(super) fn release(self) {
        self.process.world().act(|scene| scene.release_session(self.line.session()));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // One that was given back is not there any more.
        self.process.world().act(|scene| scene.close_session(self.line.session()));
    }
}
