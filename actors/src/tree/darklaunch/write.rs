//! From an order to Redis: read the present fields, store the decision, write it.

use std::sync::Arc;

use crate::domain::effective::{Hashes, Layer};
use crate::domain::flags::{Fields, FlagImage, FlagKey, FoundFlags};
use crate::domain::ids::Epoch;
use crate::failpoint;
use crate::metering;
use crate::ports::{Flags, FlagsError, LogError, MoveLog, Written};

use super::mends::{self, Cause};
use super::order::{DarklaunchError, FlagOrder};

/// How many hashes are handled in one call to the move log or to Redis.
pub(super) const PAGE: u32 = 1000;

/// The two places where flags live: the move log decides, Redis follows.
#[derive(Clone)]
pub(super) struct Places {
    pub(super) log: Arc<dyn MoveLog>,
    pub(super) flags: Arc<dyn Flags>,
}

/// A page of a catch-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Page {
    First,
    After {
        after: FlagKey,
        /// Whether Redis had all flags when the catch-up began.
        was_whole: bool,
    },
}

impl Page {
    fn after(&self) -> Option<&FlagKey> {
        match self {
            Page::First => None,
            Page::After { after, .. } => Some(after),
        }
    }
}

/// What is done about decisions that Redis has not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhatIsNew {
    Written,
    LeftAlone,
}

/// A task about one hash.
pub(super) enum Task {
    /// Decide and write.
    Apply(FlagOrder),
    /// Decide only.
    Decide(FlagOrder),
    /// Write an earlier decision.
    Write(FlagImage),
}

impl Task {
    fn order(&self) -> Option<&FlagOrder> {
        match self {
            Task::Apply(order) | Task::Decide(order) => Some(order),
            Task::Write(_) => None,
        }
    }

    /// The hash that the task writes to Redis.
    pub(super) fn written_key(&self) -> Option<&FlagKey> {
        match self {
            Task::Apply(order) => Some(&order.key),
            Task::Decide(_) => None,
            Task::Write(image) => Some(&image.key),
        }
    }

    /// Whether the task writes Redis.
    fn is_written(&self) -> bool {
        !matches!(self, Task::Decide(_))
    }
}

/// A hash in which Redis differs from the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The decision.
    pub wanted: FlagImage,
    /// What Redis has for these fields.
    pub found: FoundFlags,
}

impl Drift {
    /// How they differ.
    pub fn cause(&self) -> Cause {
        mends::cause(&self.wanted, &self.found)
    }

    /// Whether the hash holds for all orgs, and writing it as decided would shut them, or open them.
    pub fn changes_503_of_all(&self) -> bool {
        self.wanted.key.is_of_all() && mends::changes_503(&self.wanted, &self.found)
    }
}

impl Places {
    /// Carries out all tasks together; a result for each, in order: the hash as it was decided.
    pub(super) async fn carry_out(
        &self,
        tasks: &[Task],
    ) -> Result<Vec<Result<FlagImage, DarklaunchError>>, DarklaunchError> {
        let orders: Vec<_> = tasks.iter().filter_map(Task::order).collect();
        let mut decided =
            self.decide(&orders, tasks.iter().any(|task| matches!(task, Task::Apply(_)))).await?.into_iter();
        let image_of = |task: &Task| match task {
            Task::Write(image) => Some(Ok(image.clone())),
            Task::Apply(_) | Task::Decide(_) => decided.next(),
        };
        let images: Vec<_> = tasks.iter().filter_map(image_of).collect();

        let due = images.iter().zip(tasks).filter(|(_, task)| task.is_written());
        let due: Vec<FlagImage> = due.filter_map(|(image, _)| image.as_ref().ok().cloned()).collect();
        let mut written = self.write(&due).await?.into_iter();
        let mut answers = Vec::with_capacity(tasks.len());
        for (image, task) in images.into_iter().zip(tasks) {
            answers.push(match image {
                Ok(image) if task.is_written() => match written.next() {
                    Some(Written::Stale { found }) => self.superseded(image, found).await,
                    Some(Written::Withheld) => Err(DarklaunchError::Refilling { key: image.key }),
                    Some(Written::Applied) | None => Ok(image),
                },
                decided => decided,
            });
        }
        Ok(answers)
    }

    async fn write(&self, images: &[FlagImage]) -> Result<Vec<Written>, FlagsError> {
        let written = self.flags.write(images).await;
        match &written {
            Ok(written) => metering::flags_written(written),
            Err(_) => metering::flags_not_written(images.len()),
        }
        written
    }

    /// Stores the decisions of orders; a result for each, in order. If Redis is away, it stores nothing that must be written at
    /// once.
    async fn decide(
        &self,
        orders: &[&FlagOrder],
        are_written: bool,
    ) -> Result<Vec<Result<FlagImage, DarklaunchError>>, DarklaunchError> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let found = if are_written || orders.iter().any(|order| order.overlay.is_some()) {
            let wanted: Vec<_> = orders.iter().map(|order| (order.key.clone(), order.fields_to_read())).collect();
            self.flags.read(&wanted).await?
        } else {
            // Writers wait, and the fields in Redis matter only to overlays.
            vec![FoundFlags::default(); orders.len()]
        };
        let desires: Vec<_> = orders.iter().zip(found).map(|(order, found)| order.desire(found)).collect();
        let decided = self.log.desire(&desires).await?;
        orders.iter().filter_map(|order| order.desired_failpoint).for_each(failpoint::hit);
        Ok(decided.into_iter().map(|image| image.map_err(DarklaunchError::from)).collect())
    }

    /// Writes hashes again as they were decided. Those that Mover has never written are read, and another write is tried.
    pub(super) async fn rehearse(&self, keys: &[FlagKey]) -> Result<(), DarklaunchError> {
        let images = self.log.desired_of(keys).await?;
        let unknown = keys.iter().zip(&images).filter(|(_, image)| image.is_none());
        let unknown: Vec<_> = unknown.map(|(key, _)| (key.clone(), Vec::new())).collect();
        if !unknown.is_empty() {
            self.flags.read(&unknown).await?;
            self.flags.try_write().await?;
        }
        let known: Vec<Task> = images.into_iter().flatten().map(Task::Write).collect();
        self.carry_out(&known).await?.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// Marks those of these hashes that are as they were decided.
    pub(super) async fn witness(&self, keys: &[FlagKey]) -> Result<Vec<bool>, DarklaunchError> {
        let images = self.log.desired_of(keys).await?;
        let known: Vec<_> = images.iter().flatten().map(|image| (image.key.clone(), image.epoch)).collect();
        let mut marked = self.flags.witness(&known).await?.into_iter();
        Ok(images.iter().map(|image| image.is_some() && marked.next().unwrap_or(false)).collect())
    }

    /// Why orgs may not have been blocked by these fields all the time since their hashes were marked.
    pub(super) async fn doubts(
        &self,
        keys: &[FlagKey],
        blocked: &Fields,
    ) -> Result<Vec<Option<String>>, DarklaunchError> {
        let images = self.log.desired_of(keys).await?;
        let known: Vec<_> = images.iter().flatten().map(|image| (image.key.clone(), image.epoch)).collect();
        let mut kept = self.flags.is_witnessed(&known).await?.into_iter();
        let fields: Vec<String> = blocked.keys().cloned().collect();
        let of_all = [FlagKey::default_hash(), FlagKey::override_hash()];
        let wanted: Vec<_> = of_all.iter().chain(keys).map(|key| (key.clone(), fields.clone())).collect();
        let mut found = self.flags.read(&wanted).await?.into_iter().map(|found| found.fields);
        let (default, over) = (found.next().unwrap_or_default(), found.next().unwrap_or_default());
        let doubts = keys.iter().zip(&images).zip(found).map(|((key, image), own)| {
            let hashes = Hashes { default: &default, own: &own, over: &over };
            let open = |field: &&String| {
                hashes.value(field).map(|(value, _)| value) != blocked.get(*field).and_then(Option::as_deref)
            };
            let open = fields.iter().find(open);
            let was_kept = image.is_some() && kept.next().unwrap_or(false);
            match open.map(|field| (field, hashes.value(field))) {
                Some((field, Some((value, Layer::Override)))) => {
                    Some(format!("dl_override has {field} = {value:?}, which overrules the block of every org"))
                }
                Some((field, _)) => Some(format!("{key} has lost {field}")),
                None if !was_kept => Some(format!("Redis has lost {key} meanwhile, or is another server")),
                None => None,
            }
        });
        Ok(doubts.collect())
    }

    /// Redis has a newer decision about this hash than ours. If the move log has it, it was made after ours and contains it. If
    /// not, Redis has followed another move log.
    async fn superseded(&self, image: FlagImage, found: Epoch) -> Result<FlagImage, DarklaunchError> {
        let newest = self.log.desired_of(std::slice::from_ref(&image.key)).await?.pop().flatten();
        let known = newest.map_or(image.epoch, |newest| newest.epoch);
        if known >= found {
            return Ok(image);
        }
        Err(DarklaunchError::Ahead { key: image.key, found, known })
    }

    /// Writes one page of decisions that Redis has not seen, or has lost. Hashes at the decided epoch are left alone: differences
    /// there were made by hand, and the sweep looks at them. Returns the page after this one; `None` after the last page.
    pub(super) async fn catch_up(&self, page: &Page) -> Result<Option<Page>, DarklaunchError> {
        let was_whole = match page {
            // From here on a loss is noticed: `mark_whole` at the end is about the Redis that answered this.
            Page::First => self.flags.is_whole().await?,
            Page::After { was_whole, .. } => *was_whole,
        };
        let images = self.log.desired(page.after(), PAGE).await?;
        let wanted: Vec<_> = images.iter().map(|image| (image.key.clone(), mends::fields_to_read(image))).collect();
        let found = self.flags.read(&wanted).await?;
        let last = images.last().map(|image| image.key.clone());
        let unseen = |(image, found): &(FlagImage, FoundFlags)| found.epoch.is_none_or(|epoch| epoch < image.epoch);
        let mut due: Vec<FlagImage> = Vec::new();
        for (image, found) in images.into_iter().zip(found).filter(unseen) {
            if !was_whole {
                due.push(image);
            // A Redis that lost its memory gets everything back. One that did not was changed by someone.
            } else if !self.is_held_back(&image, &found).await? {
                due.extend(mends::without_own_503(&image, &found));
            }
        }
        if !due.is_empty() {
            tracing::info!(hashes = due.len(), "writing flags that Redis had not seen");
            let written = self.write(&due).await?;
            if let Some((image, _)) = due.into_iter().zip(written).find(|(_, it)| *it == Written::Withheld) {
                return Err(DarklaunchError::Refilling { key: image.key });
            }
        }
        if last.is_none() {
            self.flags.mark_whole().await?;
        }
        Ok(last.map(|after| Page::After { after, was_whole }))
    }

    /// Compares one page of hashes with their decisions, and writes what was lost or changed. Returns the key to continue
    /// after; `None` after the last page.
    pub(super) async fn sweep(
        &self,
        after: Option<&FlagKey>,
        differing: &mut u64,
    ) -> Result<Option<FlagKey>, DarklaunchError> {
        let images = self.log.desired(after, PAGE).await?;
        let last = images.last().map(|image| image.key.clone());
        *differing += self.mend(images, WhatIsNew::Written).await?;
        Ok(last)
    }

    /// The same for these hashes. Decisions that Redis has not seen are left to the sweep: their writer may be waiting for its
    /// moment.
    pub(super) async fn look_at(&self, keys: &[FlagKey]) -> Result<(), DarklaunchError> {
        let images = self.log.desired_of(keys).await?.into_iter().flatten().collect();
        self.mend(images, WhatIsNew::LeftAlone).await.map(drop)
    }

    /// Writes decisions that Redis has lost, or that someone has overwritten, under their own epochs; returns how many hashes
    /// stay different.
    async fn mend(&self, images: Vec<FlagImage>, new: WhatIsNew) -> Result<u64, DarklaunchError> {
        if images.is_empty() {
            return Ok(0);
        }
        let wanted: Vec<_> = images.iter().map(|image| (image.key.clone(), mends::fields_to_read(image))).collect();
        let found = self.flags.read(&wanted).await?;
        let (mut due, mut causes, mut left) = (Vec::new(), Vec::new(), 0);
        for (image, found) in images.into_iter().zip(found) {
            let cause = mends::cause(&image, &found);
            match cause {
                Cause::None => {}
                Cause::Unseen if new == WhatIsNew::LeftAlone => {}
                Cause::Lost | Cause::Changed if self.is_held_back(&image, &found).await? => left += 1,
                Cause::Unseen | Cause::Lost | Cause::Changed => match mends::without_own_503(&image, &found) {
                    Some(to_write) => {
                        mends::report(cause, &image, &found);
                        due.push(to_write);
                        causes.push(cause);
                    }
                    None => left += 1,
                },
                // `flags repair` decides about these.
                Cause::Ahead => left += 1,
            }
        }
        if !due.is_empty() {
            let written = self.write(&due).await?;
            for (cause, written) in causes.into_iter().zip(written) {
                if written == Written::Applied {
                    metering::flags_mended(cause.into());
                }
            }
        }
        Ok(left)
    }

    /// Whether a hash is not written back without being asked for: it holds for all orgs, someone who is not Mover has removed
    /// or changed it, and writing it back would shut them all, or open them.
    async fn is_held_back(&self, image: &FlagImage, found: &FoundFlags) -> Result<bool, DarklaunchError> {
        match mends::cause(image, found) {
            _ if !image.key.is_of_all() => Ok(false),
            Cause::Changed => Ok(true),
            Cause::Lost if mends::changes_503(image, found) => {
                let notes = self.flags.read(&[(FlagKey::notes(), vec![FlagKey::note_of(&image.key)])]).await?;
                let was_written = |notes: &FoundFlags| notes.fields.values().any(Option::is_some);
                Ok(notes.first().is_some_and(was_written))
            }
            Cause::None | Cause::Unseen | Cause::Lost | Cause::Ahead => Ok(false),
        }
    }

    /// Decides every differing hash again, with an epoch above any in Redis, and writes it.
    pub(super) async fn repair(&self) -> Result<u64, DarklaunchError> {
        let mut repaired = 0;
        self.flags.is_whole().await?;
        loop {
            let (_, drifts) = drifts(self.log.as_ref(), self.flags.as_ref(), PAGE as usize).await?;
            if drifts.is_empty() {
                self.flags.mark_whole().await?;
                return Ok(repaired);
            }
            if let Some(newest) = drifts.iter().filter_map(|drift| drift.found.epoch).max() {
                self.log.raise_epoch(newest).await?;
            }
            let as_decided = |drift: Drift| FlagOrder::of_operator(drift.wanted.key, Default::default());
            let tasks: Vec<_> = drifts.into_iter().map(as_decided).map(Task::Apply).collect();
            for answer in self.carry_out(&tasks).await? {
                answer?;
                repaired += 1;
            }
        }
    }
}

/// Where Redis differs from the decisions, at most `limit` hashes, and how many were compared. Writes nothing, so any process
/// may call it.
pub async fn drifts(log: &dyn MoveLog, flags: &dyn Flags, limit: usize) -> Result<(u64, Vec<Drift>), DarklaunchError> {
    let (mut checked, mut drifts, mut after) = (0, Vec::new(), None);
    loop {
        let images = log.desired(after.as_ref(), PAGE).await?;
        let Some(last) = images.last() else { return Ok((checked, drifts)) };
        after = Some(last.key.clone());
        let wanted: Vec<_> =
            images.iter().map(|image| (image.key.clone(), image.fields.keys().cloned().collect())).collect();
        let found = flags.read(&wanted).await?;
        checked += images.len() as u64;
        let differing = images.into_iter().zip(found).filter(|(wanted, found)| differs(wanted, found));
        let room = limit.saturating_sub(drifts.len());
        drifts.extend(differing.take(room).map(|(wanted, found)| Drift { wanted, found }));
    }
}

/// Those of these hashes that differ from their decisions. Writes nothing.
pub async fn drifts_of(log: &dyn MoveLog, flags: &dyn Flags, keys: &[FlagKey]) -> Result<Vec<Drift>, DarklaunchError> {
    let images: Vec<FlagImage> = log.desired_of(keys).await?.into_iter().flatten().collect();
    let wanted: Vec<_> = images.iter().map(|image| (image.key.clone(), mends::fields_to_read(image))).collect();
    let found = flags.read(&wanted).await?;
    let differing = images.into_iter().zip(found).filter(|(wanted, found)| differs(wanted, found));
    Ok(differing.map(|(wanted, found)| Drift { wanted, found }).collect())
}

fn differs(wanted: &FlagImage, found: &FoundFlags) -> bool {
    wanted.fields != found.fields || found.epoch.is_some_and(|epoch| epoch > wanted.epoch)
}

/// Whether an error comes from Redis, and not from the move log.
pub(super) fn is_redis(error: &DarklaunchError) -> bool {
    match error {
        DarklaunchError::Flags(_) | DarklaunchError::Refilling { .. } => true,
        DarklaunchError::Log(LogError::Unreachable { .. } | LogError::Fenced { .. })
        | DarklaunchError::Log(LogError::Busy { .. } | LogError::NoCampaign | LogError::Refused(_))
        | DarklaunchError::Log(LogError::Invalid { .. })
        | DarklaunchError::Ahead { .. }
        | DarklaunchError::Gone(_) => false,
    }
}
