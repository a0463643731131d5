//! Polls for changes while a client is connected.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use bytes::Bytes;
use mover_actors::otp::{ActorRef, Child, ChildSpec, SelfHandle};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::http::api::views::{Actor as ActorView, Entry, RunView, letter};
use crate::http::api::{active_run, closed_of, commands_to_publish, health_of, status_of};
use crate::http::cached::written;
use crate::http::problem::Problem;
use crate::http::shared::Shared;
use crate::state::read::{Change, Changes, Seen, StateName};

/// The pause between two polls.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long after the last client has disconnected events are still kept for a client that reconnects.
const LINGER: Duration = Duration::from_secs(60);
const COMMANDS: u32 = 20;

/// The actor that polls. It reads the move log, so it also sees changes by other processes.
pub struct Events {
    me: SelfHandle,
    shared: Arc<Shared>,
}

impl Events {
    /// Its place in the tree of the interfaces.
    pub fn spec(shared: Arc<Shared>) -> ChildSpec {
        ChildSpec::actor(&ActorRef::<Events>::named("events"), move |me| {
            let shared = shared.clone();
            async move { Ok(Events { me, shared }) }
        })
    }
}

impl Actor for Events {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (me, shared) = (self.me.clone(), self.shared.clone());
        ctx.spawn(watch(me, shared).into_actor(self));
    }
}

impl Child for Events {}

async fn watch(me: SelfHandle, shared: Arc<Shared>) {
    loop {
        me.note("no client is connected".to_owned());
        shared.hub.listener_connected().await;
        let mut watch = Watch::new(shared.clone());
        let mut listened_at = Instant::now();
        while listened_at.elapsed() < LINGER {
            if shared.hub.listeners() > 0 {
                listened_at = Instant::now();
            }
            match watch.look().await {
                Ok(()) => me.note(format!("{} listen", shared.hub.listeners())),
                // The next poll continues after what was seen.
                Err(problem) => me.note(format!("waiting: {problem}")),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        // Events are not recorded from now on, so a client that reconnects starts over.
        shared.hub.forget();
    }
}

/// The last published state, so that only changes are published.
struct Watch {
    shared: Arc<Shared>,
    seen: Option<Seen>,
    published: BTreeMap<&'static str, Bytes>,
    tree: Option<ActorView>,
    commands: BTreeMap<i64, Entry>,
    run: Option<RunView>,
    due: BTreeMap<&'static str, Instant>,
}

impl Watch {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            seen: None,
            published: BTreeMap::new(),
            tree: None,
            commands: BTreeMap::new(),
            run: None,
            due: BTreeMap::new(),
        }
    }

    async fn look(&mut self) -> Result<(), Problem> {
        // First the parts that need no server: they are published even while servers are unreachable.
        if self.is_due("tree", Duration::from_secs(1)) {
            self.tree()?;
        }
        // Before slow work, so that no event is lost meanwhile.
        let moves = self.moves().await;
        if self.is_due("health", Duration::from_secs(2)) {
            let health = health_of(&self.shared).await?;
            self.publish_whole("health", health);
        }
        moves?;
        let status = status_of(&self.shared).await?;
        self.publish_whole("status", status);
        let closed = closed_of(&self.shared).await?;
        self.publish_whole("closed", closed);
        self.commands().await?;
        self.run().await
    }

    fn is_due(&mut self, what: &'static str, every: Duration) -> bool {
        let now = Instant::now();
        let is_due = self.due.get(what).is_none_or(|due| *due <= now);
        if is_due {
            self.due.insert(what, now + every);
        }
        is_due
    }

    fn publish_whole(&mut self, kind: &'static str, data: Bytes) {
        if self.published.get(kind) != Some(&data) {
            self.shared.hub.publish(kind, &data, true);
            self.published.insert(kind, data);
        }
    }

    /// How long an actor has been in its state is no change.
    fn tree(&mut self) -> Result<(), Problem> {
        let Some(tree) = self.shared.tree() else { return Ok(()) };
        let news = self.tree.as_ref().is_none_or(|published| !published.is_like(&tree));
        if news {
            self.shared.hub.publish("tree", &written(&tree)?, true);
            self.tree = Some(tree);
        }
        Ok(())
    }

    async fn moves(&mut self) -> Result<(), Problem> {
        let log = &self.shared.world.log;
        let Some(seen) = &mut self.seen else {
            self.seen = Some(log.seen_now().await?);
            // Clients reload what they have read before.
            self.shared.hub.publish("reset", b"{}", false);
            return Ok(());
        };
        let changes = match log.changes_since(seen).await? {
            Changes::Some(changes) => changes,
            Changes::TooMany => {
                self.shared.hub.publish("reset", b"{}", false);
                return Ok(());
            }
        };
        let mut by_migration: BTreeMap<_, Vec<Value>> = BTreeMap::new();
        for Change { id, migration, org, state } in changes {
            let name: StateName = state.as_str().parse()?;
            let step = state.step().map(|step| step.as_str());
            by_migration.entry(migration).or_default().push(json!([id, letter(name), step, org]));
        }
        for (migration, moves) in by_migration {
            self.shared.hub.publish("moves", &written(&json!({ "migration": migration, "moves": moves }))?, false);
        }
        Ok(())
    }

    async fn commands(&mut self) -> Result<(), Problem> {
        // Commands without an end may have one now, however many were given since.
        let without_end = self.commands.values().filter(|entry| matches!(entry.outcome, "open" | "waiting"));
        let found = commands_to_publish(&self.shared.world, COMMANDS, without_end.map(|entry| entry.id)).await?;
        for (id, entry) in &found {
            if self.commands.get(id) != Some(entry) {
                self.shared.hub.publish("command", &written(entry)?, false);
            }
        }
        self.commands = found;
        Ok(())
    }

    async fn run(&mut self) -> Result<(), Problem> {
        let run = active_run(&self.shared.world).await?;
        if let Some(run) = run.as_ref().filter(|run| self.run.as_ref() != Some(*run)) {
            self.shared.hub.publish("run", &written(run)?, true);
        }
        self.run = run;
        Ok(())
    }
}
