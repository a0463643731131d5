//! The online strategy: the way there, the way back, and the end of both.

use mover_actors::domain::campaign::{CampaignPlan, Selection};
use mover_actors::domain::record::{Backup, Findings, MoveRecord};
use mover_actors::domain::state::{Aim, Event, State, Step, Strategy};
use mover_actors::ports::{LogError, MoveLog};

use super::world::{Running, World, broken, orgs, phase_2, plan, running_as, running_with};

/// `count` online orgs that have migrated, and a live campaign for what comes next.
async fn migrated<W: World>(world: &W, count: usize, aim: Aim, selection: Selection) -> Running<W::Log> {
    let mut running = running_as(world, Strategy::Online, count, Selection::All).await;
    for mut record in running.claim(u32::try_from(count).unwrap()).await {
        running.migrate(&mut record).await;
    }
    running.log.close_campaign(running.campaign.id, None).await.unwrap();
    let plan = CampaignPlan { aim, ..plan(&phase_2(), selection) };
    running.campaign = running.log.open_campaign(running.node, &plan).await.unwrap();
    assert_eq!(running.campaign.aim, aim);
    running
}

async fn finish<L: MoveLog>(running: &Running<L>, record: &mut MoveRecord, last: Step) {
    running.walk_to(record, last).await;
    running.happen(record, Event::StepDone(last), Findings::default()).await;
    assert_eq!(running.log.load(record.id).await.unwrap(), *record);
}

pub(super) async fn an_online_move_begins_with_the_capture_and_ends_with_the_switch<W: World>(world: &W) {
    let running = running_as(world, Strategy::Online, 1, Selection::All).await;
    let mut record = running.claim_one().await;
    assert_eq!((record.aim, record.state), (Aim::Migrate, State::Started(Step::Capture)));
    finish(&running, &mut record, Step::Switch).await;
    assert_eq!(record.state, State::Migrated);
    assert_eq!(running.counts().await, (1, 1, 0));
}

pub(super) async fn a_switch_that_is_given_up_forgets_its_proof<W: World>(world: &W) {
    let running = running_as(world, Strategy::Online, 1, Selection::All).await;
    let mut record = running.claim_one().await;
    running.walk_to(&mut record, Step::Switch).await;
    running.fail(&mut record).await;
    assert_eq!((record.state, &record.verified), (State::Failed, &None));
    assert_eq!(running.log.load(record.id).await.unwrap(), record);
    assert_eq!(running.log.retry(&phase_2(), &Selection::All).await.unwrap(), 1);
    let again = running.claim_one().await;
    assert_eq!(again.state, State::Started(Step::Capture));
}

pub(super) async fn an_abort_that_finds_the_org_moved_goes_forward<W: World>(world: &W) {
    let running = running_as(world, Strategy::Online, 1, Selection::All).await;
    let mut record = running.claim_one().await;
    running.walk_to(&mut record, Step::Switch).await;
    running.happen(&mut record, Event::StepFailed(Step::Switch), broken(Step::Switch)).await;
    running.happen(&mut record, Event::FoundMoved, Findings::default()).await;
    assert_eq!((record.state, &record.failure), (State::Started(Step::Switch), &None));
    assert!(record.verified.is_some());
    assert_eq!(running.log.load(record.id).await.unwrap(), record);
    finish(&running, &mut record, Step::Switch).await;
    assert_eq!(record.state, State::Migrated);
    assert_eq!(running.counts().await, (1, 1, 0));
}

pub(super) async fn a_rollback_that_is_given_up_too_late_goes_on<W: World>(world: &W) {
    let running = migrated(world, 1, Aim::RollBack, Selection::All).await;
    let mut record = running.claim_one().await;
    running.walk_to(&mut record, Step::Switch).await;
    running.happen(&mut record, Event::StepFailed(Step::Switch), broken(Step::Switch)).await;
    running.happen(&mut record, Event::FoundMoved, Findings::default()).await;
    finish(&running, &mut record, Step::Discard).await;
    assert_eq!((record.state, &record.failure), (State::RolledBack, &None));
    assert_eq!(running.counts().await, (1, 1, 0));
}

pub(super) async fn a_rollback_takes_what_has_migrated<W: World>(world: &W) {
    let running = migrated(world, 2, Aim::RollBack, Selection::All).await;
    let mut claimed = running.claim(5).await;
    assert_eq!(claimed.len(), 2);
    assert_eq!((claimed[0].aim, claimed[0].state), (Aim::RollBack, State::Started(Step::CatchUp)));
    finish(&running, &mut claimed[0], Step::Discard).await;
    assert_eq!(claimed[0].state, State::RolledBack);
    assert_eq!(running.counts().await, (2, 1, 0));
}

pub(super) async fn a_rollback_takes_only_the_named<W: World>(world: &W) {
    let named = orgs(3).swap_remove(1);
    let running = migrated(world, 3, Aim::RollBack, Selection::Names(vec![named.clone()])).await;
    let claimed = running.claim(5).await;
    assert_eq!(claimed.into_iter().map(|record| record.org).collect::<Vec<_>>(), [named]);
}

pub(super) async fn there_is_no_rollback_of_an_offline_move<W: World>(world: &W) {
    let mut running = running_with(world, 1, Selection::All).await;
    let mut record = running.claim_one().await;
    running.migrate(&mut record).await;
    running.log.close_campaign(running.campaign.id, None).await.unwrap();
    let plan = CampaignPlan { aim: Aim::RollBack, ..plan(&phase_2(), Selection::All) };
    running.campaign = running.log.open_campaign(running.node, &plan).await.unwrap();
    assert_eq!(running.claim(5).await, []);
}

pub(super) async fn a_rollback_that_is_given_up_leaves_the_org_migrated<W: World>(world: &W) {
    let running = migrated(world, 1, Aim::RollBack, Selection::All).await;
    let mut record = running.claim_one().await;
    running.fail(&mut record).await;
    assert_eq!(
        (record.state, record.failure.as_ref().map(|failure| failure.step)),
        (State::Migrated, Some(Step::CatchUp))
    );
    assert_eq!(running.log.load(record.id).await.unwrap(), record);
    assert_eq!(running.counts().await, (1, 0, 1));
    // The same campaign does not try it again and again; the next one does.
    assert_eq!(running.claim(5).await, []);
    running.log.close_campaign(running.campaign.id, None).await.unwrap();
    let plan = CampaignPlan { aim: Aim::RollBack, ..plan(&phase_2(), Selection::All) };
    let next = running.log.open_campaign(running.node, &plan).await.unwrap();
    let claimed = running.log.claim(next.id, running.node, 5).await.unwrap();
    assert_eq!(claimed.iter().map(|record| &record.failure).collect::<Vec<_>>(), [&None]);
}

pub(super) async fn only_by_name_an_org_that_was_rolled_back_is_retried<W: World>(world: &W) {
    let running = migrated(world, 1, Aim::RollBack, Selection::All).await;
    let mut record = running.claim_one().await;
    finish(&running, &mut record, Step::Discard).await;
    assert_eq!(running.log.retry(&phase_2(), &Selection::All).await.unwrap(), 0);
    assert_eq!(running.log.retry(&phase_2(), &Selection::Names(vec![record.org.clone()])).await.unwrap(), 1);
    let ready = running.log.load(record.id).await.unwrap();
    assert_eq!((ready.state, ready.aim, ready.verified), (State::Ready, Aim::Migrate, None));
}

pub(super) async fn nothing_is_closed_without_a_backup<W: World>(world: &W) {
    let running = migrated(world, 1, Aim::Finalize, Selection::All).await;
    let mut record = running.claim_one().await;
    assert_eq!(record.state, State::Started(Step::BackUp));
    let advance = record.advance(Event::StepDone(Step::BackUp), Findings::default()).unwrap();
    let answers = running.log.advance(running.node, &[advance]).await.unwrap();
    assert!(matches!(answers[..], [Err(LogError::Invalid { .. })]), "{answers:?}");
    let backup = Some(Backup { path: "acme.backup".into(), sum: Some("07".into()) });
    let findings = Findings { backup: backup.clone(), ..Findings::default() };
    running.happen(&mut record, Event::StepDone(Step::BackUp), findings).await;
    assert_eq!(running.log.load(record.id).await.unwrap().backup, backup);
    finish(&running, &mut record, Step::Purge).await;
    assert_eq!(record.state, State::Finalized);
}

pub(super) async fn a_backup_that_fails_leaves_the_way_back_open<W: World>(world: &W) {
    let running = migrated(world, 1, Aim::Finalize, Selection::All).await;
    let mut record = running.claim_one().await;
    let failed = Event::StepFailed(Step::BackUp);
    running.happen(&mut record, failed, broken(Step::BackUp)).await;
    running.happen(&mut record, Event::StepDone(Step::Abort), Findings::default()).await;
    assert_eq!(running.log.load(record.id).await.unwrap().state, State::Migrated);
}
