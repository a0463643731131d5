//! The effects of the online strategy, during which clients keep writing.

use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::domain::flags::present;
use crate::domain::record::{Backup, Findings, Lease, MoveRecord};
use crate::domain::state::{Strategy, Way};
use crate::failpoint;
use crate::metering::{Backlog, ShutOut};
use crate::ports::{Access, BlockOutcome, CaughtUp, Limits, WriteBlock};
use crate::tree::darklaunch::{DarklaunchError, FlagOrder};

use super::effects::{Effects, Outcome, StepError, each, proven, share};

/// A round of catch-up that takes at most this part of the block's bound can be the last one.
const LAST_ROUND_SHARE: u32 = 4;
/// After so many rounds in a row that leave as much as the best one before them, the backlog does not shrink.
const ROUNDS_WITHOUT_GAIN_MAX: u32 = 8;
/// A slow round with no more keys than this says nothing about how fast the org is written: the stores are slow.
const FEW_KEYS: i64 = 100;
/// The pause after a round that had nothing to do.
const ROUND_PAUSE: Duration = Duration::from_millis(20);

impl Effects {
    pub(super) async fn capture(&self, leases: &[Lease]) -> Result<Findings, StepError> {
        failpoint::hit("capture.begin");
        self.engine.capture(leases).await?;
        failpoint::hit("capture.done");
        Ok(Findings::default())
    }

    pub(super) async fn copy_live(&self, leases: &[Lease]) -> Result<Findings, StepError> {
        failpoint::hit("copy.begin");
        let copied = self.engine.copy_live(leases).await?;
        Ok(share(copied, leases))
    }

    /// Round after round, until one is so short that it could run while writers wait. Parks an org whose clients write faster
    /// than Mover reads, before any writer is blocked.
    pub(super) async fn catch_up(&self, leases: &[Lease], way: Way) -> Result<Findings, StepError> {
        failpoint::hit("catch_up.begin");
        let limits = self.limits(leases)?;
        let last_round_max = Duration::from_millis(limits.max_block_ms) / LAST_ROUND_SHARE;
        let (mut fewest_left, mut rounds_without_gain) = (i64::MAX, 0);
        let mut backlog = Backlog::default();
        loop {
            let begun = Instant::now();
            let CaughtUp { keys, left } = self.engine.catch_up(leases, way).await?;
            backlog.is(left);
            self.progress.made();
            if begun.elapsed() <= last_round_max && left <= limits.max_change_backlog {
                failpoint::hit("catch_up.done");
                return Ok(Findings::default());
            }
            rounds_without_gain = if left < fewest_left { 0 } else { rounds_without_gain + 1 };
            fewest_left = fewest_left.min(left);
            if rounds_without_gain >= ROUNDS_WITHOUT_GAIN_MAX {
                return Err(no_gain(keys, left, begun.elapsed(), limits.max_block_ms));
            }
            if keys == 0 {
                sleep(ROUND_PAUSE).await;
            }
        }
    }

    /// Compares all rows without a logged change; the others are compared when they are carried over.
    pub(super) async fn verify_live(
        &self,
        records: &[MoveRecord],
        leases: &[Lease],
        way: Way,
    ) -> Result<Vec<Outcome>, StepError> {
        failpoint::hit("verify.begin");
        let tallies = self.engine.compare(leases, way).await?.into_iter();
        let from_source_to_target = |(leaving, receiving)| match way {
            Way::Forward => (leaving, receiving),
            Way::Back => (receiving, leaving),
        };
        Ok(self.proofs(records, leases, tallies.map(from_source_to_target)).await)
    }

    /// Writers wait from the lock on until the flags are written, but never longer than the bound: past the point of no return
    /// the stores themselves redirect writers, and the flags follow.
    pub(super) async fn switch_live(
        &self,
        records: &[MoveRecord],
        leases: &[Lease],
        way: Way,
    ) -> Result<Vec<Outcome>, StepError> {
        failpoint::hit("switch.begin");
        proven(records)?;
        // No writer is blocked while the flags cannot be written.
        let orders = self.routes(leases, way)?;
        self.flags.rehearse(leases.iter().map(|lease| FlagOrder::of_move(lease, "switch.ready")).collect()).await?;
        failpoint::hit("switch.ready");
        let BlockOutcome { orgs, block } = self.engine.block(leases, way).await?;
        let of = |wanted: Access| -> (Vec<Lease>, Vec<FlagOrder>) {
            let chosen = orgs.iter().zip(leases).zip(&orders).filter(|((access, _), _)| **access == wanted);
            chosen.map(|((_, lease), order)| (lease.clone(), order.clone())).unzip()
        };
        let (held, orders_of_held) = of(Access::Held);
        // A process died during this step: continue from there.
        let (moved, orders_of_moved) = of(Access::Moved);
        let mut moved = self.complete(&moved, way, orders_of_moved).await?.into_iter();
        let count = held.len();
        let carried = match block {
            Some(block) => self.carry_across(held, block, orders_of_held).await,
            None => Ok(Vec::new()),
        };
        let mut held = match carried {
            Ok(outcomes) => outcomes,
            Err(error @ StepError::Transient { .. }) => vec![Err(error); count],
            Err(error) => return Err(error),
        }
        .into_iter();
        failpoint::hit("switch.done");
        let outcome = |access: &Access| match access {
            Access::Held => held.next().unwrap_or(Err(StepError::Apart)),
            Access::Moved => moved.next().unwrap_or(Err(StepError::Apart)),
            Access::Busy => Err(StepError::Apart),
        };
        Ok(orgs.iter().map(outcome).collect())
    }

    /// Carries the last writes over while writers wait, and lets them continue in the other store.
    async fn carry_across(
        &self,
        leases: Vec<Lease>,
        mut block: Box<dyn WriteBlock>,
        orders: Vec<FlagOrder>,
    ) -> Result<Vec<Outcome>, StepError> {
        let since = block.since();
        let mut shut_out: Vec<ShutOut> = leases.iter().map(|_| ShutOut::since(Strategy::Online, since)).collect();
        failpoint::hit("switch.blocked");
        block.leave().await?;
        let opened = self.open(&leases, block, orders, &mut shut_out).await;
        if opened.is_err() {
            // The one store refuses writers already, and the other one still: nobody knows for how long.
            self.note_shut_out(&leases, since).await;
        }
        let (released_at, routed) = opened?;
        Ok(each(routed, || Findings { closed_at: Some(since), opened_at: Some(released_at), ..Findings::default() }))
    }

    /// Continues a switch whose process died after `moved` and before the org was live in the other store.
    async fn complete(&self, leases: &[Lease], way: Way, orders: Vec<FlagOrder>) -> Result<Vec<Outcome>, StepError> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        self.note_shut_out(leases, SystemTime::now()).await;
        self.engine.complete(leases, way).await?;
        let opened_at = Some(SystemTime::now());
        Ok(each(self.flags.apply_all(orders).await?, || Findings { opened_at, ..Findings::default() }))
    }

    /// Notes that no store accepts writes of the orgs. It is for figures only, so no switch waits for it.
    async fn note_shut_out(&self, leases: &[Lease], since: SystemTime) {
        let orgs: Vec<_> = leases.iter().map(|lease| (lease.id, lease.epoch)).collect();
        if let Err(error) = self.log.note_shut_out(&orgs, since).await {
            tracing::warn!(orgs = orgs.len(), %error, "the move log could not be told that writers are shut out");
        }
    }

    fn limits(&self, leases: &[Lease]) -> Result<Limits, StepError> {
        match leases.first() {
            Some(lease) => Ok(self.engine.limits(&lease.migration)?),
            None => Err(StepError::Permanent { reason: "no org was named".into(), place: Box::default() }),
        }
    }

    /// The routing of the orgs from the switch on.
    fn routes(&self, leases: &[Lease], way: Way) -> Result<Vec<FlagOrder>, StepError> {
        let routing = self.routing(leases)?;
        let fields = present(match way {
            Way::Forward => &routing.on_target,
            Way::Back => &routing.on_source,
        });
        Ok(leases.iter().map(|lease| FlagOrder::of_move(lease, "switch.desired").set(fields.clone())).collect())
    }

    /// Makes the orgs live in the receiving store, routes them there, and lets their writers continue: before they are routed,
    /// if the flags are slow. Returns since when they do, and the result of the flags of each. The flags are decided while the
    /// other store opens, but Redis routes no client there before that is done.
    async fn open(
        &self,
        leases: &[Lease],
        mut block: Box<dyn WriteBlock>,
        orders: Vec<FlagOrder>,
        shut_out: &mut [ShutOut],
    ) -> Result<(SystemTime, Vec<Result<(), DarklaunchError>>), StepError> {
        let max_block = Duration::from_millis(self.limits(leases)?.max_block_ms);
        let (arrived, is_there) = oneshot::channel();
        let mut routed = std::pin::pin!(self.flags.apply_all_after(is_there, orders));
        let arriving = async {
            block.arrive().await?;
            failpoint::hit("switch.handed_over");
            // The loop below waits for this and continues with it.
            let _ = arrived.send(());
            Ok::<_, StepError>(())
        };
        let (arrival, in_time) = tokio::join!(arriving, timeout(max_block, routed.as_mut()));
        arrival?;
        let released_at = block.release().await?;
        shut_out.iter_mut().for_each(|shut_out| shut_out.ended(released_at));
        let routed = match in_time {
            Ok(routed) => routed?,
            Err(_) => routed.await?,
        };
        Ok((released_at, routed))
    }

    pub(super) async fn discard_rolled_back(&self, lease: &Lease) -> Result<Findings, StepError> {
        failpoint::hit("discard.begin");
        self.engine.discard_rolled_back(lease).await?;
        failpoint::hit("discard.done");
        Ok(Findings::default())
    }

    pub(super) async fn back_up(&self, lease: &Lease) -> Result<Findings, StepError> {
        failpoint::hit("back_up.begin");
        let written = self.engine.back_up(lease).await?;
        failpoint::hit("back_up.done");
        Ok(Findings { backup: Some(written.file), rows: Some(written.rows), ..Findings::default() })
    }

    pub(super) async fn close(&self, record: &MoveRecord) -> Result<Findings, StepError> {
        failpoint::hit("close.begin");
        self.engine.close(&record.lease(), backup_of(record)?).await?;
        failpoint::hit("close.done");
        Ok(Findings::default())
    }

    pub(super) async fn purge(&self, record: &MoveRecord) -> Result<Findings, StepError> {
        failpoint::hit("purge.begin");
        self.engine.purge(&record.lease(), backup_of(record)?).await?;
        failpoint::hit("purge.done");
        Ok(Findings::default())
    }

    /// An abort: the source stops logging and the copy is removed.
    pub(super) async fn release(&self, record: &MoveRecord) -> Result<Findings, StepError> {
        failpoint::hit("abort.begin");
        let lease = record.lease();
        if let Err(error) = self.engine.release(&lease).await {
            // Perhaps it has moved; only then the target is asked, since it may be unreachable.
            self.must_not_have_moved(record).await?;
            return Err(error.into());
        }
        self.engine.discard(&lease).await?;
        failpoint::hit("abort.done");
        Ok(Findings::default())
    }

    /// An abort on the way back, with nothing to undo: the org stays where it is, and its writes are still logged for the next
    /// try; but both stores refuse older epochs.
    pub(super) async fn stay(&self, record: &MoveRecord) -> Result<Findings, StepError> {
        failpoint::hit("abort.begin");
        self.must_not_have_moved(record).await?;
        failpoint::hit("abort.done");
        Ok(Findings::default())
    }

    /// An abort before rows are purged: nothing in a store was changed.
    pub(super) async fn abort_nothing(&self) -> Result<Findings, StepError> {
        failpoint::hit("abort.begin");
        failpoint::hit("abort.done");
        Ok(Findings::default())
    }

    /// An abort that finds that the org has moved goes forward.
    async fn must_not_have_moved(&self, record: &MoveRecord) -> Result<(), StepError> {
        if !self.engine.has_moved(&record.lease(), record.aim.way()).await? {
            return Ok(());
        }
        proven(std::slice::from_ref(record))?;
        Err(StepError::HasMoved)
    }
}

/// The backup that the move log has of the org.
fn backup_of(record: &MoveRecord) -> Result<&Backup, StepError> {
    let reason = "the move log names no backup of the org, so nothing is removed";
    record.backup.as_ref().ok_or_else(|| StepError::Permanent { reason: reason.into(), place: Box::default() })
}

/// Why catch-up does not finish.
fn no_gain(keys: i64, left: i64, round: Duration, max_block_ms: u64) -> StepError {
    if keys.max(left) <= FEW_KEYS {
        let reason = format!(
            "the stores are slow: {keys} keys took {round:?} to carry over, which is too long for a block of {max_block_ms} ms; \
             next: look what slows them down, or raise max_block in [limits] of the migration"
        );
        return StepError::Transient { reason, place: Box::default() };
    }
    let reason = format!(
        "the org is written faster than it can be carried over: {left} changes came in during a round of {round:?} for {keys} \
         keys; next: retry when it is quieter, or raise max_block in [limits] of the migration"
    );
    StepError::Permanent { reason, place: Box::default() }
}
