//! A Postgres store on one side of a route, with the plan that both sides share.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use mover_actors::domain::ids::{OrgKey, StoreName};
use mover_actors::domain::verified::Tally;
use mover_actors::ports::EngineError;
use mover_actors::protocol::store::{self, StoreSide};
use mover_actors::protocol::{Cohort, Glance, Holder, LiveLimits};
use tokio_postgres::Statement;
use tokio_postgres::types::Oid;

use crate::config::Definition;
use crate::engine::guard;
use crate::engine::live::{Backups, Branch, LivePlan, LiveSide, LiveTable};
use crate::engine::plan::sequences::{FarBehind, Outermost};
use crate::engine::plan::tally::tally;
use crate::engine::plan::{Plan, SidePlan, TablePlan};
use crate::engine::rows::drain;
use crate::engine::schema::fingerprint::{self, Tables};
use crate::engine::store::Store;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// A plan that a side can have.
pub(in crate::engine) trait Planned: Send + Sync + 'static {
    /// The part about all rows of orgs.
    fn plan(&self) -> &Plan;
    /// What to do about sequences of the receiving store that are far behind.
    fn far_behind(&self) -> FarBehind;
}

impl Planned for Plan {
    fn plan(&self) -> &Plan {
        self
    }

    fn far_behind(&self) -> FarBehind {
        FarBehind::Refuse
    }
}

impl Planned for LivePlan {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn far_behind(&self) -> FarBehind {
        LivePlan::far_behind(self)
    }
}

/// What both sides know besides their store.
#[derive(Debug)]
pub(in crate::engine) struct Terms<P> {
    pub(in crate::engine) plan: Arc<P>,
    pub(in crate::engine) definition: Arc<Definition>,
    pub(in crate::engine) limits: LiveLimits,
    pub(in crate::engine) drain_budget: Duration,
    pub(in crate::engine) backups: Backups,
}

/// One side.
#[derive(Debug)]
pub(in crate::engine) struct Side<P> {
    pub(in crate::engine) store: Store,
    /// The tables that the fingerprint of the store covers.
    pub(in crate::engine) tables: Tables,
    pub(in crate::engine) terms: Arc<Terms<P>>,
}

/// The end of a route that a side or a session is: it selects the parts of a plan that apply.
pub(in crate::engine) trait End: fmt::Debug + Send + Sync + 'static {
    /// The state at the beginning of a session.
    fn begin(plan: &Plan) -> Self;
    /// The plan of one table here.
    fn table(table: &TablePlan) -> &SidePlan;
    /// The same for single rows.
    fn live_table(table: &LiveTable) -> &LiveSide;
    /// The statement that finds the children of rows here.
    fn branch(branch: &Branch) -> &str;
    /// The statement that counts and hashes all tables here.
    fn tally(plan: &Plan) -> &str;
    /// The tables whose writers are drained.
    fn oids(plan: &Plan) -> &[Oid];
}

/// The end that orgs leave.
#[derive(Debug)]
pub(in crate::engine) struct Leaves;

/// The end that receives orgs.
#[derive(Debug)]
pub(in crate::engine) struct Receives {
    /// The outermost values written so far, for the sequences.
    pub(in crate::engine) outermost: Mutex<Outermost>,
    /// How many rows of each table were written since they were verified last.
    written: Mutex<Vec<i64>>,
}

impl End for Leaves {
    fn begin(_: &Plan) -> Self {
        Self
    }

    fn table(table: &TablePlan) -> &SidePlan {
        &table.source
    }

    fn live_table(table: &LiveTable) -> &LiveSide {
        &table.leaving
    }

    fn branch(branch: &Branch) -> &str {
        &branch.leaving
    }

    fn tally(plan: &Plan) -> &str {
        &plan.tally_on_source
    }

    fn oids(plan: &Plan) -> &[Oid] {
        &plan.source_oids
    }
}

impl End for Receives {
    fn begin(plan: &Plan) -> Self {
        Self { outermost: Mutex::new(Outermost::new(plan)), written: Mutex::default() }
    }

    fn table(table: &TablePlan) -> &SidePlan {
        &table.target
    }

    fn live_table(table: &LiveTable) -> &LiveSide {
        &table.receiving
    }

    fn branch(branch: &Branch) -> &str {
        &branch.receiving
    }

    fn tally(plan: &Plan) -> &str {
        &plan.tally_on_target
    }

    fn oids(plan: &Plan) -> &[Oid] {
        &plan.target_oids
    }
}

/// A side that is one end of a route.
#[derive(Debug)]
pub(in crate::engine) struct RouteEnd<P, E> {
    pub(in crate::engine) side: Arc<Side<P>>,
    end: PhantomData<E>,
}

impl<P: Planned, E: End> RouteEnd<P, E> {
    pub(in crate::engine) fn of(side: Arc<Side<P>>) -> Self {
        Self { side, end: PhantomData }
    }

    pub(in crate::engine) async fn open(&self) -> Result<PlannedSession<P, E>, EngineError> {
        let session = self.side.store.session().await?;
        Ok(PlannedSession { session, side: self.side.clone(), end: E::begin(self.side.plan()) })
    }
}

/// A session with a store that is one end of a route.
#[derive(Debug)]
pub(in crate::engine) struct PlannedSession<P, E> {
    pub(in crate::engine) session: Session,
    pub(in crate::engine) side: Arc<Side<P>>,
    pub(in crate::engine) end: E,
}

impl<P: Planned> Side<P> {
    pub(in crate::engine) fn plan(&self) -> &Plan {
        self.terms.plan.plan()
    }
}

impl<P: Planned, E: End> PlannedSession<P, E> {
    pub(in crate::engine) fn plan(&self) -> &Plan {
        self.side.plan()
    }

    pub(in crate::engine) fn doing<'a>(&'a self, what: &'a str) -> Doing<'a> {
        Doing::new(self.side.store.name(), what)
    }
}

#[async_trait]
impl<P: Planned, E: End> StoreSide for RouteEnd<P, E> {
    fn store(&self) -> &StoreName {
        self.side.store.name()
    }

    async fn drain(&self) -> Result<(), EngineError> {
        drain::drain(&self.side.store, E::oids(self.side.plan()), self.side.terms.drain_budget).await
    }

    async fn held_by_others(&self, cohort: &Cohort) -> Result<Vec<Holder>, EngineError> {
        let tables = E::oids(self.side.plan());
        guard::held_by_others(&self.side.store, cohort.migration(), cohort.keys(), tables).await
    }
}

#[async_trait]
impl<P: Planned, E: End> store::Session for PlannedSession<P, E> {
    async fn tally(&self, cohort: &Cohort) -> Result<HashMap<OrgKey, Tally>, EngineError> {
        let doing = self.doing("counting and hashing the org");
        tally(self.plan(), &self.session, E::tally(self.plan()), cohort, doing).await
    }

    async fn glance(&self) -> Result<Glance, EngineError> {
        let doing = self.doing("looking whether the store is as it was");
        fingerprint::glance(&self.session, &self.side.tables, doing).await
    }

    fn release(self: Box<Self>) {
        self.session.release();
    }
}

impl<P: Planned> PlannedSession<P, Receives> {
    /// Prepares the COPY of some tables: nothing can be prepared during a COPY.
    pub(in crate::engine) async fn prepare_copies(
        &self,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Vec<Option<Statement>>, EngineError> {
        let of_table = |(number, table): (usize, &TablePlan)| {
            let copy = wanted(number).then(|| table.copy.clone());
            async move {
                match copy {
                    Some(copy) => self.session.prepared(&copy).await.map(Some),
                    None => Ok(None),
                }
            }
        };
        let copies = self.plan().tables.iter().enumerate().map(of_table);
        try_join_all(copies).await.map_err(|error| self.doing("writing the org").failed(error))
    }

    pub(in crate::engine) fn keep_written(&self, by_table: Vec<i64>) {
        *self.end.written.lock().unwrap_or_else(PoisonError::into_inner) = by_table;
    }

    /// How many rows of each table were written, by the place of the table in the plan.
    pub(in crate::engine) fn take_written(&self) -> Vec<i64> {
        std::mem::take(&mut *self.end.written.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The outermost values written so far, for the sequences; resets them.
    pub(in crate::engine) fn take_outermost(&self) -> Outermost {
        let mut kept = self.end.outermost.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut kept, Outermost::new(self.plan()))
    }
}
