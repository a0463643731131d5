//! A switch that is cut between its two commits: writers are refused by both stores, and that is told as long as it lasts.

use super::program::eventually;
use super::world::{ONLINE, World};

const NUMBER: i64 = 4243;

#[tokio::test(flavor = "multi_thread")]
async fn orgs_that_no_store_takes_are_named_until_they_are_let_in_and_the_time_is_counted() {
    let world = World::ready_one_by_one(ONLINE).await;
    world.install_guard().await;
    // The target does not come to make an org live.
    let keeper = world.new_store().await;
    let hold = format!(
        "SELECT pg_advisory_lock({NUMBER});
         CREATE FUNCTION hold_arrival() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_advisory_xact_lock_shared({NUMBER}); RETURN NEW; END $$;
         CREATE TRIGGER hold_arrival BEFORE UPDATE ON mover.org_guard FOR EACH ROW
             WHEN (NEW.mode = 'capturing') EXECUTE FUNCTION hold_arrival();
         ALTER TABLE mover.org_guard ENABLE ALWAYS TRIGGER hold_arrival"
    );
    keeper.batch_execute(&hold).await.unwrap();
    let campaign = world.start("migrate whole_org 1");
    let told = "whose writers are refused by both stores";
    eventually("health tells it", async || world.mover(&["health"]).await.answer.contains(told)).await;
    let log = world.log().await;
    let cut = "SELECT org_name FROM mover.org_migration_state WHERE step = 'switch' AND closed_at IS NOT NULL AND opened_at IS NULL";
    let name: String = log.query_one(cut, &[]).await.unwrap().get(0);
    let health = world.mover(&["health"]).await;
    assert!(health.answer.contains("critical") && health.answer.contains(&name), "{health:?}");
    let org = world.mover(&["exec", &format!("org {name}")]).await.with_code(0);
    assert!(org.answer.contains("closed for writes since"), "{org:?}");
    assert!(org.answer.contains("the other has not opened yet"), "{org:?}");

    keeper.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    campaign.end().await.with_code(0);
    let whole = "SELECT state = 'migrated' AND opened_at - closed_at > interval '300 ms' FROM mover.org_migration_state WHERE org_name = $1";
    assert!(log.query_one(whole, &[&name]).await.unwrap().get::<_, bool>(0), "the time is counted");
    keeper.batch_execute("DROP TRIGGER hold_arrival ON mover.org_guard").await.unwrap();
    world.mover(&["health"]).await.with_code(0);
    world.exec("migrate whole_org all").await.with_code(0);
    world.assert_all_moved().await;
}
