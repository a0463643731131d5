//! Changes that commit while a statement waits for them, so that its snapshot does not show them.

use std::time::Duration;

use mover_actors::domain::campaign::{CampaignPlan, FailurePolicy, Selection, Tuning};
use mover_actors::domain::flags::{Fields, FlagKey, FoundFlags};
use mover_actors::domain::ids::{CampaignId, MigrationName, NodeId, OrgName};
use mover_actors::domain::record::Findings;
use mover_actors::domain::state::{Aim, Event, Step, Strategy};
use mover_actors::ports::{Desire, LogError, MoveLog};

use crate::contract::World;
use crate::support::{PgWorld, Server};

fn migration(name: &str) -> MigrationName {
    MigrationName::new(name).unwrap()
}

/// Two ready orgs, `acme` and `globex`, and a campaign.
async fn campaign(world: &PgWorld) -> (NodeId, CampaignId) {
    world
        .capture(&migration("phase_2"), Strategy::Offline, &["acme", "globex"].map(|name| OrgName::new(name).unwrap()))
        .await;
    world.log.make_ready(&migration("phase_2"), &Selection::All).await.unwrap();
    let node = world.log.join("a", Duration::from_secs(600)).await.unwrap();
    let plan = CampaignPlan {
        aim: Aim::Migrate,
        migration: migration("phase_2"),
        selection: Selection::All,
        tuning: Tuning { concurrency: 1, sleep_time_ms: 0, pace_ms: 0 },
        failure_policy: FailurePolicy::default(),
    };
    (node, world.log.open_campaign(node, &plan).await.unwrap().id)
}

/// Lets `sql` happen in a transaction that commits once `call` waits for it.
async fn overtake<T>(world: &PgWorld, sql: &str, call: impl Future<Output = T> + Send) -> T {
    let mut outsider = world.log.pool().get().await.unwrap();
    let transaction = outsider.transaction().await.unwrap();
    transaction.batch_execute(sql).await.unwrap();
    let waits = async {
        while world.ask("SELECT 'waits' FROM pg_locks WHERE NOT granted").await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::pin!(call);
    tokio::select! { _ = &mut call => panic!("it did not wait"), () = waits => {} }
    transaction.commit().await.unwrap();
    call.await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_leaves_out_an_org_that_goes_in_flight_elsewhere_meanwhile() {
    let server = Server::start().await;
    let world = server.world().await;
    let (node, campaign) = campaign(&world).await;
    let elsewhere = "INSERT INTO mover.org_migration_state \
         (migration, strategy, org_name, org_key, state, step, epoch, attempts, campaign) \
         VALUES ('phase_3', 'offline', 'acme', '1', 'started', 'block', 1, 1, 1)";
    let claimed = overtake(&world, elsewhere, world.log.claim(campaign, node, 9)).await.unwrap();
    let names: Vec<&str> = claimed.iter().map(|record| record.org.as_str()).collect();
    assert_eq!(names, ["globex"]);
    assert_eq!(world.log.campaign(campaign).await.unwrap().claimed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_take_over_meanwhile_fences_the_transition() {
    let server = Server::start().await;
    let world = server.world().await;
    let (node, campaign) = campaign(&world).await;
    let claimed = world.log.claim(campaign, node, 9).await.unwrap();
    let advances: Vec<_> = claimed
        .iter()
        .map(|record| record.advance(Event::StepDone(Step::Block), Findings::default()).unwrap())
        .collect();
    let adopt = "UPDATE mover.org_migration_state SET epoch = nextval('mover.epoch_seq') WHERE org_name = 'acme'";
    let answers = overtake(&world, adopt, world.log.advance(node, &advances)).await.unwrap();
    assert!(matches!(answers[..], [Err(LogError::Fenced { .. }), Ok(())]), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_take_over_meanwhile_leaves_the_flags_alone() {
    let server = Server::start().await;
    let world = server.world().await;
    let (node, campaign) = campaign(&world).await;
    let claimed = world.log.claim(campaign, node, 9).await.unwrap();
    let desires: Vec<Desire> = claimed
        .iter()
        .map(|record| Desire {
            key: FlagKey::org(&record.org),
            lease: Some((record.id, record.epoch)),
            found: FoundFlags::default(),
            base: Fields::new(),
            overlay: None,
        })
        .collect();
    let adopt = "UPDATE mover.org_migration_state SET epoch = nextval('mover.epoch_seq') WHERE org_name = 'acme'";
    let answers = overtake(&world, adopt, world.log.desire(&desires)).await.unwrap();
    assert!(matches!(answers[..], [Err(LogError::Fenced { .. }), Ok(_)]), "{answers:?}");
    assert_eq!(world.log.desired(None, 9).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_is_stored_meanwhile_is_changed_and_not_lost() {
    let server = Server::start().await;
    let world = server.world().await;
    let stored = "INSERT INTO mover.desired_flags (key, epoch, base, overlay) \
         VALUES ('dl_default', nextval('mover.epoch_seq'), '{\"theirs\": \"true\"}', '{}')";
    let desire = Desire {
        key: FlagKey::default_hash(),
        lease: None,
        found: FoundFlags::default(),
        base: Fields::from([("ours".into(), Some("true".into()))]),
        overlay: None,
    };
    let answers = overtake(&world, stored, world.log.desire(&[desire])).await.unwrap();
    let [Ok(image)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(image.fields.keys().collect::<Vec<_>>(), ["ours", "theirs"]);
}
