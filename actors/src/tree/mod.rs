//! The supervision tree: a directory is a supervisor, a file is an actor.
//!
//! ```text
//! root (rest_for_one, 10 restarts in 10 s with a growing pause before each; then the process exits non-zero with the reason)
//! ├── …            what the program starts first, e.g. its private servers
//! ├── journal      writes transitions of many orgs together
//! ├── darklaunch   the only writer of Redis
//! ├── workers      the worker pool, and its members
//! ├── orgs         dynamic: one state machine for each org in flight
//! ├── node         heartbeat, orphans, reconciler
//! └── manager      the campaign: claims orgs, keeps the pool full
//! ```
//!
//! Each actor uses those above it, so a restart also restarts all actors below the failed one. Everything is started from the
//! move log; no actor inherits anything from its predecessor. The node is up when it has taken over the orgs of dead nodes:
//! those are blocked already, so they get workers before the manager claims new ones.

pub mod darklaunch;
mod journal;
pub mod manager;
mod node;
pub(crate) mod orgs;
mod queue;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::domain::campaign::Tuning;
use crate::domain::ids::NodeId;
use crate::otp::{ActorRef, Backoff, ChildSpec, Dynamic, GaveUp, Intensity, Registry, Root, Strategy, SupervisorSpec};
use crate::ports::{Engine, Flags, LogError, MoveLog};

use darklaunch::{Darklaunch, FlagWriter, FlagsHealth};
use journal::Journal;
use manager::{Manager, ManagerContext};
use node::{Node, NodeContext};
pub use orgs::driver::Patience;
use orgs::effect_locks::EffectLocks;
use orgs::kept_copies::KeptCopies;
use orgs::{MachineContext, Orgs};
use workers::{Worker, WorkerPool};

/// The outside world of the tree.
#[derive(Clone)]
pub struct Ports {
    /// Where moves are kept.
    pub log: Arc<dyn MoveLog>,
    /// Where flags are read by applications.
    pub flags: Arc<dyn Flags>,
    /// The stores.
    pub engine: Arc<dyn Engine>,
}

/// The settings of the tree.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A name that no other process has.
    pub node_name: String,
    /// How long after its last heartbeat the node counts as alive.
    pub lease: Duration,
    /// The pool before the first campaign.
    pub tuning: Tuning,
    /// When a move that cannot continue is aborted.
    pub patience: Patience,
}

/// A running tree.
pub struct Tree {
    root: Root,
    registry: Registry,
    log: Arc<dyn MoveLog>,
    node: NodeId,
    manager: ActorRef<Manager>,
    darklaunch: ActorRef<Darklaunch>,
    flags_health: Arc<watch::Sender<FlagsHealth>>,
    kept_copies: KeptCopies,
}

/// Crashes of single orgs are counted elsewhere (see [`Patience`]); this only stops a tree in which everything crashes.
const MANY: Intensity = Intensity { restarts_max: 1000, within: Duration::from_secs(10) };

impl Tree {
    /// Registers the node and starts all actors on this thread, inside an `actix_rt::System` or a `LocalSet`. The children
    /// `first` come before all others in the tree.
    pub async fn start(ports: Ports, settings: Settings, first: Vec<ChildSpec>) -> Result<Tree, LogError> {
        let node = ports.log.join(&settings.node_name, settings.lease).await?;
        let registry = Registry::new();
        let journal = ActorRef::<Journal>::named("journal");
        let darklaunch = ActorRef::<Darklaunch>::named("darklaunch");
        let pool = ActorRef::<WorkerPool>::named("pool");
        let members = Dynamic::<Worker>::named("members");
        let manager = ActorRef::<Manager>::named("manager");
        let node_ref = ActorRef::<Node>::named("node");
        let flags_health = Arc::new(watch::Sender::new(FlagsHealth::Up));
        let tuning = Arc::new(watch::Sender::new(settings.tuning));
        let worker_free = Arc::new(Notify::new());

        let kept_copies = KeptCopies::default();
        let orgs = Orgs::new(MachineContext {
            log: ports.log.clone(),
            engine: ports.engine.clone(),
            flags: FlagWriter::new(darklaunch.clone()),
            journal: journal.clone(),
            pool: pool.clone(),
            tuning: tuning.subscribe(),
            patience: settings.patience,
            effect_locks: EffectLocks::default(),
            kept_copies: kept_copies.clone(),
        });
        let context = ManagerContext {
            log: ports.log.clone(),
            node,
            orgs: orgs.clone(),
            pool: pool.clone(),
            tuning: tuning.clone(),
            flags: flags_health.subscribe(),
            worker_free: worker_free.clone(),
            engine: ports.engine.clone(),
            orgs_in_cohort: ManagerContext::no_hint(),
        };

        let root = root_spec(first)
            .child(journal_spec(&journal, &ports, node))
            .child(darklaunch_spec(&darklaunch, &ports, &flags_health))
            .child(workers::spec(&pool, &members, &tuning, &worker_free, MANY))
            .child(orgs.spec(MANY))
            .child(node_spec(&node_ref, NodeContext { log: ports.log.clone(), node, orgs, lease: settings.lease }))
            .child(manager_spec(&manager, context));
        let root = Root::start(root, &registry);
        Ok(Tree { root, registry, log: ports.log, node, manager, darklaunch, flags_health, kept_copies })
    }

    /// Starts the darklaunch actor alone, for a command that changes flags and ends. Such a tree takes over no org.
    pub async fn start_flags_only(ports: Ports, settings: Settings, first: Vec<ChildSpec>) -> Result<Tree, LogError> {
        let node = ports.log.join(&settings.node_name, settings.lease).await?;
        let registry = Registry::new();
        let darklaunch = ActorRef::<Darklaunch>::named("darklaunch");
        let flags_health = Arc::new(watch::Sender::new(FlagsHealth::Up));
        let root = root_spec(first).child(darklaunch_spec(&darklaunch, &ports, &flags_health));
        let root = Root::start(root, &registry);
        Ok(Tree {
            root,
            registry,
            log: ports.log,
            node,
            manager: ActorRef::named("manager"),
            darklaunch,
            flags_health,
            kept_copies: KeptCopies::default(),
        })
    }

    /// Waits until every actor is up.
    pub async fn up(&mut self) -> Result<(), GaveUp> {
        self.root.up().await
    }

    /// Waits for an unexpected end: which actor could not be kept alive, and why.
    pub async fn ended(&mut self) -> Result<(), GaveUp> {
        self.root.ended().await
    }

    /// Stops all actors, the last one first, and signs the node off. Orgs still in flight can be taken over at once.
    pub async fn stop(self) -> Result<(), GaveUp> {
        self.root.stop().await?;
        if let Err(error) = self.log.leave(self.node).await {
            tracing::warn!(%error, "the node could not sign off; its lease will run out");
        }
        Ok(())
    }

    /// The manager, which starts and resumes campaigns.
    pub fn manager(&self) -> &ActorRef<Manager> {
        &self.manager
    }

    /// The darklaunch actor, which writes flags.
    pub fn darklaunch(&self) -> &ActorRef<Darklaunch> {
        &self.darklaunch
    }

    /// Whether flags can be written now.
    pub fn flags_health(&self) -> FlagsHealth {
        self.flags_health.borrow().clone()
    }

    /// The live picture of the tree.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// How many orgs in flight here wait because the copy of a rolled back org is kept for a while.
    pub fn copies_kept(&self) -> usize {
        self.kept_copies.count()
    }

    /// This process in the move log.
    pub fn node(&self) -> NodeId {
        self.node
    }
}

fn root_spec(first: Vec<ChildSpec>) -> SupervisorSpec {
    let root = SupervisorSpec::new("root", Strategy::RestForOne)
        .intensity(Intensity { restarts_max: 10, within: Duration::from_secs(10) })
        // Ten restarts take some seconds, in which a server may come back, and still fit into the ten seconds of the limit.
        .backoff(Backoff { first: Duration::from_millis(50), max: Duration::from_secs(1) });
    first.into_iter().fold(root, SupervisorSpec::child)
}

fn journal_spec(journal: &ActorRef<Journal>, ports: &Ports, node: NodeId) -> ChildSpec {
    let log = ports.log.clone();
    ChildSpec::actor(journal, move |_| {
        let log = log.clone();
        async move { Ok(Journal::new(log, node)) }
    })
}

fn darklaunch_spec(
    darklaunch: &ActorRef<Darklaunch>,
    ports: &Ports,
    health: &Arc<watch::Sender<FlagsHealth>>,
) -> ChildSpec {
    let (ports, health) = (ports.clone(), health.clone());
    ChildSpec::actor(darklaunch, move |me| {
        let (ports, health) = (ports.clone(), health.clone());
        async move { Ok(Darklaunch::new(me, ports.log, ports.flags, health)) }
    })
}

fn manager_spec(manager: &ActorRef<Manager>, context: ManagerContext) -> ChildSpec {
    ChildSpec::actor(manager, move |me| {
        let context = context.clone();
        async move { Ok(Manager::new(me, context)) }
    })
}

fn node_spec(node: &ActorRef<Node>, context: NodeContext) -> ChildSpec {
    ChildSpec::actor(node, move |me| {
        let context = context.clone();
        async move { Ok(Node::start(me, context).await) }
    })
}
