//! A Postgres store on one side of a route, with the plan that both sides have agreed on.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use mover_actors::ports::EngineError;
use mover_actors::protocol::{Glance, LiveLimits};
use tokio_postgres::Statement;

use crate::config::Definition;
use crate::engine::live::LivePlan;
use crate::engine::plan::Plan;
use crate::engine::plan::sequences::{FarBehind, Outermost};
use crate::engine::schema::fingerprint::{self, Tables};
use crate::engine::store::Store;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// What a side may be planned by.
pub(in crate::engine) trait Planned: Send + Sync + 'static {
    /// What is done with all rows of orgs.
    fn plan(&self) -> &Plan;
    /// What becomes of sequences of the receiving store that are far behind.
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

/// What both sides know beside their store.
#[derive(Debug)]
pub(in crate::engine) struct Terms<P> {
    pub(in crate::engine) plan: Arc<P>,
    pub(in crate::engine) definition: Arc<Definition>,
    pub(in crate::engine) limits: LiveLimits,
    pub(in crate::engine) drain_budget: Duration,
    pub(in crate::engine) backups: PathBuf,
}

/// One side.
#[derive(Debug)]
pub(in crate::engine) struct Side<P> {
    pub(in crate::engine) store: Store,
    /// What the fingerprint of the store is about.
    pub(in crate::engine) tables: Tables,
    pub(in crate::engine) terms: Arc<Terms<P>>,
}

/// The side that orgs leave.
#[derive(Debug)]
pub(in crate::engine) struct Leaves<P>(pub(in crate::engine) Arc<Side<P>>);

/// The side that receives them.
#[derive(Debug)]
pub(in crate::engine) struct Receives<P>(pub(in crate::engine) Arc<Side<P>>);

/// A session with a store that orgs leave.
#[derive(Debug)]
pub(in crate::engine) struct From<P> {
    pub(in crate::engine) session: Session,
    pub(in crate::engine) side: Arc<Side<P>>,
}

/// A session with a store that receives orgs.
#[derive(Debug)]
pub(in crate::engine) struct To<P> {
    pub(in crate::engine) session: Session,
    pub(in crate::engine) side: Arc<Side<P>>,
    /// Of what was written so far, for the sequences.
    pub(in crate::engine) outermost: Mutex<Outermost>,
}

impl<P: Planned> Side<P> {
    pub(in crate::engine) fn plan(&self) -> &Plan {
        self.terms.plan.plan()
    }

    pub(in crate::engine) async fn glance(&self, session: &Session) -> Result<Glance, EngineError> {
        let doing = Doing::new(self.store.name(), "looking whether the store is as it was");
        fingerprint::glance(session, &self.tables, doing).await
    }
}

impl<P: Planned> From<P> {
    pub(in crate::engine) async fn open(side: &Arc<Side<P>>) -> Result<Self, EngineError> {
        Ok(Self { session: side.store.session().await?, side: side.clone() })
    }

    pub(in crate::engine) fn plan(&self) -> &Plan {
        self.side.plan()
    }

    pub(in crate::engine) fn doing<'a>(&'a self, what: &'a str) -> Doing<'a> {
        Doing::new(self.side.store.name(), what)
    }
}

impl<P: Planned> To<P> {
    pub(in crate::engine) async fn open(side: &Arc<Side<P>>) -> Result<Self, EngineError> {
        let outermost = Mutex::new(Outermost::new(side.plan()));
        Ok(Self { session: side.store.session().await?, side: side.clone(), outermost })
    }

    pub(in crate::engine) fn plan(&self) -> &Plan {
        self.side.plan()
    }

    pub(in crate::engine) fn doing<'a>(&'a self, what: &'a str) -> Doing<'a> {
        Doing::new(self.side.store.name(), what)
    }

    /// Prepares the COPY of some tables: nothing can be prepared while rows are poured.
    pub(in crate::engine) async fn prepare_copies(
        &self,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Vec<Option<Statement>>, EngineError> {
        let of_table = |(number, table): (usize, &crate::engine::plan::TablePlan)| {
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

    /// What was written so far, for the sequences; forgotten here.
    pub(in crate::engine) fn take_outermost(&self) -> Outermost {
        let mut kept = self.outermost.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut kept, Outermost::new(self.plan()))
    }
}
