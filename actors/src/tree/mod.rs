//! The supervision tree: a directory is a supervisor, a file is an actor.
//!
//! ```text
//! root (rest_for_one, 10 restarts in 10 s with a growing pause before each; then the process exits non-zero and says why)
//! ├── …            what the program puts before everything else, e.g. its private servers
//! ├── journal      writes transitions of many orgs together
//! ├── darklaunch   the only writer of Redis
//! ├── workers      the pool: desk and crew
//! ├── orgs         dynamic: one state machine for each org in flight
//! ├── node         heartbeat, orphans, reconciler
//! └── manager      the campaign: claims orgs, keeps the pool full
//! ```
//!
//! Whoever stands lower uses those above, so a restart takes down what stands below the fallen one. Everything is
//! started from the move log; no actor inherits anything from its predecessor. The node is up when it has taken over what
//! dead nodes left: those orgs are shut already, so they get workers before the manager claims new ones.

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
use crate::otp::{ActorRef, Backoff, Board, ChildSpec, Dynamic, GaveUp, Intensity, Root, Strategy, SupervisorSpec};
use crate::ports::{Engine, Flags, LogError, MoveLog};

use darklaunch::{Darklaunch, Flagger, FlagsHealth};
use journal::Journal;
use manager::{Manager, Office};
use node::{Keeper, Node};
use orgs::alone::Alone;
pub use orgs::drive::Patience;
use orgs::{Orgs, Surroundings};
use workers::{Desk, Worker};

/// The world the tree works on.
#[derive(Clone)]
pub struct Ports {
    /// Where moves are kept.
    pub log: Arc<dyn MoveLog>,
    /// Where flags are read by applications.
    pub flags: Arc<dyn Flags>,
    /// The stores.
    pub engine: Arc<dyn Engine>,
}

/// How the tree behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A name that no other process has.
    pub node_name: String,
    /// How long the node is taken for alive after its last heartbeat.
    pub lease: Duration,
    /// The pool before the first campaign.
    pub tuning: Tuning,
    /// When a move that cannot go on is given up.
    pub patience: Patience,
}

/// A running tree.
pub struct Tree {
    root: Root,
    board: Board,
    log: Arc<dyn MoveLog>,
    node: NodeId,
    manager: ActorRef<Manager>,
    darklaunch: ActorRef<Darklaunch>,
    flags_health: Arc<watch::Sender<FlagsHealth>>,
}

/// The orgs' own crashes are counted where they happen (see [`Patience`]); this only stops a tree in which
/// everything crashes.
const MANY: Intensity = Intensity { restarts_max: 1000, within: Duration::from_secs(10) };

impl Tree {
    /// Registers the node and starts all actors on this thread, inside an `actix_rt::System` or a `LocalSet`.
    /// `first` stand above all others in the tree.
    pub async fn start(ports: Ports, settings: Settings, first: Vec<ChildSpec>) -> Result<Tree, LogError> {
        let node = ports.log.join(&settings.node_name, settings.lease).await?;
        let board = Board::new();
        let journal = ActorRef::<Journal>::named("journal");
        let darklaunch = ActorRef::<Darklaunch>::named("darklaunch");
        let desk = ActorRef::<Desk>::named("desk");
        let crew = Dynamic::<Worker>::named("crew");
        let manager = ActorRef::<Manager>::named("manager");
        let keeper = ActorRef::<Node>::named("node");
        let flags_health = Arc::new(watch::Sender::new(FlagsHealth::Up));
        let tuning = Arc::new(watch::Sender::new(settings.tuning));
        let vacancy = Arc::new(Notify::new());

        let orgs = Orgs::new(Surroundings {
            log: ports.log.clone(),
            engine: ports.engine.clone(),
            flags: Flagger::new(darklaunch.clone()),
            journal: journal.clone(),
            desk: desk.clone(),
            tuning: tuning.subscribe(),
            patience: settings.patience,
            alone: Alone::default(),
        });
        let office = Office {
            log: ports.log.clone(),
            node,
            orgs: orgs.clone(),
            desk: desk.clone(),
            tuning: tuning.clone(),
            flags: flags_health.subscribe(),
            vacancy: vacancy.clone(),
            engine: ports.engine.clone(),
            orgs_in_cohort: Office::no_hint(),
        };

        let root = root_spec(first)
            .child(journal_spec(&journal, &ports, node))
            .child(darklaunch_spec(&darklaunch, &ports, &flags_health))
            .child(workers::spec(&desk, &crew, &tuning, &vacancy, MANY))
            .child(orgs.spec(MANY))
            .child(node_spec(&keeper, Keeper { log: ports.log.clone(), node, orgs, lease: settings.lease }))
            .child(manager_spec(&manager, office));
        let root = Root::start(root, &board);
        Ok(Tree { root, board, log: ports.log, node, manager, darklaunch, flags_health })
    }

    /// Starts the darklaunch actor alone, for a command that changes flags and ends. Such a tree takes over no org.
    pub async fn start_flags_only(ports: Ports, settings: Settings, first: Vec<ChildSpec>) -> Result<Tree, LogError> {
        let node = ports.log.join(&settings.node_name, settings.lease).await?;
        let board = Board::new();
        let darklaunch = ActorRef::<Darklaunch>::named("darklaunch");
        let flags_health = Arc::new(watch::Sender::new(FlagsHealth::Up));
        let root = root_spec(first).child(darklaunch_spec(&darklaunch, &ports, &flags_health));
        let root = Root::start(root, &board);
        Ok(Tree { root, board, log: ports.log, node, manager: ActorRef::named("manager"), darklaunch, flags_health })
    }

    /// Waits until every actor is up.
    pub async fn up(&mut self) -> Result<(), GaveUp> {
        self.root.up().await
    }

    /// Waits for an end that nobody asked for: which actor could not be kept alive, and why.
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

    /// Who starts and resumes campaigns.
    pub fn manager(&self) -> &ActorRef<Manager> {
        &self.manager
    }

    /// Who writes flags.
    pub fn darklaunch(&self) -> &ActorRef<Darklaunch> {
        &self.darklaunch
    }

    /// Whether flags can be written now.
    pub fn flags_health(&self) -> FlagsHealth {
        self.flags_health.borrow().clone()
    }

    /// The live picture of the tree.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// This process in the move log.
    pub fn node(&self) -> NodeId {
        self.node
    }
}

fn root_spec(first: Vec<ChildSpec>) -> SupervisorSpec {
    let root = SupervisorSpec::new("root", Strategy::RestForOne)
        .intensity(Intensity { restarts_max: 10, within: Duration::from_secs(10) })
        // Ten restarts take some seconds, in which a server may come back, and still fit into the ten that are looked at.
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

fn manager_spec(manager: &ActorRef<Manager>, office: Office) -> ChildSpec {
    ChildSpec::actor(manager, move |me| {
        let office = office.clone();
        async move { Ok(Manager::new(me, office)) }
    })
}

fn node_spec(node: &ActorRef<Node>, keeper: Keeper) -> ChildSpec {
    ChildSpec::actor(node, move |me| {
        let keeper = keeper.clone();
        async move { Ok(Node::start(me, keeper).await) }
    })
}
