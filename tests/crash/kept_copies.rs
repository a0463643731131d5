//! The copy of a rolled back org is kept for a while: clients whose flags are a moment old find its rows, and are refused.

use nix::sys::signal::Signal;

use super::world::{ONLINE, ORGS, World};

const KEPT: &str = "rolled_back_copy_ms = 600000";

/// All orgs are rolled back, by two workers, and the copies are kept for longer than any test lasts.
async fn rolled_back(world: &World) -> super::program::Program {
    world.configure("rolled_back_copy_ms = 0", KEPT);
    world.exec("migrate whole_org all").await.with_code(0);
    let campaign = world.start("rollback whole_org all workers=2");
    // An org that waits holds no worker: all of them get here.
    world.until(|states| states.get("discard") == Some(&i64::from(ORGS))).await;
    campaign
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_follows_an_earlier_flag_is_refused_and_finds_its_rows() {
    let world = World::ready(ONLINE).await;
    let campaign = rolled_back(&world).await;
    let new = world.new_store().await;
    for org in &world.orgs {
        let late = new.execute("UPDATE containers SET name = name WHERE org_id = $1", &[&org.id]).await.unwrap_err();
        assert_eq!(late.code().unwrap().code(), "MV001", "{}", org.name);
    }
    // Ctrl-C does not wait for the copies.
    campaign.signal(Signal::SIGINT);
    let ended = campaign.end().await.with_code(1);
    assert!(ended.answer.contains("(Ctrl-C)"), "{ended}");
    assert_eq!(world.states().await.get("discard"), Some(&i64::from(ORGS)));
    let late = new.execute("UPDATE containers SET name = name", &[]).await.unwrap_err();
    assert_eq!(late.code().unwrap().code(), "MV001");
    // The next process removes them when it is time.
    world.configure(KEPT, "rolled_back_copy_ms = 0");
    world.exec("resume").await.with_code(0);
    world.assert_all_rolled_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_neither_shortens_nor_forgets_the_wait() {
    let world = World::ready(ONLINE).await;
    rolled_back(&world).await.kill9().await;
    let resumed = world.start("resume");
    let log = world.log().await;
    let adopted =
        "SELECT count(*) FROM mover.org_migration_event WHERE detail ? 'taken_over_from' AND to_step = 'discard'";
    super::program::eventually("the orgs are taken over", async || {
        log.query_one(adopted, &[]).await.unwrap().get::<_, i64>(0) >= i64::from(ORGS)
    })
    .await;
    let late = world.new_store().await.execute("UPDATE containers SET name = name", &[]).await.unwrap_err();
    assert_eq!(late.code().unwrap().code(), "MV001");
    // A halt that comes before it would be undone by it.
    let goes_on =
        "SELECT count(*) FROM mover.campaign WHERE phase = 'running' AND node = (SELECT max(id) FROM mover.node)";
    super::program::eventually("the campaign goes on", async || {
        log.query_one(goes_on, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    world.exec("halt").await.with_code(0);
    resumed.end().await.with_code(1);
    world.configure(KEPT, "rolled_back_copy_ms = 0");
    world.exec("resume").await.with_code(0);
    world.assert_all_rolled_back().await;
}
