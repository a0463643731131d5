//! SIGKILL at every named place of every step, then started again.

use mover_actors::failpoint;

use super::world::World;

/// One test for each place, and the list of them.
macro_rules! killed_at {
    ($($test:ident: $place:literal by $how:ident),+ $(,)?) => {
        const TESTED: &[&str] = &[$($place),+];
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                $how($place).await;
            }
        )+
    };
}

killed_at! {
    claim_written: "claim.written" by on_the_way_forward,
    block_begin: "block.begin" by on_the_way_forward,
    block_desired: "block.desired" by on_the_way_forward,
    block_done: "block.done" by on_the_way_forward,
    drain_begin: "drain.begin" by on_the_way_forward,
    drain_done: "drain.done" by on_the_way_forward,
    copy_begin: "copy.begin" by on_the_way_forward,
    copy_cleared: "copy.cleared" by on_the_way_forward,
    copy_before_commit: "copy.before_commit" by on_the_way_forward,
    copy_committed: "copy.committed" by on_the_way_forward,
    verify_begin: "verify.begin" by on_the_way_forward,
    verify_done: "verify.done" by on_the_way_forward,
    switch_begin: "switch.begin" by on_the_way_forward,
    settle_before_commit: "settle.before_commit" by on_the_way_forward,
    settle_committed: "settle.committed" by on_the_way_forward,
    switch_desired: "switch.desired" by on_the_way_forward,
    switch_done: "switch.done" by on_the_way_forward,
    unblock_begin: "unblock.begin" by on_the_way_forward,
    unblock_desired: "unblock.desired" by on_the_way_forward,
    unblock_done: "unblock.done" by on_the_way_forward,
    migrated_written: "migrated.written" by on_the_way_forward,
    abort_begin: "abort.begin" by on_the_way_back,
    abort_desired: "abort.desired" by on_the_way_back,
    discard_before_commit: "discard.before_commit" by on_the_way_back,
    discard_committed: "discard.committed" by on_the_way_back,
    abort_done: "abort.done" by on_the_way_back,
}

#[test]
fn every_failpoint_has_a_test() {
    assert_eq!(TESTED, failpoint::ALL);
}

async fn on_the_way_forward(place: &str) {
    let world = World::ready().await;
    world.start_to_die("migrate whole_org all", place).end().await.by_sigkill();
    world.exec("resume").await.with_code(0);
    world.assert_all_moved().await;
}

/// One org cannot be copied, another cannot be verified. Both are parked, whatever happens on the way back; then they move.
async fn on_the_way_back(place: &str) {
    let world = World::ready().await;
    let (uncopied, unverified) = (&world.orgs[2], &world.orgs[5]);
    world
        .old_store()
        .await
        .execute("UPDATE cookbooks SET name = 'poison' WHERE org_id = $1", &[&uncopied.id])
        .await
        .unwrap();
    let new = world.new_store().await;
    new.batch_execute(&format!(
        "ALTER TABLE cookbooks ADD CONSTRAINT no_poison CHECK (name <> 'poison');
         CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.full_name := 'spoilt'; RETURN NEW; END $$;
         CREATE TRIGGER spoil BEFORE INSERT ON organizations FOR EACH ROW WHEN (NEW.id = '{}') EXECUTE FUNCTION spoil();
         ALTER TABLE organizations ENABLE ALWAYS TRIGGER spoil",
        unverified.id
    ))
    .await
    .unwrap();

    world.start_to_die("migrate whole_org all", place).end().await.by_sigkill();
    let ended = world.exec("resume").await.with_code(1);
    assert!(ended.answer.contains("6 migrated, 2 failed"), "{ended}");
    world.assert_parked(uncopied).await;
    world.assert_parked(unverified).await;

    new.batch_execute("ALTER TABLE cookbooks DROP CONSTRAINT no_poison; DROP TRIGGER spoil ON organizations")
        .await
        .unwrap();
    world.exec("retry whole_org failed").await.with_code(0);
    world.exec("migrate whole_org all").await.with_code(0);
    world.assert_all_moved().await;
}
