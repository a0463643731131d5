//! The manager: keeps the pool full with orgs of the live campaign.
//!
//! Owns: nothing, not even the knowledge whether there is a campaign. Source of truth: the live campaign's row in the move
//! log, read at every beat; so any process can pause, halt or tune the campaign, a manager that was restarted goes on
//! where the row says, and a campaign whose opening was never answered is driven all the same. The pool is the truth
//! about free workers: an org is claimed only with a worker in hand.
//! On failure: claimed orgs go on without it, and the node's reconciler starts those it claimed and did not start.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use crate::domain::campaign::{Campaign, CampaignPlan, Phase, Steer, Tuning};
use crate::domain::ids::NodeId;
use crate::domain::record::MoveRecord;
use crate::otp::{ActorRef, Child, Me};
use crate::ports::{Engine, LogError, MoveLog};
use crate::tree::darklaunch::FlagsHealth;
use crate::tree::orgs::{Bounds, Orgs, pack};
use crate::tree::workers::{Desk, Reserve};

/// How soon a change made in another process is seen.
const BEAT_EVERY: Duration = Duration::from_millis(200);

/// How soon a campaign is seen that this node should drive and does not know of.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The most workers given orgs at once.
const WORKERS_MAX: u32 = 200;
/// The most orgs claimed at once.
const CLAIM_MAX: usize = 2_000;
/// Claimed orgs do not wait longer for being counted.
const SIZES_WITHIN: Duration = Duration::from_secs(2);
/// So many orgs are claimed for a worker while nothing is known of their sizes.
const FIRST_ORGS: usize = 8;

/// What the manager works with.
#[derive(Clone)]
pub(crate) struct Office {
    pub(crate) log: Arc<dyn MoveLog>,
    pub(crate) node: NodeId,
    pub(crate) orgs: Orgs,
    pub(crate) desk: ActorRef<Desk>,
    pub(crate) tuning: Arc<watch::Sender<Tuning>>,
    pub(crate) flags: watch::Receiver<FlagsHealth>,
    pub(crate) vacancy: Arc<Notify>,
    pub(crate) engine: Arc<dyn Engine>,
    /// About how many orgs make a cohort, by those that were claimed last. Only a hint.
    pub(crate) orgs_in_cohort: Arc<AtomicUsize>,
}

impl Office {
    /// What is known of the sizes of orgs at first.
    pub(crate) fn no_hint() -> Arc<AtomicUsize> {
        Arc::new(AtomicUsize::new(FIRST_ORGS))
    }
}

/// See the module's documentation.
pub struct Manager {
    me: Me,
    office: Office,
    /// With no campaign there is no need to look before.
    quiet_until: Option<Instant>,
    beating: bool,
    beat_again: bool,
}

/// What one beat found.
enum Beat {
    /// The campaign goes on; this is what to show.
    GoesOn(String),
    /// There is none for this node.
    NoCampaign,
}

impl Manager {
    pub(crate) fn new(me: Me, office: Office) -> Self {
        Self { me, office, quiet_until: None, beating: false, beat_again: false }
    }

    fn beat(&mut self, ctx: &mut Context<Self>) {
        if self.quiet_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        if self.beating {
            self.beat_again = true;
            return;
        }
        (self.beating, self.beat_again) = (true, false);
        let office = self.office.clone();
        let work = async move { office.beat().await };
        ctx.spawn(work.into_actor(self).map(|beat, this, ctx| {
            this.beating = false;
            match beat {
                Ok(Beat::GoesOn(note)) => this.me.note(note),
                Ok(Beat::NoCampaign) => {
                    this.me.note("no campaign");
                    if !this.beat_again {
                        this.quiet_until = Some(Instant::now() + LOOK_EVERY);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the campaign waits");
                    this.me.note(format!("waiting: {error}"));
                    return; // the next interval tries again
                }
            }
            if this.beat_again {
                this.beat(ctx);
            }
        }));
    }

    /// Looks at once: there may be a campaign now.
    fn wake(&mut self, ctx: &mut Context<Self>) {
        self.quiet_until = None;
        self.beat(ctx);
    }
}

impl Office {
    async fn beat(&self) -> Result<Beat, LogError> {
        let live = self.log.live_campaign().await?;
        let Some(campaign) = live.filter(|campaign| campaign.node == self.node) else { return Ok(Beat::NoCampaign) };
        self.tuning.send_if_modified(|known| std::mem::replace(known, campaign.tuning) != campaign.tuning);
        match campaign.phase {
            Phase::Running => self.run(&campaign).await,
            Phase::Paused => {
                Ok(Beat::GoesOn(format!("{}: paused, {} in flight", campaign.migration, campaign.in_flight())))
            }
            Phase::Halting if campaign.in_flight() == 0 => self.close(&campaign).await,
            Phase::Halting => {
                Ok(Beat::GoesOn(format!("{}: halting, {} in flight", campaign.migration, campaign.in_flight())))
            }
            Phase::Ended => Ok(Beat::NoCampaign),
        }
    }

    async fn run(&self, campaign: &Campaign) -> Result<Beat, LogError> {
        if let Some(reason) = campaign.failures_too_many() {
            tracing::error!(campaign = campaign.id.0, %reason, "the campaign halts by itself");
            self.log.steer(Steer::Halt, Some(&reason)).await?;
            return Ok(Beat::GoesOn(format!("{}: halting, {reason}", campaign.migration)));
        }
        let flags = self.flags.borrow().clone();
        if let FlagsHealth::Down(cause) = flags {
            return Ok(Beat::GoesOn(format!("{}: waiting, {cause}", campaign.migration)));
        }
        let note = format!("{}: running, {} in flight", campaign.migration, campaign.in_flight());
        let Ok(leases) = self.desk.send(Reserve(WORKERS_MAX)).await else {
            return Ok(Beat::GoesOn(format!("{}: waiting for the pool", campaign.migration)));
        };
        if leases.is_empty() {
            return Ok(Beat::GoesOn(note));
        }
        let bounds = self.bounds(campaign);
        let orgs_each = self.orgs_in_cohort.load(Ordering::Relaxed).clamp(1, bounds.orgs_max);
        let wanted = u32::try_from((leases.len() * orgs_each).min(CLAIM_MAX)).unwrap_or(u32::MAX);
        let claimed = self.log.claim(campaign.id, self.node, wanted).await?;
        if claimed.is_empty() && self.log.campaign(campaign.id).await?.in_flight() == 0 {
            return self.close(campaign).await;
        }
        // What is left at the end is for all workers, also for those that are still busy.
        let is_rest = claimed.len() < wanted as usize;
        let workers = if is_rest { (campaign.tuning.concurrency as usize).max(leases.len()) } else { leases.len() };
        let sized = self.sized(claimed, bounds).await;
        let mut leases = leases.into_iter();
        for cohort in pack(sized, workers, bounds) {
            self.orgs.start_together(cohort, leases.next()).await;
        }
        Ok(Beat::GoesOn(note))
    }

    /// How large cohorts may be. With a pause between orgs they go one by one.
    fn bounds(&self, campaign: &Campaign) -> Bounds {
        match self.engine.limits(&campaign.migration) {
            Ok(limits) if campaign.tuning.pace_ms == 0 => {
                Bounds { orgs_max: limits.cohort_orgs.max(1), rows_max: limits.cohort_rows }
            }
            // What is wrong with the migration shows in the first step of each org.
            Ok(_) | Err(_) => Bounds { orgs_max: 1, rows_max: i64::MAX },
        }
    }

    /// Claimed orgs with about how many rows each has. If that cannot be found out, each goes alone.
    async fn sized(&self, claimed: Vec<MoveRecord>, bounds: Bounds) -> Vec<(MoveRecord, i64)> {
        if bounds.orgs_max == 1 || claimed.len() < 2 {
            return claimed.into_iter().map(|record| (record, 0)).collect();
        }
        let claims: Vec<_> = claimed.iter().map(MoveRecord::claim).collect();
        let unknown = match timeout(SIZES_WITHIN, self.engine.sizes(&claims)).await {
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

    async fn close(&self, campaign: &Campaign) -> Result<Beat, LogError> {
        self.log.close_campaign(campaign.id, None).await?;
        tracing::info!(campaign = campaign.id.0, migration = %campaign.migration, "the campaign has ended");
        Ok(Beat::NoCampaign)
    }
}

impl Actor for Manager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.beat(ctx);
        ctx.run_interval(BEAT_EVERY, Self::beat);
        let vacancies = futures_util::stream::unfold(self.office.vacancy.clone(), |vacancy| async move {
            vacancy.notified().await;
            Some((Vacancy, vacancy))
        });
        ctx.add_message_stream(vacancies);
    }
}

impl Child for Manager {}

#[derive(Message)]
#[rtype(result = "()")]
struct Vacancy;

impl Handler<Vacancy> for Manager {
    type Result = ();

    fn handle(&mut self, _: Vacancy, ctx: &mut Self::Context) {
        self.beat(ctx);
    }
}

/// Open a campaign and drive it.
#[derive(Message)]
#[rtype(result = "Result<Campaign, LogError>")]
pub struct Migrate(pub CampaignPlan);

impl Handler<Migrate> for Manager {
    type Result = ResponseActFuture<Self, Result<Campaign, LogError>>;

    fn handle(&mut self, Migrate(plan): Migrate, _: &mut Self::Context) -> Self::Result {
        let office = self.office.clone();
        let opened = async move { office.log.open_campaign(office.node, &plan).await };
        Box::pin(opened.into_actor(self).map(Self::drive))
    }
}

/// Go on with a paused campaign, or with the one that a dead node left behind.
#[derive(Message)]
#[rtype(result = "Result<Campaign, LogError>")]
pub struct Resume;

impl Handler<Resume> for Manager {
    type Result = ResponseActFuture<Self, Result<Campaign, LogError>>;

    fn handle(&mut self, _: Resume, _: &mut Self::Context) -> Self::Result {
        let office = self.office.clone();
        let resumed = async move {
            match office.log.adopt_campaign(office.node).await? {
                Some(adopted) => Ok(adopted),
                None => office.log.steer(Steer::Resume, None).await,
            }
        };
        Box::pin(resumed.into_actor(self).map(Self::drive))
    }
}

impl Manager {
    /// An answer that never came may have opened one too.
    fn drive(
        opened: Result<Campaign, LogError>,
        this: &mut Self,
        ctx: &mut Context<Self>,
    ) -> Result<Campaign, LogError> {
        this.wake(ctx);
        opened
    }
}
