//! From an order to Redis: read the present fields, store the decision, write it.

use std::sync::Arc;

use crate::domain::flags::{FlagImage, FlagKey, FoundFlags};
use crate::domain::ids::Epoch;
use crate::failpoint;
use crate::metering;
use crate::ports::{Flags, FlagsError, LogError, MoveLog, Written};

use super::order::{DarklaunchError, FlagOrder};

/// How many hashes are handled in one call to the move log or to Redis.
pub(super) const PAGE: u32 = 1000;

/// The two places where flags live: the move log decides, Redis follows.
#[derive(Clone)]
pub(super) struct Places {
    pub(super) log: Arc<dyn MoveLog>,
    pub(super) flags: Arc<dyn Flags>,
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

    /// Writes hashes again as they were decided. Those that Mover has never written are only read.
    pub(super) async fn rehearse(&self, keys: &[FlagKey]) -> Result<(), DarklaunchError> {
        let images = self.log.desired_of(keys).await?;
        let unknown = keys.iter().zip(&images).filter(|(_, image)| image.is_none());
        let unknown: Vec<_> = unknown.map(|(key, _)| (key.clone(), Vec::new())).collect();
        if !unknown.is_empty() {
            self.flags.read(&unknown).await?;
        }
        let known: Vec<Task> = images.into_iter().flatten().map(Task::Write).collect();
        self.carry_out(&known).await?.into_iter().try_for_each(|answer| answer.map(drop))
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

    /// Writes one page of decisions that Redis has not seen. Hashes at the decided epoch are left alone: differences there were
    /// made by hand; `flags check` reports them. Returns the key to continue after; `None` after the last page.
    pub(super) async fn catch_up(&self, after: Option<&FlagKey>) -> Result<Option<FlagKey>, DarklaunchError> {
        if after.is_none() {
            // From here on a loss is noticed: `mark_whole` at the end is about the Redis that answered this.
            self.flags.is_whole().await?;
        }
        let images = self.log.desired(after, PAGE).await?;
        let wanted: Vec<_> = images.iter().map(|image| (image.key.clone(), Vec::new())).collect();
        let found = self.flags.read(&wanted).await?;
        let last = images.last().map(|image| image.key.clone());
        let unseen: Vec<FlagImage> = images
            .into_iter()
            .zip(found)
            .filter(|(image, found)| found.epoch.is_none_or(|epoch| epoch < image.epoch))
            .map(|(image, _)| image)
            .collect();
        if !unseen.is_empty() {
            tracing::info!(hashes = unseen.len(), "writing flags that Redis had not seen");
            let written = self.write(&unseen).await?;
            if let Some((image, _)) = unseen.into_iter().zip(written).find(|(_, it)| *it == Written::Withheld) {
                return Err(DarklaunchError::Refilling { key: image.key });
            }
        }
        if last.is_none() {
            self.flags.mark_whole().await?;
        }
        Ok(last)
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
