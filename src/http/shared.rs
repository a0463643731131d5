//! The shared state of requests.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use deadpool_postgres::Pool;
use mover_actors::otp::Registry;
use tokio::sync::Semaphore;

use crate::config::Http;
use crate::operations::{Running, World};
use crate::state::StateError;
use crate::telemetry::Metrics;

use super::access::{Rates, TokenCache};
use super::api::views::Actor;
use super::cached::Cached;
use super::events::Hub;
use super::problem::Problem;
use super::run_leases::RunLeases;

/// See the module's documentation.
pub struct Shared {
    /// Its connections to the move log are not those of the tree.
    pub(super) world: World,
    /// The tree's, to be counted.
    pub(super) pool_of_tree: Pool,
    pub(super) running: Running,
    /// The tree of the interfaces, beside that of the moves.
    pub(super) interfaces: Registry,
    changeable: RwLock<Arc<Changeable>>,
    pub(super) book: TokenCache,
    pub(super) holds: RunLeases,
    pub(super) hub: Arc<Hub>,
    pub(super) status: Cached,
    pub(super) health: Cached,
    pub(super) ready: Cached,
    pub(super) closed: Cached,
    pub(super) drift: Cached,
    pub(super) migrations: Cached,
    /// Commands that look into the stores wait for each other: they take connections that moves need, too.
    pub(super) store_look: Semaphore,
    pub(super) metrics: Metrics,
    /// Since when it serves, by the clock of the move log, which dates commands.
    pub(super) since: SystemTime,
}

/// What a new configuration changes while Mover runs.
struct Changeable {
    settings: Http,
    rates: Rates,
}

impl From<Http> for Changeable {
    fn from(settings: Http) -> Self {
        Self { rates: Rates::new(settings.requests_per_second), settings }
    }
}

impl Shared {
    /// Over a running tree. `lease`: how long a client keeps a runbook run without a heartbeat.
    pub async fn new(
        world: World,
        pool_of_tree: Pool,
        running: Running,
        interfaces: Registry,
        settings: Http,
        lease: Duration,
        metrics: Metrics,
    ) -> Result<Self, StateError> {
        Ok(Self {
            since: world.log.now().await?,
            world,
            pool_of_tree,
            running,
            interfaces,
            changeable: RwLock::new(Arc::new(settings.into())),
            book: TokenCache::default(),
            holds: RunLeases::new(lease),
            hub: Arc::default(),
            status: Cached::default(),
            health: Cached::default(),
            ready: Cached::default(),
            closed: Cached::default(),
            drift: Cached::default(),
            migrations: Cached::default(),
            store_look: Semaphore::new(1),
            metrics,
        })
    }

    /// Address, TLS and limits.
    pub fn settings(&self) -> Http {
        self.changeable().settings.clone()
    }

    /// Other settings from now on. Where it listens stays as it is.
    pub fn change_settings(&self, settings: Http) {
        *self.changeable.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings.into());
    }

    /// One more request with this token.
    pub(super) fn count_request(&self, token: i32) -> Result<(), Problem> {
        self.changeable().rates.token(token)
    }

    /// One more wrong token from there.
    pub(super) fn count_stranger(&self, address: IpAddr) -> Result<(), Problem> {
        self.changeable().rates.stranger(address)
    }

    fn changeable(&self) -> Arc<Changeable> {
        self.changeable.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The world as this person changes it: their name is in every history.
    pub(super) fn world_of(&self, name: &str) -> World {
        World { log: self.world.log.on_behalf_of(name).into(), ..self.world.clone() }
    }
}

impl Shared {
    /// The tree of moves with that of the interfaces below it.
    pub(super) fn tree(&self) -> Option<Actor> {
        let mut tree = Actor::from(self.running.registry.tree()?);
        tree.children.extend(self.interfaces.tree().map(Actor::from));
        Some(tree)
    }
}
