//! Which transitions of a move may be written, by which node, and how often.

use std::slice::from_ref;

use mover_actors::domain::campaign::Selection;
use mover_actors::domain::ids::MoveId;
use mover_actors::domain::record::{Findings, MoveRecord};
use mover_actors::domain::state::{Aim, Event, State, Step, Strategy};
use mover_actors::ports::{LogError, MoveLog};

use super::World;
use super::world::*;

pub(super) async fn a_move_goes_through_every_step<W: World>(world: &W) {
    let running = running(world, 1).await;
    let mut record = running.claim_one().await;
    for step in [Step::Drain, Step::Copy, Step::Verify, Step::Switch, Step::Unblock] {
        running.walk_to(&mut record, step).await;
        assert_eq!(running.log.load(record.id).await.unwrap(), record);
    }
    running.migrate(&mut record).await;
    let stored = running.log.load(record.id).await.unwrap();
    assert_eq!(stored, record);
    assert_eq!((stored.state, stored.verified), (State::Migrated, Some(proof())));
}

pub(super) async fn a_failing_move_is_parked_with_its_reason<W: World>(world: &W) {
    let running = running(world, 1).await;
    let mut record = running.claim_one().await;
    running.walk_to(&mut record, Step::Verify).await;
    running.happen(&mut record, Event::StepFailed(Step::Verify), broken(Step::Verify)).await;
    assert_eq!(running.log.load(record.id).await.unwrap(), record);
    running.happen(&mut record, Event::StepDone(Step::Abort), Findings::default()).await;
    let stored = running.log.load(record.id).await.unwrap();
    assert_eq!((stored.state, stored.failure), (State::Failed, broken(Step::Verify).failure));
}

pub(super) async fn a_retried_move_starts_afresh<W: World>(world: &W) {
    let running = running(world, 1).await;
    let mut record = running.claim_one().await;
    running.fail(&mut record).await;
    assert_eq!(running.log.retry(&phase_2(), &Selection::All).await.unwrap(), 1);
    let ready = running.log.load(record.id).await.unwrap();
    assert_eq!((ready.state, ready.failure, ready.epoch), (State::Ready, None, record.epoch));

    let mut again = running.claim_one().await;
    assert_eq!((again.state, again.attempts), (State::Started(Step::Block), 2));
    assert!(again.epoch > record.epoch);
    running.migrate(&mut again).await;
    assert_eq!(running.counts().await, (2, 1, 1));
}

pub(super) async fn a_repeated_transition_is_no_other<W: World>(world: &W) {
    let running = running(world, 1).await;
    let mut record = running.claim_one().await;
    running.walk_to(&mut record, Step::Unblock).await;
    let last = done(&record);
    for _ in 0..3 {
        let answers = running.log.advance(running.node, from_ref(&last)).await.unwrap();
        assert!(matches!(answers[..], [Ok(())]), "{answers:?}");
    }
    assert_eq!(running.counts().await, (1, 1, 0));
}

pub(super) async fn an_older_epoch_is_fenced<W: World>(world: &W) {
    let running = running(world, 1).await;
    let stale = running.claim_one().await;
    let other = world.process().await;
    let heir = other.join("b", LEASE).await.unwrap();
    world.expire_lease(running.node).await;
    let mut adopted = other.adopt_orphans(heir, 9).await.unwrap().pop().unwrap();

    let answers = running.log.advance(running.node, &[done(&stale)]).await.unwrap();
    let [Err(LogError::Fenced { id, ours })] = answers[..] else { panic!("{answers:?}") };
    assert_eq!((id, ours), (stale.id, stale.epoch));
    assert_eq!(running.log.load(stale.id).await.unwrap(), adopted);
    happen(&*other, heir, &mut adopted, Event::StepDone(Step::Block), Findings::default()).await;
    // That a newer owner has done the same does not make it ours.
    let answers = running.log.advance(running.node, &[done(&stale)]).await.unwrap();
    assert!(matches!(answers[..], [Err(LogError::Fenced { .. })]), "{answers:?}");
}

pub(super) async fn fencing_one_leaves_the_others<W: World>(world: &W) {
    let running = running(world, 3).await;
    let mut claimed = running.claim(3).await;
    let honest: Vec<_> = claimed.clone();
    claimed[1].epoch.0 -= 1;
    let advances: Vec<_> = claimed.iter().map(done).collect();
    let answers = running.log.advance(running.node, &advances).await.unwrap();
    assert!(matches!(answers[..], [Ok(()), Err(LogError::Fenced { .. }), Ok(())]), "{answers:?}");
    let mut steps = Vec::new();
    for record in &honest {
        steps.push(running.log.load(record.id).await.unwrap().state.step());
    }
    assert_eq!(steps, [Some(Step::Drain), Some(Step::Block), Some(Step::Drain)]);
}

pub(super) async fn a_new_epoch_fences_the_former_one<W: World>(world: &W) {
    let running = running(world, 1).await;
    let stale = running.claim_one().await;
    let epoch = running.log.renew(running.node, stale.id, stale.epoch).await.unwrap();
    assert!(epoch > stale.epoch);
    let mut renewed = MoveRecord { epoch, ..stale.clone() };
    assert_eq!(running.log.load(stale.id).await.unwrap(), renewed);
    let answers = running.log.advance(running.node, &[done(&stale)]).await.unwrap();
    assert!(matches!(answers[..], [Err(LogError::Fenced { .. })]), "{answers:?}");
    running.happen(&mut renewed, Event::StepDone(Step::Block), Findings::default()).await;
}

/// The answer to the first try was lost.
pub(super) async fn a_new_epoch_is_given_once<W: World>(world: &W) {
    let running = running(world, 1).await;
    let record = running.claim_one().await;
    let epoch = running.log.renew(running.node, record.id, record.epoch).await.unwrap();
    assert_eq!(running.log.renew(running.node, record.id, record.epoch).await.unwrap(), epoch);
    let next = running.log.renew(running.node, record.id, epoch).await.unwrap();
    assert!(next > epoch);
    let late = running.log.renew(running.node, record.id, record.epoch).await;
    assert!(matches!(late, Err(LogError::Fenced { .. })), "{late:?}");
    assert_eq!(running.log.load(record.id).await.unwrap().epoch, next);
}

pub(super) async fn only_the_holder_of_a_started_move_gets_a_new_epoch<W: World>(world: &W) {
    let running = running(world, 1).await;
    let mut record = running.claim_one().await;
    let other = world.process().await;
    let heir = other.join("b", LEASE).await.unwrap();
    let theirs = other.renew(heir, record.id, record.epoch).await;
    assert!(matches!(theirs, Err(LogError::Fenced { .. })), "{theirs:?}");
    let epoch = running.log.renew(running.node, record.id, record.epoch).await.unwrap();
    let theirs = other.renew(heir, record.id, record.epoch).await;
    assert!(matches!(theirs, Err(LogError::Fenced { .. })), "{theirs:?}");
    world.expire_lease(running.node).await;
    let adopted = other.adopt_orphans(heir, 9).await.unwrap().pop().unwrap();
    assert!(adopted.epoch > epoch);
    for former in [record.epoch, epoch, adopted.epoch] {
        let ours = running.log.renew(running.node, record.id, former).await;
        assert!(matches!(ours, Err(LogError::Fenced { .. })), "{ours:?}");
    }
    record = adopted;
    happen(&*other, heir, &mut record, Event::StepFailed(Step::Block), broken(Step::Block)).await;
    happen(&*other, heir, &mut record, Event::StepDone(Step::Abort), Findings::default()).await;
    let ended = other.renew(heir, record.id, record.epoch).await;
    assert!(matches!(ended, Err(LogError::Fenced { .. })), "{ended:?}");
}

pub(super) async fn a_transition_from_a_former_state_is_fenced<W: World>(world: &W) {
    let running = running(world, 1).await;
    let mut record = running.claim_one().await;
    let former = record.clone();
    running.walk_to(&mut record, Step::Switch).await;
    // After the switch no node may abort, not even with an old record.
    let abort = former.advance(Event::StepFailed(Step::Block), broken(Step::Block)).unwrap();
    let answers = running.log.advance(running.node, &[abort]).await.unwrap();
    assert!(matches!(answers[..], [Err(LogError::Fenced { .. })]), "{answers:?}");
    assert_eq!(running.log.load(record.id).await.unwrap(), record);
}

pub(super) async fn one_batch_may_hold_two_steps_of_a_move<W: World>(world: &W) {
    let running = running(world, 2).await;
    let claimed = running.claim(2).await;
    let mut later = claimed[0].clone();
    later.apply(done(&claimed[0]));
    let advances = [done(&claimed[0]), done(&claimed[1]), done(&later)];
    let answers = running.log.advance(running.node, &advances).await.unwrap();
    assert!(matches!(answers[..], [Ok(()), Ok(()), Ok(())]), "{answers:?}");
    assert_eq!(running.log.load(claimed[0].id).await.unwrap().state, State::Started(Step::Copy));
    assert_eq!(running.log.load(claimed[1].id).await.unwrap().state, State::Started(Step::Drain));
}

pub(super) async fn a_switch_needs_its_proof<W: World>(world: &W) {
    let running = running(world, 2).await;
    let mut claimed = running.claim(2).await;
    running.walk_to(&mut claimed[0], Step::Verify).await;
    let unproven = claimed[0].advance(Event::StepDone(Step::Verify), Findings::default()).unwrap();
    let answers = running.log.advance(running.node, &[unproven, done(&claimed[1])]).await.unwrap();
    assert!(matches!(answers[..], [Err(LogError::Invalid { .. }), Ok(())]), "{answers:?}");
    assert_eq!(running.log.load(claimed[0].id).await.unwrap(), claimed[0]);
}

pub(super) async fn an_abort_needs_its_reason<W: World>(world: &W) {
    let running = running(world, 1).await;
    let record = running.claim_one().await;
    let silent = record.advance(Event::StepFailed(Step::Block), Findings::default()).unwrap();
    let answers = running.log.advance(running.node, &[silent]).await.unwrap();
    assert!(matches!(answers[..], [Err(LogError::Invalid { .. })]), "{answers:?}");
    assert_eq!(running.log.load(record.id).await.unwrap(), record);
}

pub(super) async fn only_started_moves_advance<W: World>(world: &W) {
    let running = running(world, 1).await;
    let mut record = running.claim_one().await;
    running.fail(&mut record).await;
    // A claim counts in a campaign and takes an epoch, a retry is an operator's: neither is a transition to be written.
    let retried = record.advance(Event::Retried, Findings::default()).unwrap();
    let answers = running.log.advance(running.node, &[retried]).await.unwrap();
    assert!(matches!(answers[..], [Err(LogError::Invalid { .. })]), "{answers:?}");
    running.log.retry(&phase_2(), &Selection::All).await.unwrap();
    record.state = State::Ready;
    let claimed = record.advance(Event::Claimed(Aim::Migrate), Findings::default()).unwrap();
    let answers = running.log.advance(running.node, &[claimed]).await.unwrap();
    assert!(matches!(answers[..], [Err(LogError::Invalid { .. })]), "{answers:?}");
    assert_eq!(running.log.load(record.id).await.unwrap().state, State::Ready);
}

pub(super) async fn an_unknown_move_is_an_error<W: World>(world: &W) {
    let running = running(world, 1).await;
    let mut record = running.claim_one().await;
    record.id = MoveId(999_999);
    assert!(matches!(running.log.load(record.id).await, Err(LogError::Invalid { .. })));
    let answers = running.log.advance(running.node, &[done(&record)]).await.unwrap();
    assert!(matches!(answers[..], [Err(LogError::Invalid { .. })]), "{answers:?}");
    assert!(running.log.advance(running.node, &[]).await.unwrap().is_empty());
}

/// Which orgs are ready, by their numbers.
async fn ready<W: World>(world: &W) -> Vec<String> {
    let states = world.states(&phase_2()).await;
    states
        .into_iter()
        .filter(|(_, state)| *state == State::Ready)
        .map(|(org, _)| org.as_str()[4..].to_owned())
        .collect()
}

pub(super) async fn orgs_are_made_ready_by_selection<W: World>(world: &W) {
    world.capture(&phase_2(), Strategy::Offline, &orgs(20)).await;
    let log = world.process().await;
    assert_eq!(log.make_ready(&phase_2(), &Selection::First(2)).await.unwrap(), 2);
    assert_eq!(ready(world).await, ["000", "001"]);
    assert_eq!(log.make_ready(&phase_2(), &names(&["org_007", "org_001"])).await.unwrap(), 1);
    assert_eq!(ready(world).await, ["000", "001", "007"]);
    assert_eq!(log.make_ready(&phase_2(), &Selection::Percent(11)).await.unwrap(), 3);
    assert_eq!(ready(world).await, ["000", "001", "002", "003", "004", "007"]);
    assert_eq!(log.make_ready(&phase_2(), &Selection::All).await.unwrap(), 14);
    assert_eq!(log.make_ready(&phase_2(), &Selection::All).await.unwrap(), 0);
    assert_eq!(log.make_ready(&phase_3(), &Selection::All).await.unwrap(), 0);
    assert!(matches!(log.make_ready(&phase_2(), &Selection::Percent(101)).await, Err(LogError::Invalid { .. })));
}

pub(super) async fn orgs_are_retried_by_selection<W: World>(world: &W) {
    let running = running(world, 4).await;
    let mut claimed = running.claim(4).await;
    for record in &mut claimed[..3] {
        running.fail(record).await;
    }
    assert_eq!(running.log.retry(&phase_2(), &names(&["org_001", "org_003"])).await.unwrap(), 1);
    assert_eq!(ready(world).await, ["001"]);
    assert_eq!(running.log.retry(&phase_2(), &Selection::First(1)).await.unwrap(), 1);
    assert_eq!(ready(world).await, ["000", "001"]);
    assert_eq!(running.log.retry(&phase_2(), &Selection::All).await.unwrap(), 1);
    assert_eq!(ready(world).await, ["000", "001", "002"]);
}

pub(super) async fn an_unknown_name_changes_nothing<W: World>(world: &W) {
    world.capture(&phase_2(), Strategy::Offline, &orgs(2)).await;
    let log = world.process().await;
    let error = log.make_ready(&phase_2(), &names(&["org_000", "acme"])).await.unwrap_err();
    assert!(matches!(error, LogError::Invalid { .. }), "{error:?}");
    assert!(error.to_string().contains("acme"), "{error}");
    assert!(ready(world).await.is_empty());
}
