//! Every switch depends on a comparison under the same lease that found both stores equal.

use crate::one_org::OneOrg;
use mover_actors::domain::state::Way;

use crate::world::{World, copied, lease, proven, refusal};

/// A row of the copy that was changed without being logged.
async fn damage(world: &World) {
    let sql = "SET session_replication_role = replica; UPDATE accounts SET touched = 7 WHERE email = 'a5@1'";
    world.new.batch_execute(sql).await.unwrap();
}

#[tokio::test]
async fn an_org_that_was_found_different_is_not_switched() {
    let world = World::start().await;
    let engine = world.engine();
    let ours = lease("1", 1);
    copied(&engine, &ours).await;
    damage(&world).await;
    let (old, new) = engine.compare(&ours, Way::Forward).await.unwrap();
    assert_ne!(old, new);
    let reason = refusal(engine.block(&ours, Way::Forward).await.map(drop));
    assert!(reason.contains("accounts differs"), "{reason}");
    assert_eq!(world.modes("1").await, ("capturing".into(), "incoming".into()));
}

/// Other processes may have written to the copy under a lease in between.
#[tokio::test]
async fn a_later_claim_is_proven_anew() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    proven(&engine.compare(&lease("1", 1), Way::Forward).await.unwrap());
    damage(&world).await;
    let reason = refusal(engine.block(&lease("1", 2), Way::Forward).await.map(drop));
    assert!(reason.contains("accounts differs"), "{reason}");
    assert_eq!(world.modes("1").await, ("capturing".into(), "incoming".into()));
}
