//! Which node gets which org.

use std::collections::BTreeSet;
use std::sync::Arc;

use mover_actors::domain::campaign::{Control, Selection};
use mover_actors::domain::ids::{Epoch, MoveId};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{State, Step, Strategy};
use mover_actors::ports::MoveLog;

use super::World;
use super::world::*;

fn called(records: &[MoveRecord]) -> Vec<&str> {
    records.iter().map(|record| record.org.as_str()).collect()
}

pub(super) async fn a_claim_starts_the_first_step<W: World>(world: &W) {
    let running = running(world, 1).await;
    let record = running.claim_one().await;
    assert_eq!(record.org, org("org_000"));
    assert_eq!(record.key.as_str(), "key of org_000");
    assert_eq!(record.migration, phase_2());
    assert_eq!(record.state, State::Started(Step::Block));
    assert_eq!(record.campaign, Some(running.campaign.id));
    assert_eq!(record.attempts, 1);
    assert!(record.epoch > Epoch(0));
    assert_eq!(running.log.load(record.id).await.unwrap(), record);
    assert!(running.claim(1).await.is_empty());
    assert_eq!(running.counts().await, (1, 0, 0));
}

pub(super) async fn claims_under_concurrency_are_exclusive<W: World>(world: &W) {
    let first = Arc::new(running(world, 200).await);
    let mut claimers = Vec::new();
    for number in 0..8 {
        let (log, campaign) = (world.process().await, first.campaign.id);
        claimers.push(tokio::spawn(async move {
            let node = log.join(&format!("claimer_{number}"), LEASE).await.unwrap();
            let mut mine = Vec::new();
            loop {
                let claimed = log.claim(campaign, node, 7).await.unwrap();
                assert!(claimed.len() <= 7);
                if claimed.is_empty() {
                    return mine;
                }
                mine.extend(claimed);
            }
        }));
    }
    let mut all = Vec::new();
    for claimer in claimers {
        all.extend(claimer.await.unwrap());
    }
    // Claims that met only locked orgs answered none; the rest is free now.
    all.extend(first.claim(200).await);
    let moves: BTreeSet<MoveId> = all.iter().map(|record| record.id).collect();
    let epochs: BTreeSet<Epoch> = all.iter().map(|record| record.epoch).collect();
    assert_eq!((all.len(), moves.len(), epochs.len()), (200, 200, 200));
    assert_eq!(first.counts().await, (200, 0, 0));
}

pub(super) async fn orgs_are_claimed_in_the_order_of_capture<W: World>(world: &W) {
    world.capture(&phase_2(), Strategy::Offline, &[org("zulu"), org("alpha"), org("mike")]).await;
    let log = world.process().await;
    log.make_ready(&phase_2(), &Selection::All).await.unwrap();
    let node = log.join("a", LEASE).await.unwrap();
    let campaign = log.open_campaign(node, &plan(&phase_2(), Selection::All)).await.unwrap();
    assert_eq!(called(&log.claim(campaign.id, node, 2).await.unwrap()), ["zulu", "alpha"]);
    assert_eq!(called(&log.claim(campaign.id, node, 2).await.unwrap()), ["mike"]);
}

pub(super) async fn first_counts_what_the_campaign_claimed<W: World>(world: &W) {
    let running = running_with(world, 9, Selection::First(3)).await;
    assert_eq!(called(&running.claim(2).await), ["org_000", "org_001"]);
    assert_eq!(called(&running.claim(2).await), ["org_002"]);
    assert!(running.claim(2).await.is_empty());
}

pub(super) async fn percent_is_a_share_of_all_orgs<W: World>(world: &W) {
    world.capture(&phase_2(), Strategy::Offline, &orgs(10)).await;
    let log = world.process().await;
    // 25 % of ten, rounded up; of all ten, though only five of them are ready.
    assert_eq!(log.make_ready(&phase_2(), &Selection::Percent(50)).await.unwrap(), 5);
    let node = log.join("a", LEASE).await.unwrap();
    let campaign = log.open_campaign(node, &plan(&phase_2(), Selection::Percent(25))).await.unwrap();
    assert_eq!(called(&log.claim(campaign.id, node, 9).await.unwrap()), ["org_000", "org_001", "org_002"]);
    assert!(log.claim(campaign.id, node, 9).await.unwrap().is_empty());
}

pub(super) async fn names_claim_only_the_named<W: World>(world: &W) {
    let running = running_with(world, 5, names(&["org_003", "org_001", "org_003"])).await;
    assert_eq!(called(&running.claim(9).await), ["org_001", "org_003"]);
    assert!(running.claim(9).await.is_empty());
}

pub(super) async fn a_named_org_is_claimed_once_it_is_ready<W: World>(world: &W) {
    world.capture(&phase_2(), Strategy::Offline, &orgs(3)).await;
    let log = world.process().await;
    let node = log.join("a", LEASE).await.unwrap();
    let campaign = log.open_campaign(node, &plan(&phase_2(), names(&["org_001"]))).await.unwrap();
    assert!(log.claim(campaign.id, node, 9).await.unwrap().is_empty());
    log.make_ready(&phase_2(), &Selection::All).await.unwrap();
    assert_eq!(called(&log.claim(campaign.id, node, 9).await.unwrap()), ["org_001"]);
}

pub(super) async fn a_retried_org_is_claimed_again<W: World>(world: &W) {
    for selection in [Selection::All, names(&["org_000"])] {
        let running = running_with(world, 1, selection).await;
        let mut record = running.claim_one().await;
        running.fail(&mut record).await;
        assert!(running.claim(1).await.is_empty());
        running.log.retry(&phase_2(), &Selection::All).await.unwrap();
        let again = running.claim_one().await;
        assert_eq!(again.id, record.id);
        assert!(again.epoch > record.epoch);
        running.fail(&mut again.clone()).await;
        running.log.retry(&phase_2(), &Selection::All).await.unwrap();
        running.log.close_campaign(running.campaign.id, None).await.unwrap();
    }
}

pub(super) async fn an_org_in_flight_elsewhere_is_left_out<W: World>(world: &W) {
    let first = running_with(world, 3, names(&["org_001"])).await;
    let mut elsewhere = first.claim_one().await;
    first.log.close_campaign(first.campaign.id, None).await.unwrap();

    world.capture(&phase_3(), Strategy::Offline, &orgs(3)).await;
    first.log.make_ready(&phase_3(), &Selection::All).await.unwrap();
    let campaign = first.log.open_campaign(first.node, &plan(&phase_3(), Selection::All)).await.unwrap();
    let second = Running { log: first.log.clone(), node: first.node, campaign };
    assert_eq!(called(&second.claim(9).await), ["org_000", "org_002"]);
    assert!(second.claim(9).await.is_empty());

    first.migrate(&mut elsewhere).await;
    assert_eq!(called(&second.claim(9).await), ["org_001"]);
}

pub(super) async fn only_a_running_campaign_claims<W: World>(world: &W) {
    let running = running(world, 5).await;
    running.log.control(Control::Pause, None).await.unwrap();
    assert!(running.claim(1).await.is_empty());
    running.log.control(Control::Resume, None).await.unwrap();
    assert_eq!(running.claim(1).await.len(), 1);
    running.log.control(Control::Halt, None).await.unwrap();
    assert!(running.claim(1).await.is_empty());
    running.log.close_campaign(running.campaign.id, None).await.unwrap();
    assert!(running.claim(1).await.is_empty());
    assert_eq!(running.counts().await, (1, 0, 0));
}
