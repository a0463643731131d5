//! Campaigns from their opening to their end.

use mover_actors::domain::campaign::{Control, Phase, Selection, Tuning};
use mover_actors::domain::ids::CampaignId;
use mover_actors::domain::state::{Step, Strategy};
use mover_actors::ports::{LogError, MoveLog};

use super::World;
use super::world::*;

pub(super) async fn a_campaign_is_opened_and_ended<W: World>(world: &W) {
    let log = world.process().await;
    let node = log.join("a", LEASE).await.unwrap();
    assert_eq!(log.live_campaign().await.unwrap(), None);
    let plan = plan(&phase_2(), Selection::First(20));
    let opened = log.open_campaign(node, &plan).await.unwrap();
    assert_eq!((&opened.migration, &opened.selection, opened.node), (&plan.migration, &plan.selection, node));
    assert_eq!((opened.phase, opened.tuning), (Phase::Running, plan.tuning));
    assert_eq!((opened.failure_policy, &opened.reason), (plan.failure_policy, &None));
    assert_eq!((opened.claimed, opened.migrated, opened.failed), (0, 0, 0));
    assert_eq!(log.campaign(opened.id).await.unwrap(), opened);
    assert_eq!(log.live_campaign().await.unwrap(), Some(opened.clone()));

    log.close_campaign(opened.id, Some("enough")).await.unwrap();
    assert_eq!(log.live_campaign().await.unwrap(), None);
    log.close_campaign(opened.id, Some("later")).await.unwrap();
    let ended = log.campaign(opened.id).await.unwrap();
    assert_eq!((ended.phase, ended.reason.as_deref()), (Phase::Ended, Some("enough")));

    assert!(matches!(log.campaign(CampaignId(999)).await, Err(LogError::Invalid { .. })));
    assert!(matches!(log.close_campaign(CampaignId(999), None).await, Err(LogError::Invalid { .. })));
}

pub(super) async fn a_second_campaign_is_refused_while_one_lives<W: World>(world: &W) {
    let running = running(world, 1).await;
    let other = world.process().await;
    let node = other.join("b", LEASE).await.unwrap();
    for (log, node) in [(&running.log, running.node), (&other, node)] {
        let error = log.open_campaign(node, &plan(&phase_3(), Selection::All)).await.unwrap_err();
        let LogError::Busy { campaign, migration } = error else { panic!("{error:?}") };
        assert_eq!((campaign, migration), (running.campaign.id, phase_2()));
    }
}

pub(super) async fn one_of_many_at_once_is_opened<W: World>(world: &W) {
    let mut opening = Vec::new();
    for number in 0..6 {
        let log = world.process().await;
        let node = log.join(&format!("node_{number}"), LEASE).await.unwrap();
        opening.push(tokio::spawn(async move {
            log.open_campaign(node, &plan(&phase_2(), Selection::All)).await.map(|campaign| (log, campaign))
        }));
    }
    let mut opened = Vec::new();
    for opening in opening {
        match opening.await.unwrap() {
            Ok(campaign) => opened.push(campaign),
            Err(error) => assert!(matches!(error, LogError::Busy { .. }), "{error:?}"),
        }
    }
    assert_eq!(opened.len(), 1);
}

pub(super) async fn a_campaign_of_a_dead_node_is_interrupted<W: World>(world: &W) {
    let first = running(world, 1).await;
    let log = world.process().await;
    let node = log.join("b", LEASE).await.unwrap();
    world.kill(first.node).await;
    let second = log.open_campaign(node, &plan(&phase_2(), Selection::All)).await.unwrap();
    let interrupted = log.campaign(first.campaign.id).await.unwrap();
    assert_eq!(interrupted.phase, Phase::Ended);
    assert!(interrupted.reason.unwrap().contains("interrupted"));

    let third = log.join("c", LEASE).await.unwrap();
    world.expire_lease(node).await;
    let third = log.open_campaign(third, &plan(&phase_2(), Selection::All)).await.unwrap();
    assert_eq!(log.campaign(second.id).await.unwrap().phase, Phase::Ended);

    let fourth = log.join("d", LEASE).await.unwrap();
    log.leave(third.node).await.unwrap();
    log.open_campaign(fourth, &plan(&phase_2(), Selection::All)).await.unwrap();
    assert_eq!(log.campaign(third.id).await.unwrap().phase, Phase::Ended);
}

pub(super) async fn a_restarted_node_opens_anew<W: World>(world: &W) {
    let former = running(world, 1).await;
    world.kill(former.node).await;
    let log = world.process().await;
    let node = log.join("a", LEASE).await.unwrap();
    log.open_campaign(node, &plan(&phase_2(), Selection::All)).await.unwrap();
    let ended = log.campaign(former.campaign.id).await.unwrap();
    assert_eq!(ended.phase, Phase::Ended);
    assert!(ended.reason.unwrap().contains("interrupted"));
}

pub(super) async fn a_campaign_of_a_dead_node_is_taken_over_and_no_other<W: World>(world: &W) {
    let first = running(world, 2).await;
    first.claim(1).await;
    let log = world.process().await;
    let heir = log.join("b", LEASE).await.unwrap();
    assert_eq!(log.adopt_campaign(heir).await.unwrap(), None, "its node lives");
    log.control(Control::Halt, Some("Ctrl-C")).await.unwrap();
    world.kill(first.node).await;
    let adopted = log.adopt_campaign(heir).await.unwrap().expect("a campaign without a node");
    assert_eq!((adopted.id, adopted.node, adopted.phase), (first.campaign.id, heir, Phase::Running));
    assert_eq!((adopted.claimed, adopted.reason), (1, None));
    assert_eq!(log.claim(adopted.id, heir, 9).await.unwrap().len(), 1);
    log.close_campaign(adopted.id, None).await.unwrap();
    log.leave(heir).await.unwrap();
    let late = log.join("c", LEASE).await.unwrap();
    assert_eq!(log.adopt_campaign(late).await.unwrap(), None, "it has ended");
}

pub(super) async fn the_live_campaign_is_steered<W: World>(world: &W) {
    let running = running(world, 1).await;
    let log = world.process().await;
    let paused = log.control(Control::Pause, Some("lunch")).await.unwrap();
    assert_eq!((paused.phase, paused.reason.as_deref()), (Phase::Paused, Some("lunch")));
    log.control(Control::Concurrency(32), None).await.unwrap();
    log.control(Control::SleepTimeMs(0), None).await.unwrap();
    let tuned = log.control(Control::PaceMs(250), None).await.unwrap();
    assert_eq!(tuned.tuning, Tuning { concurrency: 32, sleep_time_ms: 0, pace_ms: 250 });
    assert_eq!((tuned.phase, tuned.reason.as_deref()), (Phase::Paused, Some("lunch")));
    let resumed = log.control(Control::Resume, None).await.unwrap();
    assert_eq!((resumed.phase, &resumed.reason), (Phase::Running, &None));
    assert!(matches!(log.control(Control::Concurrency(0), None).await, Err(LogError::Invalid { .. })));
    assert_eq!(running.log.campaign(running.campaign.id).await.unwrap(), resumed);
}

pub(super) async fn what_is_halting_goes_on_halting<W: World>(world: &W) {
    let running = running(world, 1).await;
    running.log.control(Control::Halt, Some("too many failures")).await.unwrap();
    running.log.control(Control::Halt, None).await.unwrap();
    for change in [Control::Pause, Control::Resume] {
        assert!(matches!(running.log.control(change, None).await, Err(LogError::Invalid { .. })));
    }
    let halting = running.log.control(Control::PaceMs(9), None).await.unwrap();
    assert_eq!((halting.phase, halting.reason.as_deref()), (Phase::Halting, Some("too many failures")));
}

pub(super) async fn nothing_live_cannot_be_steered<W: World>(world: &W) {
    let log = world.process().await;
    assert!(matches!(log.control(Control::Pause, None).await, Err(LogError::NoCampaign)));
}

pub(super) async fn counts_follow_the_moves<W: World>(world: &W) {
    let running = running(world, 5).await;
    let mut claimed = running.claim(4).await;
    assert_eq!(running.counts().await, (4, 0, 0));
    running.migrate(&mut claimed[0]).await;
    running.fail(&mut claimed[1]).await;
    assert_eq!(running.counts().await, (4, 1, 1));
    for record in &mut claimed[2..] {
        running.walk_to(record, Step::Unblock).await;
    }
    let both: Vec<_> = claimed[2..].iter().map(done).collect();
    running.log.advance(running.node, &both).await.unwrap();
    assert_eq!(running.counts().await, (4, 3, 1));
    assert_eq!(running.log.campaign(running.campaign.id).await.unwrap().in_flight(), 0);
}

pub(super) async fn counts_are_kept_after_the_end<W: World>(world: &W) {
    let running = running(world, 2).await;
    let mut claimed = running.claim(2).await;
    running.log.close_campaign(running.campaign.id, Some("halted")).await.unwrap();
    running.migrate(&mut claimed[0]).await;
    running.fail(&mut claimed[1]).await;
    assert_eq!(running.counts().await, (2, 1, 1));
}

pub(super) async fn a_plan_that_makes_no_sense_is_refused<W: World>(world: &W) {
    world.capture(&phase_2(), Strategy::Offline, &orgs(2)).await;
    let log = world.process().await;
    let node = log.join("a", LEASE).await.unwrap();
    for selection in [Selection::Percent(0), Selection::Percent(101), names(&["org_000", "acme"])] {
        let error = log.open_campaign(node, &plan(&phase_2(), selection)).await.unwrap_err();
        assert!(matches!(error, LogError::Invalid { .. }), "{error:?}");
    }
    let mut idle = plan(&phase_2(), Selection::All);
    idle.tuning.concurrency = 0;
    assert!(matches!(log.open_campaign(node, &idle).await, Err(LogError::Invalid { .. })));
    assert_eq!(log.live_campaign().await.unwrap(), None);
}
