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
    /// Has its own connections to the move log, separate from those of the tree.
    pub(super) world: World,
    /// The pool of the tree, for metrics.
    pub(super) pool_of_tree: Pool,
    pub(super) running: Running,
    /// The tree of the interfaces, separate from that of the moves.
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
    /// Serializes commands that read the stores: they take connections that moves need, too.
    pub(super) store_look: Semaphore,
    pub(super) metrics: Metrics,
    /// When it began to serve, by the clock of the move log, which dates commands.
    pub(super) since: SystemTime,
}

/// Settings that a reload can change.
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
    /// State over a running tree. `lease`: how long a client keeps a runbook run without a heartbeat.
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

    /// Changes the settings. The listen address stays as it is.
    pub fn change_settings(&self, settings: Http) {
        *self.changeable.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings.into());
    }

    /// Counts a request with this token.
    pub(super) fn count_request(&self, token: i32) -> Result<(), Problem> {
        self.changeable().rates.token(token)
    }

    /// Counts a wrong token from this address.
    pub(super) fn count_stranger(&self, address: IpAddr) -> Result<(), Problem> {
        self.changeable().rates.stranger(address)
    }

    fn changeable(&self) -> Arc<Changeable> {
        self.changeable.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The world for changes by this user: every history has their name.
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
