//! The desired content of flag hashes, and what is learned from their former content.

use std::collections::BTreeSet;

use mover_actors::domain::flags::{Fields, FlagImage, FlagKey, FoundFlags};
use mover_actors::domain::ids::Epoch;
use mover_actors::ports::{Desire, LogError, MoveLog};

use super::World;
use super::world::*;

const MODE: &str = "503_mode";
const CELL: &str = "cell";

fn fields(pairs: &[(&str, Option<&str>)]) -> Fields {
    pairs.iter().map(|(field, value)| ((*field).to_owned(), value.map(Into::into))).collect()
}

fn found(epoch: Option<Epoch>, pairs: &[(&str, Option<&str>)]) -> FoundFlags {
    FoundFlags { epoch, fields: fields(pairs) }
}

fn key(org_name: &str) -> FlagKey {
    FlagKey::org(&org(org_name))
}

fn desire(key: FlagKey) -> Desire {
    Desire { key, lease: None, found: FoundFlags::default(), base: Fields::new(), overlay: None }
}

/// The 503 of a move, given what Redis holds.
fn block(found: FoundFlags) -> Desire {
    Desire { found, overlay: Some(fields(&[(MODE, Some("true"))])), ..desire(key("acme")) }
}

fn unblock() -> Desire {
    Desire { overlay: Some(Fields::new()), ..desire(key("acme")) }
}

async fn decide<L: MoveLog>(log: &L, desire: Desire) -> FlagImage {
    let mut answers = log.desire(&[desire]).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers.remove(0).unwrap()
}

pub(super) async fn a_new_hash_is_base_and_overlay<W: World>(world: &W) {
    let log = world.process().await;
    let base = fields(&[(CELL, Some("cell_7")), (MODE, Some("false")), ("old", None)]);
    let overlay = Some(fields(&[(MODE, Some("true"))]));
    let image = decide(&*log, Desire { base, overlay, ..desire(key("acme")) }).await;
    assert_eq!(image.key, key("acme"));
    assert_eq!(image.fields, fields(&[(CELL, Some("cell_7")), (MODE, Some("true")), ("old", None)]));
    assert!(image.epoch > Epoch(0));
    assert_eq!(log.desired(None, 9).await.unwrap(), [image]);
    assert_eq!(decide(&*log, unblock()).await.fields[MODE].as_deref(), Some("false"));
}

pub(super) async fn what_was_laid_over_is_taken_away_again<W: World>(world: &W) {
    let log = world.process().await;
    // Whether the caller found no such field or did not look: after the block it must not be there.
    for nothing in [FoundFlags::default(), found(None, &[(MODE, None)])] {
        assert_eq!(decide(&*log, block(nothing)).await.fields, fields(&[(MODE, Some("true"))]));
        assert_eq!(decide(&*log, unblock()).await.fields, fields(&[(MODE, None)]));
    }
}

pub(super) async fn an_operators_own_503_comes_back<W: World>(world: &W) {
    let log = world.process().await;
    // Not stored yet, so whatever Redis holds was an operator's.
    decide(&*log, block(found(None, &[(MODE, Some("true"))]))).await;
    assert_eq!(decide(&*log, unblock()).await.fields, fields(&[(MODE, Some("true"))]));
}

pub(super) async fn a_later_503_of_an_operator_comes_back<W: World>(world: &W) {
    let log = world.process().await;
    let stored = decide(&*log, Desire { base: fields(&[(CELL, Some("cell_1"))]), ..desire(key("acme")) }).await;
    // Redis has the stored epoch, so it lost nothing: another client has set the field since.
    decide(&*log, block(found(Some(stored.epoch), &[(MODE, Some("true"))]))).await;
    assert_eq!(decide(&*log, unblock()).await.fields, fields(&[(CELL, Some("cell_1")), (MODE, Some("true"))]));
}

pub(super) async fn lost_memory_is_not_taken_for_a_decision<W: World>(world: &W) {
    let log = world.process().await;
    decide(&*log, Desire { base: fields(&[(MODE, Some("true"))]), ..desire(key("acme")) }).await;
    // Redis holds nothing, or an older epoch from a backup: it cannot know better than the move log.
    for epoch in [None, Some(Epoch(0))] {
        decide(&*log, block(found(epoch, &[(MODE, None)]))).await;
        assert_eq!(decide(&*log, unblock()).await.fields, fields(&[(MODE, Some("true"))]));
    }
}

pub(super) async fn a_repeated_block_does_not_learn_its_own_503<W: World>(world: &W) {
    let log = world.process().await;
    let blocked = decide(&*log, block(found(None, &[(MODE, None)]))).await;
    // Mover died here, and now finds its own 503 in Redis, at the stored epoch.
    decide(&*log, block(found(Some(blocked.epoch), &[(MODE, Some("true"))]))).await;
    assert_eq!(decide(&*log, unblock()).await.fields, fields(&[(MODE, None)]));
}

pub(super) async fn what_is_asked_for_beats_what_was_found<W: World>(world: &W) {
    let log = world.process().await;
    let asked = Desire {
        base: fields(&[(MODE, Some("false")), (CELL, Some("cell_2"))]),
        ..block(found(None, &[(MODE, Some("true")), (CELL, Some("cell_1"))]))
    };
    let image = decide(&*log, asked).await;
    assert_eq!(image.fields, fields(&[(CELL, Some("cell_2")), (MODE, Some("true"))]));
    assert_eq!(decide(&*log, unblock()).await.fields[MODE].as_deref(), Some("false"));

    // Values of fields without an overlay do not matter.
    let other = Desire { key: key("globex"), ..block(found(None, &[(CELL, Some("cell_1"))])) };
    assert_eq!(decide(&*log, other).await.fields, fields(&[(MODE, Some("true"))]));
}

pub(super) async fn an_absent_overlay_stays<W: World>(world: &W) {
    let log = world.process().await;
    decide(&*log, block(FoundFlags::default())).await;
    let routed = decide(&*log, Desire { base: fields(&[(CELL, Some("cell_2"))]), ..desire(key("acme")) }).await;
    assert_eq!(routed.fields, fields(&[(CELL, Some("cell_2")), (MODE, Some("true"))]));
    // An operator's own 503 while the move's lies over it.
    decide(&*log, Desire { base: fields(&[(MODE, Some("true"))]), ..desire(key("acme")) }).await;
    assert_eq!(decide(&*log, unblock()).await.fields[MODE].as_deref(), Some("true"));
}

pub(super) async fn each_change_has_a_higher_epoch<W: World>(world: &W) {
    let running = running(world, 1).await;
    let record = running.claim_one().await;
    let mut last = record.epoch;
    for _ in 0..3 {
        let image = decide(&*running.log, block(FoundFlags::default())).await;
        assert!(image.epoch > last);
        last = image.epoch;
    }
}

pub(super) async fn a_hash_may_be_changed_twice_in_a_batch<W: World>(world: &W) {
    let log = world.process().await;
    let set = |value| Desire { base: fields(&[(CELL, Some(value))]), ..desire(key("acme")) };
    let other = Desire { key: key("globex"), ..set("cell_9") };
    let answers = log.desire(&[set("cell_1"), other, set("cell_2")]).await.unwrap();
    let images: Vec<FlagImage> = answers.into_iter().map(|answer| answer.unwrap()).collect();
    let cells: Vec<_> = images.iter().map(|image| image.fields[CELL].as_deref().unwrap()).collect();
    assert_eq!(cells, ["cell_1", "cell_9", "cell_2"]);
    assert!(images[2].epoch > images[0].epoch);
    assert_eq!(log.desired(None, 9).await.unwrap(), [images[2].clone(), images[1].clone()]);
    assert!(log.desire(&[]).await.unwrap().is_empty());
}

pub(super) async fn a_lost_claim_changes_no_flag<W: World>(world: &W) {
    let running = running(world, 3).await;
    let mut claimed = running.claim(3).await;
    running.migrate(&mut claimed[2]).await;
    let mut stale = claimed[1].clone();
    stale.epoch.0 -= 1;
    let asked: Vec<Desire> = [&claimed[0], &stale, &claimed[2]]
        .into_iter()
        .map(|record| Desire {
            key: FlagKey::org(&record.org),
            lease: Some((record.id, record.epoch)),
            ..block(FoundFlags::default())
        })
        .collect();
    let answers = running.log.desire(&asked).await.unwrap();
    assert!(matches!(answers[..], [Ok(_), Err(LogError::Fenced { .. }), Err(LogError::Fenced { .. })]), "{answers:?}");
    let desired = running.log.desired(None, 9).await.unwrap();
    assert_eq!(desired.iter().map(|image| &image.key).collect::<Vec<_>>(), [&key("org_000")]);
}

pub(super) async fn concurrent_changes_all_count<W: World>(world: &W) {
    let mut changing = Vec::new();
    for number in 0..8 {
        let log = world.process().await;
        changing.push(tokio::spawn(async move {
            let mut epochs = Vec::new();
            for turn in 0..5 {
                let base = fields(&[(&format!("field_{number}_{turn}"), Some("true"))]);
                epochs.push(decide(&*log, Desire { base, ..desire(FlagKey::default_hash()) }).await.epoch);
            }
            epochs
        }));
    }
    let mut epochs = BTreeSet::new();
    for changing in changing {
        epochs.extend(changing.await.unwrap());
    }
    let image = world.process().await.desired(None, 9).await.unwrap().remove(0);
    assert_eq!((epochs.len(), image.fields.len()), (40, 40));
    assert_eq!(epochs.last(), Some(&image.epoch));
}

pub(super) async fn desired_flags_come_with_the_default_last<W: World>(world: &W) {
    let log = world.process().await;
    let last = [FlagKey::override_hash(), FlagKey::default_hash()];
    let mut keys: Vec<FlagKey> = ["acme", "globex", "initech", "zorg", "Ümläut {x}"].map(key).into();
    keys.push(FlagKey::no_org());
    let mut asked: Vec<Desire> = last.iter().chain(&keys).map(|key| desire(key.clone())).collect();
    asked.rotate_left(3);
    log.desire(&asked).await.unwrap();

    keys.sort();
    keys.extend(last);
    for limit in 1..=9 {
        let mut seen = Vec::new();
        loop {
            let page = log.desired(seen.last(), limit).await.unwrap();
            assert!(page.len() <= limit as usize);
            if page.is_empty() {
                break;
            }
            seen.extend(page.into_iter().map(|image| image.key));
        }
        assert_eq!(seen, keys, "in pages of {limit}");
    }
}

pub(super) async fn one_hash_can_be_asked_for<W: World>(world: &W) {
    let log = world.process().await;
    assert_eq!(log.desired_of(&[key("acme")]).await.unwrap(), [None]);
    let image = decide(&*log, block(found(None, &[]))).await;
    assert_eq!(log.desired_of(&[key("globex"), key("acme")]).await.unwrap(), [None, Some(image)]);
}

pub(super) async fn epochs_are_raised_and_never_lowered<W: World>(world: &W) {
    let log = world.process().await;
    log.raise_epoch(Epoch(1_000)).await.unwrap();
    let raised = decide(&*log, desire(key("acme"))).await.epoch;
    assert!(raised > Epoch(1_000), "{raised}");
    log.raise_epoch(Epoch(5)).await.unwrap();
    assert!(decide(&*log, desire(key("acme"))).await.epoch > raised);
}

pub(super) async fn a_renamed_org_takes_its_flags_along<W: World>(world: &W) {
    let running = running(world, 2).await;
    let (record, other) = (running.claim_one().await, running.claim_one().await);
    let (id, epoch, new) = (record.id, record.epoch, org("renamed"));
    let (former, now) = (FlagKey::org(&record.org), FlagKey::org(&new));
    let desired = Desire {
        base: fields(&[(CELL, Some("cell_7"))]),
        overlay: Some(fields(&[(MODE, Some("true"))])),
        ..desire(former.clone())
    };
    let before = decide(&*running.log, desired).await;

    let taken = running.log.rename(id, epoch, &other.org).await;
    assert!(matches!(taken, Err(LogError::Invalid { .. })), "another org has that name: {taken:?}");
    let late = running.log.rename(id, Epoch(epoch.0 - 1), &new).await;
    assert!(matches!(late, Err(LogError::Fenced { .. })), "{late:?}");
    assert_eq!(running.log.load(id).await.unwrap().org, record.org);

    // Also when the answer was lost and it is repeated.
    for _ in 0..2 {
        running.log.rename(id, epoch, &new).await.unwrap();
        assert_eq!(running.log.load(id).await.unwrap().org, new);
        let images = running.log.desired_of(&[former.clone(), now.clone()]).await.unwrap();
        let [Some(left), Some(taken)] = &images[..] else { panic!("{images:?}") };
        assert_eq!(left.fields, fields(&[(CELL, None), (MODE, None)]), "nothing leads to the org by its former name");
        assert_eq!(taken.fields, before.fields);
        assert!(left.epoch > before.epoch && taken.epoch > before.epoch);
    }
    let opened = Desire { overlay: Some(Fields::new()), ..desire(now) };
    assert_eq!(decide(&*running.log, opened).await.fields[MODE], None, "the block is laid over the base, there, too");
}
