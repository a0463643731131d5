//! The doctor's visit when Mover starts: once, beside everything else, mending what can be mended.

use actix::prelude::*;
use mover_actors::otp::{ActorRef, Child, ChildSpec, Me, Restart};

use super::doctor::{Diagnosis, Outcome};
use super::world::World;

/// See the module's documentation.
pub struct Checkup {
    me: Me,
    world: World,
}

impl Checkup {
    /// Its place in the tree. It is not started again: a store that cannot be reached stops nobody, and its orgs park.
    pub fn spec(world: World) -> ChildSpec {
        let child = ActorRef::<Checkup>::named("doctor");
        ChildSpec::actor(&child, move |me| {
            let world = world.clone();
            async move { Ok(Checkup { me, world }) }
        })
        .restart(Restart::Temporary)
    }
}

impl Actor for Checkup {
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

/// What was mended has been logged where it was done.
fn report(diagnosis: &Diagnosis) {
    for ailment in diagnosis.ailments.iter().filter(|ailment| ailment.outcome != Outcome::Mended) {
        tracing::warn!(org = ailment.org, migration = %ailment.migration, "{}; mover doctor tells more", ailment.text);
    }
}

impl Child for Checkup {}
