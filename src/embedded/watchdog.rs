//! The supervised child that keeps the private servers alive while Mover runs.

use std::sync::Arc;

use actix::prelude::*;
use mover_actors::otp::{ActorRef, Child, ChildSpec, SelfHandle};

use super::{EmbeddedError, Servers};

/// Detects at once when a server dies, and starts it again. If that fails, the actor fails, and its supervisor decides.
pub struct Watchdog {
    me: SelfHandle,
    servers: Arc<Servers>,
}

impl Watchdog {
    /// Its place in the tree.
    pub fn spec(servers: Arc<Servers>) -> ChildSpec {
        ChildSpec::actor(&ActorRef::<Watchdog>::named("servers"), move |me| {
            let servers = servers.clone();
            async move {
                servers.heal().await?;
                Ok(Watchdog { me, servers })
            }
        })
    }

    fn watch(&mut self, ctx: &mut Context<Self>) {
        let servers = self.servers.clone();
        let healed = async move {
            let failure = servers.wait_for_failure().await;
            tracing::warn!(server = %failure.server, reason = %failure.reason, "a private server died; starting it again");
            servers.heal().await
        };
        ctx.spawn(healed.into_actor(self).map(|healed: Result<_, EmbeddedError>, this, ctx| match healed {
            Ok(started) => {
                let names: Vec<_> = started.iter().map(ToString::to_string).collect();
                this.me.note(format!("started again: {}", names.join(", ")));
                this.watch(ctx);
            }
            Err(error) => this.me.fail(ctx, error),
        }));
    }
}

impl Actor for Watchdog {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.me.note("private Postgres and Redis");
        self.watch(ctx);
    }
}

impl Child for Watchdog {}
