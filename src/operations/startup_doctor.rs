//! Runs the doctor once when Mover starts, concurrently with everything else, and repairs what can be repaired.

use actix::prelude::*;
use mover_actors::otp::{ActorRef, Child, ChildSpec, Restart, SelfHandle};

use super::doctor::{Diagnosis, Outcome};
use super::world::World;

/// See the module's documentation.
pub struct StartupDoctor {
    me: SelfHandle,
    world: World,
}

impl StartupDoctor {
    /// Its place in the tree. It is not restarted: an unreachable store blocks nothing, and its orgs are parked.
    pub fn spec(world: World) -> ChildSpec {
        let child = ActorRef::<StartupDoctor>::named("doctor");
        ChildSpec::actor(&child, move |me| {
            let world = world.clone();
            async move { Ok(StartupDoctor { me, world }) }
        })
        .restart(Restart::Temporary)
    }
}

impl Actor for StartupDoctor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.me.note("looks after orphans in the stores");
        let world = self.world.clone();
        let visit = async move { Diagnosis::look(&world, true).await };
        ctx.spawn(visit.into_actor(self).map(|diagnosis, _, ctx| {
            match diagnosis {
                Ok(diagnosis) => report(&diagnosis),
                Err(error) => {
                    tracing::warn!(%error, "the stores could not be searched for orphans; mover doctor tries again")
                }
            }
            ctx.stop();
        }));
    }
}

/// Repairs have been logged where they were made.
fn report(diagnosis: &Diagnosis) {
    for uncovered in &diagnosis.uncovered {
        tracing::error!("{uncovered}");
    }
    for inconsistency in diagnosis.ailments.iter().filter(|inconsistency| inconsistency.outcome != Outcome::Mended) {
        tracing::warn!(org = inconsistency.org, migration = %inconsistency.migration, "{}; mover doctor tells more", inconsistency.text);
    }
}

impl Child for StartupDoctor {}
