//! The manager: keeps the pool full with orgs of the live campaign.
//!
//! Owns: nothing, not even the knowledge whether there is a campaign. Source of truth: the live campaign's row in the move
//! log, read at every tick; so any process can pause, halt or tune the campaign, a manager that was restarted continues
//! where the row says, and a campaign whose opening was never answered is driven all the same. The pool is the truth
//! about free workers: an org is claimed only with a worker in hand.
//! On failure: claimed orgs continue without it, and the node's reconciler starts those it claimed and did not start.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use crate::domain::campaign::{Campaign, CampaignPlan, Control, Phase, Tuning};
use crate::domain::ids::NodeId;
use crate::domain::record::MoveRecord;
use crate::otp::{ActorRef, Child, SelfHandle};
use crate::ports::{Engine, LogError, MoveLog};
use crate::tree::darklaunch::FlagsHealth;
use crate::tree::orgs::{Bounds, Orgs, pack};
use crate::tree::workers::{Reserve, WorkerPool};

/// How soon a change made in another process is seen.
const TICK_EVERY: Duration = Duration::from_millis(200);

/// How soon the node sees a campaign that it should drive and does not know of.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The most workers given orgs at once.
const WORKERS_MAX: u32 = 200;
/// The most orgs claimed at once.
const CLAIM_MAX: usize = 2_000;
/// The longest wait for the sizes of claimed orgs.
const SIZES_WITHIN: Duration = Duration::from_secs(2);
/// How many orgs are claimed per worker while no sizes are known.
const FIRST_ORGS: usize = 8;

/// What the manager works with.
#[derive(Clone)]
pub(crate) struct ManagerContext {
    pub(crate) log: Arc<dyn MoveLog>,
    pub(crate) node: NodeId,
    pub(crate) orgs: Orgs,
    pub(crate) pool: ActorRef<WorkerPool>,
    pub(crate) tuning: Arc<watch::Sender<Tuning>>,
    pub(crate) flags: watch::Receiver<FlagsHealth>,
    pub(crate) worker_free: Arc<Notify>,
    pub(crate) engine: Arc<dyn Engine>,
    /// About how many orgs make a cohort, from the last claim. Only a hint.
    pub(crate) orgs_in_cohort: Arc<AtomicUsize>,
}

impl ManagerContext {
    /// The hint before the first claim.
    pub(crate) fn no_hint() -> Arc<AtomicUsize> {
        Arc::new(AtomicUsize::new(FIRST_ORGS))
    }
}

/// See the module's documentation.
pub struct Manager {
    me: SelfHandle,
    context: ManagerContext,
    /// Without a campaign there is no need to look before this time.
    quiet_until: Option<Instant>,
    ticking: bool,
    tick_again: bool,
}

/// The result of one tick.
enum Tick {
    /// The campaign continues; the text is for the registry.
    GoesOn(String),
    /// This node has no campaign.
    NoCampaign,
}

impl Manager {
    pub(crate) fn new(me: SelfHandle, context: ManagerContext) -> Self {
        Self { me, context, quiet_until: None, ticking: false, tick_again: false }
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        if self.quiet_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        if self.ticking {
            self.tick_again = true;
            return;
        }
        (self.ticking, self.tick_again) = (true, false);
        let context = self.context.clone();
        let work = async move { context.tick().await };
        ctx.spawn(work.into_actor(self).map(|tick, this, ctx| {
            this.ticking = false;
            match tick {
                Ok(Tick::GoesOn(note)) => this.me.note(note),
                Ok(Tick::NoCampaign) => {
                    this.me.note("no campaign");
                    if !this.tick_again {
                        this.quiet_until = Some(Instant::now() + LOOK_EVERY);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the campaign waits");
                    this.me.note(format!("waiting: {error}"));
                    return; // the next interval tries again
                }
            }
            if this.tick_again {
                this.tick(ctx);
            }
        }));
    }

    /// Looks at once: there may be a campaign now.
    fn wake(&mut self, ctx: &mut Context<Self>) {
        self.quiet_until = None;
        self.tick(ctx);
    }
}

impl ManagerContext {
    async fn tick(&self) -> Result<Tick, LogError> {
        let live = self.log.live_campaign().await?;
        let Some(campaign) = live.filter(|campaign| campaign.node == self.node) else { return Ok(Tick::NoCampaign) };
        self.tuning.send_if_modified(|known| std::mem::replace(known, campaign.tuning) != campaign.tuning);
        match campaign.phase {
            Phase::Running => self.run(&campaign).await,
            Phase::Paused => {
                Ok(Tick::GoesOn(format!("{}: paused, {} in flight", campaign.migration, campaign.in_flight())))
            }
            // Copies that are kept for a while are removed later, by this process or the next.
            Phase::Halting if campaign.in_flight() <= self.orgs.kept_copies().of(campaign.id) => {
                self.close(&campaign).await
            }
            Phase::Halting => {
                Ok(Tick::GoesOn(format!("{}: halting, {} in flight", campaign.migration, campaign.in_flight())))
            }
            Phase::Ended => Ok(Tick::NoCampaign),
        }
    }

    async fn run(&self, campaign: &Campaign) -> Result<Tick, LogError> {
        if let Some(reason) = campaign.failures_too_many() {
            tracing::error!(campaign = campaign.id.0, %reason, "the campaign halts by itself");
            self.log.control(Control::Halt, Some(&reason)).await?;
            return Ok(Tick::GoesOn(format!("{}: halting, {reason}", campaign.migration)));
        }
        let flags = self.flags.borrow().clone();
        if let FlagsHealth::Down(cause) = flags {
            return Ok(Tick::GoesOn(format!("{}: waiting, {cause}", campaign.migration)));
        }
        let note = format!("{}: running, {} in flight", campaign.migration, campaign.in_flight());
        let Ok(pooled_workers) = self.pool.send(Reserve(WORKERS_MAX)).await else {
            return Ok(Tick::GoesOn(format!("{}: waiting for the pool", campaign.migration)));
        };
        if pooled_workers.is_empty() {
            return Ok(Tick::GoesOn(note));
        }
        let bounds = self.bounds(campaign);
        let orgs_each = self.orgs_in_cohort.load(Ordering::Relaxed).clamp(1, bounds.orgs_max);
        let wanted = u32::try_from((pooled_workers.len() * orgs_each).min(CLAIM_MAX)).unwrap_or(u32::MAX);
        let claimed = self.log.claim(campaign.id, self.node, wanted).await?;
        if claimed.is_empty() && self.log.campaign(campaign.id).await?.in_flight() == 0 {
            return self.close(campaign).await;
        }
        // The last orgs are spread over all workers, also those that are still busy.
        let is_rest = claimed.len() < wanted as usize;
        let workers = if is_rest {
            (campaign.tuning.concurrency as usize).max(pooled_workers.len())
        } else {
            pooled_workers.len()
        };
        let sized = self.sized(claimed, bounds).await;
        let mut pooled_workers = pooled_workers.into_iter();
        for cohort in pack(sized, workers, bounds) {
            self.orgs.start_together(cohort, pooled_workers.next()).await;
        }
        Ok(Tick::GoesOn(note))
    }

    /// The largest cohort. With a pause between orgs they go one by one.
    fn bounds(&self, campaign: &Campaign) -> Bounds {
        match self.engine.limits(&campaign.migration) {
            Ok(limits) if campaign.tuning.pace_ms == 0 => {
                Bounds { orgs_max: limits.cohort_orgs.max(1), rows_max: limits.cohort_rows }
            }
            // The first step of each org reports what is wrong with the migration.
            Ok(_) | Err(_) => Bounds { orgs_max: 1, rows_max: i64::MAX },
        }
    }

    /// Claimed orgs with about how many rows each has. If that is unknown, each goes alone.
    async fn sized(&self, claimed: Vec<MoveRecord>, bounds: Bounds) -> Vec<(MoveRecord, i64)> {
        if bounds.orgs_max == 1 || claimed.len() < 2 {
            return claimed.into_iter().map(|record| (record, 0)).collect();
        }
        let leases: Vec<_> = claimed.iter().map(MoveRecord::lease).collect();
        let unknown = match timeout(SIZES_WITHIN, self.engine.sizes(&leases)).await {
            Ok(Ok(sizes)) => return self.with_sizes(claimed, sizes, bounds),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {SIZES_WITHIN:?}"),
        };
        tracing::warn!(reason = %unknown, "the sizes of claimed orgs are not known; they go one by one");
        self.orgs_in_cohort.store(1, Ordering::Relaxed);
        claimed.into_iter().map(|record| (record, i64::MAX)).collect()
    }

    fn with_sizes(&self, claimed: Vec<MoveRecord>, sizes: Vec<i64>, bounds: Bounds) -> Vec<(MoveRecord, i64)> {
        let rows: i64 = sizes.iter().fold(0, |sum, rows| sum.saturating_add(*rows));
        let mean = (rows / i64::try_from(sizes.len()).unwrap_or(i64::MAX)).max(1);
        let orgs = usize::try_from(bounds.rows_max / mean).unwrap_or(usize::MAX);
        self.orgs_in_cohort.store(orgs.clamp(1, bounds.orgs_max), Ordering::Relaxed);
        claimed.into_iter().zip(sizes).collect()
    }

    async fn close(&self, campaign: &Campaign) -> Result<Tick, LogError> {
        self.log.close_campaign(campaign.id, None).await?;
        tracing::info!(campaign = campaign.id.0, migration = %campaign.migration, "the campaign has ended");
        Ok(Tick::NoCampaign)
    }
}

impl Actor for Manager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.tick(ctx);
        ctx.run_interval(TICK_EVERY, Self::tick);
        let free_workers = futures_util::stream::unfold(self.context.worker_free.clone(), |worker_free| async move {
            worker_free.notified().await;
            Some((WorkerFree, worker_free))
        });
        ctx.add_message_stream(free_workers);
    }
}

impl Child for Manager {}

#[derive(Message)]
#[rtype(result = "()")]
struct WorkerFree;

impl Handler<WorkerFree> for Manager {
    type Result = ();

    fn handle(&mut self, _: WorkerFree, ctx: &mut Self::Context) {
        self.tick(ctx);
    }
}

/// Open a campaign and drive it.
#[derive(Message)]
#[rtype(result = "Result<Campaign, LogError>")]
pub struct Migrate(pub CampaignPlan);

impl Handler<Migrate> for Manager {
    type Result = ResponseActFuture<Self, Result<Campaign, LogError>>;

    fn handle(&mut self, Migrate(plan): Migrate, _: &mut Self::Context) -> Self::Result {
        let context = self.context.clone();
        let opened = async move { context.log.open_campaign(context.node, &plan).await };
        Box::pin(opened.into_actor(self).map(Self::drive))
    }
}

/// Continue with a paused campaign, or with the one that a dead node left behind.
#[derive(Message)]
#[rtype(result = "Result<Campaign, LogError>")]
pub struct Resume;

impl Handler<Resume> for Manager {
    type Result = ResponseActFuture<Self, Result<Campaign, LogError>>;

    fn handle(&mut self, _: Resume, _: &mut Self::Context) -> Self::Result {
        let context = self.context.clone();
        let resumed = async move {
            match context.log.adopt_campaign(context.node).await? {
                Some(adopted) => Ok(adopted),
                None => context.log.control(Control::Resume, None).await,
            }
        };
        Box::pin(resumed.into_actor(self).map(Self::drive))
    }
}

impl Manager {
    /// A call whose answer was lost may have opened one, too.
    fn drive(
        opened: Result<Campaign, LogError>,
        this: &mut Self,
        ctx: &mut Context<Self>,
    ) -> Result<Campaign, LogError> {
        this.wake(ctx);
        opened
    }
}
