//! Requests that need no session of their own: one statement each.

use std::time::Duration;

use mover_actors::ports::EngineError;
use mover_actors::protocol::Doing;

use super::super::fate::{Call, Port};
use super::super::process::{Process, Trouble};
use super::super::stores::Fault;
use super::super::world::WorldGuard;

/// How long a statement waits for a guard row unless it is told otherwise.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Asks a server for something that waits for nobody.
pub(super) async fn request<T: Send + 'static>(
    process: &Process,
    method: &'static str,
    doing: Doing<'_>,
    ask: impl FnOnce(&mut WorldGuard<'_>) -> Result<T, Fault> + Send + 'static,
) -> Result<T, EngineError> {
    match process.call(call(method), ask).await {
        Ok(answer) => answer.map_err(|fault| fault.told(doing)),
        Err(trouble) => Err(told(trouble, doing)),
    }
}

/// Asks a server for something that may have to wait for a guard row; nothing if that took too long.
pub(super) async fn request_patiently<T: Send + 'static>(
    process: &Process,
    method: &'static str,
    doing: Doing<'_>,
    patience: Duration,
    mut ask: impl FnMut(&mut WorldGuard<'_>) -> Result<T, Fault> + Send + 'static,
) -> Result<Option<T>, EngineError> {
    let ask = move |scene: &mut WorldGuard<'_>| match ask(scene) {
        Err(Fault::Locked) => None,
        answer => Some(answer),
    };
    match process.call_patiently(call(method), None, patience, ask).await {
        Ok(Some(answer)) => answer.map(Some).map_err(|fault| fault.told(doing)),
        Ok(None) => Ok(None),
        Err(trouble) => Err(told(trouble, doing)),
    }
}

pub(super) fn call(method: &'static str) -> Call {
    Call { port: Port::Engine, method }
}

pub(super) fn told(trouble: Trouble, doing: Doing<'_>) -> EngineError {
    match trouble {
        Trouble::Unreachable => doing.not_now("the connection was lost"),
        Trouble::Refused => doing.refused("permission denied"),
    }
}
