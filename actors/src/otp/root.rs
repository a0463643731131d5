//! The root of the tree: what `main` holds.

use std::sync::Arc;
use std::time::Duration;

use super::exit::{Exit, GaveUp};
use super::policy::{Intensity, Shutdown};
use super::process::{Process, Signal};
use super::registry::Registry;
use super::spec::{ChildSpec, SupervisorSpec};
use super::supervision::Supervision;

/// A running tree. Dropping it kills every actor in it; [`Root::stop`] lets them finish.
pub struct Root {
    name: Arc<str>,
    supervision: Supervision,
    process: Process,
    up: bool,
    ended: Option<Exit>,
}

impl Root {
    /// Starts the tree on this thread. It must be called inside a `LocalSet` or an
    /// `actix_rt::System`.
    pub fn start(spec: SupervisorSpec, registry: &Registry) -> Root {
        let name = spec.name.clone();
        let mut supervision = Supervision::new(None, registry.clone(), Intensity::default());
        let process = supervision.launch(&Arc::new(ChildSpec::supervisor(spec)), 0, Duration::ZERO);
        Root { name, supervision, process, up: false, ended: None }
    }

    /// Waits until every child is up for the first time.
    pub async fn up(&mut self) -> Result<(), GaveUp> {
        while !self.up && self.ended.is_none() {
            self.receive_signal().await;
        }
        if self.up { Ok(()) } else { self.ended().await }
    }

    /// Waits for the end of the tree: an error names the child that could not be kept alive, and why.
    pub async fn ended(&mut self) -> Result<(), GaveUp> {
        loop {
            match &self.ended {
                None => self.receive_signal().await,
                Some(Exit::Normal | Exit::Shutdown) => return Ok(()),
                Some(Exit::GaveUp(gave_up)) => return Err(gave_up.as_ref().clone()),
                Some(reason @ (Exit::Error(_) | Exit::Panic(_) | Exit::Killed)) => {
                    return Err(self.broken(reason.clone()));
                }
            }
        }
    }

    /// Asks the children to stop, the last one first, and waits until all have.
    pub async fn stop(mut self) -> Result<(), GaveUp> {
        self.process.stop(Shutdown::Unlimited);
        self.ended().await
    }

    async fn receive_signal(&mut self) {
        match self.supervision.signal().await {
            Signal::Up(_) => self.up = true,
            Signal::Down(_, exit) => {
                self.supervision.registry.ended(&self.name, &exit);
                self.ended = Some(exit);
            }
        }
    }

    /// The root itself failed; it is not restarted.
    fn broken(&self, reason: Exit) -> GaveUp {
        GaveUp {
            supervisor: self.name.to_string(),
            restarts_max: 0,
            within: Duration::ZERO,
            culprit: self.name.to_string(),
            reason,
        }
    }
}
