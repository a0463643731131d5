//! The processes of a schedule: each is a real tree over ports of its own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use mover_actors::domain::campaign::Tuning;
use mover_actors::otp::{GaveUp, TreeNode};
use mover_actors::tree::{Patience, Ports, Settings, Tree};
use tokio::time::{sleep, timeout};

use super::participants::Participants;
use super::plan::Plan;
use super::random::Random;
use crate::memory::{MemoryEngine, MemoryFlags, MemoryLog, Process, World};

/// How long the test waits for a node to start or stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the module's documentation.
pub struct Nodes {
    world: World,
    participants: Arc<Participants>,
    settings: Settings,
    random: Random,
    running: Vec<Node>,
    /// Names of those that were killed.
    free_names: Vec<String>,
    named: usize,
}

/// One running process.
pub struct Node {
    /// Its way to the world.
    pub process: Process,
    /// Its tree.
    pub tree: Tree,
    name: String,
}

impl Nodes {
    /// None yet.
    pub fn new(world: &World, participants: &Arc<Participants>, plan: &mut Plan) -> Self {
        let settings = Settings {
            node_name: String::new(),
            lease: plan.lease,
            tuning: Tuning { concurrency: 1, sleep_time_ms: plan.sleep_time_ms, pace_ms: 0 },
            patience: Patience { step_budget_ms: plan.step_budget_ms, crashes_max: 3 },
        };
        Nodes {
            world: world.clone(),
            participants: participants.clone(),
            settings,
            random: plan.random.fork(),
            running: Vec::new(),
            free_names: Vec::new(),
            named: 0,
        }
    }

    /// Those that run.
    pub fn running(&self) -> &[Node] {
        &self.running
    }

    /// One that runs.
    pub fn any(&mut self) -> Option<&Node> {
        if self.running.is_empty() { None } else { self.running.get(self.random.below(self.running.len())) }
    }

    /// Starts one more, under a new name or the name of a dead one; tries a few times.
    pub async fn start(&mut self) {
        for _ in 0..5 {
            let name = self.free_names.pop().filter(|_| self.random.percent(70)).unwrap_or_else(|| {
                self.named += 1;
                format!("node_{}", self.named)
            });
            let process = self.world.process();
            let ports = Ports {
                log: Arc::new(MemoryLog::new(&process)),
                flags: Arc::new(MemoryFlags::new(&process)),
                engine: Arc::new(MemoryEngine::new(&process, &self.participants.routings, |name| {
                    self.participants.strategy(name)
                })),
            };
            let settings = Settings { node_name: name.clone(), ..self.settings.clone() };
            // A panic that was injected here ends the process before it had a tree.
            let starting = std::panic::AssertUnwindSafe(Tree::start(ports, settings, Vec::new())).catch_unwind();
            match timeout(PATIENCE, starting).await {
                Ok(Ok(Ok(tree))) => {
                    self.running.push(Node { process, tree, name });
                    return;
                }
                Ok(Ok(Err(_)) | Err(_)) | Err(_) => self.world.kill(process.id()),
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Kills one.
    pub fn kill(&mut self) {
        if let Some(node) = self.take_any() {
            self.world.kill(node.process.id());
            self.free_names.push(node.name);
        }
    }

    /// Stops one in order.
    pub async fn stop(&mut self) -> Result<(), String> {
        let Some(node) = self.take_any() else { return Ok(()) };
        // A panic that was injected into the last farewell ends a process that was ending.
        let stopping = std::panic::AssertUnwindSafe(node.tree.stop()).catch_unwind();
        let stopped = timeout(PATIENCE, stopping).await;
        self.world.kill(node.process.id());
        match stopped {
            Ok(Ok(Ok(())) | Err(_)) => Ok(()),
            Ok(Ok(Err(gave_up))) => Err(gave_up.to_string()),
            Err(_) => Err(format!("{} did not stop within {PATIENCE:?}", node.name)),
        }
    }

    /// Takes processes away that have ended by themselves, and says why they did.
    pub fn bury(&mut self) -> Vec<GaveUp> {
        let mut gave_up = Vec::new();
        let mut at = 0;
        while at < self.running.len() {
            match self.running[at].tree.ended().now_or_never() {
                Some(ended) => {
                    let node = self.running.swap_remove(at);
                    self.world.kill(node.process.id());
                    gave_up.extend(ended.err());
                }
                None => at += 1,
            }
        }
        gave_up
    }

    /// The machines of all nodes, each with what it says of itself.
    pub fn machines(&self) -> Vec<String> {
        let trees = self.running.iter().filter_map(|node| node.tree.registry().tree());
        let orgs = trees.flat_map(|tree| tree.children.into_iter().filter(|child| child.id == "orgs"));
        orgs.flat_map(|orgs| orgs.children).map(|TreeNode { id, note, .. }| format!("{id}: {note}")).collect()
    }

    /// All trees, drawn.
    pub fn drawn(&self) -> String {
        let trees = self.running.iter().filter_map(|node| node.tree.registry().tree());
        trees.map(|tree| tree.to_string()).collect::<Vec<_>>().join("\n")
    }

    fn take_any(&mut self) -> Option<Node> {
        if self.running.is_empty() {
            return None;
        }
        let at = self.random.below(self.running.len());
        Some(self.running.swap_remove(at))
    }
}
