//! A Postgres store on one side of a route, with the plan that both sides have agreed on.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use mover_actors::ports::EngineError;
use mover_actors::protocol::{Glance, LiveLimits};
use tokio_postgres::Statement;

use super::connection::Session;
use super::error::{Doing, Failed};
use super::fingerprint::{self, Tables};
use super::live::LivePlan;
use super::plan::Plan;
use super::sequences::{FarBehind, Outermost};
use super::store::Store;
use crate::config::Definition;

/// What a side may be planned by.
pub(super) trait Planned: Send + Sync + 'static {
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
pub(super) struct Terms<P> {
    pub(super) plan: Arc<P>,
    pub(super) definition: Arc<Definition>,
    pub(super) limits: LiveLimits,
    pub(super) drain_budget: Duration,
    pub(super) backups: PathBuf,
}

/// One side.
#[derive(Debug)]
pub(super) struct Side<P> {
    pub(super) store: Store,
    /// What the fingerprint of the store is about.
    pub(super) tables: Tables,
    pub(super) terms: Arc<Terms<P>>,
}

/// The side that orgs leave.
#[derive(Debug)]
pub(super) struct Leaves<P>(pub(super) Arc<Side<P>>);

/// The side that receives them.
#[derive(Debug)]
pub(super) struct Receives<P>(pub(super) Arc<Side<P>>);

/// A session with a store that orgs leave.
#[derive(Debug)]
pub(super) struct From<P> {
    pub(super) session: Session,
    pub(super) side: Arc<Side<P>>,
}

/// A session with a store that receives orgs.
#[derive(Debug)]
pub(super) struct To<P> {
    pub(super) session: Session,
    pub(super) side: Arc<Side<P>>,
    /// Of what was written so far, for the sequences.
    pub(super) outermost: Mutex<Outermost>,
}

impl<P: Planned> Side<P> {
    pub(super) fn plan(&self) -> &Plan {
        self.terms.plan.plan()
    }

    pub(super) async fn glance(&self, session: &Session) -> Result<Glance, EngineError> {
        let doing = Doing::new(self.store.name(), "looking whether the store is as it was");
        fingerprint::glance(session, &self.tables, doing).await
    }
}

impl<P: Planned> From<P> {
    pub(super) async fn open(side: &Arc<Side<P>>) -> Result<Self, EngineError> {
        Ok(Self { session: side.store.session().await?, side: side.clone() })
    }

    pub(super) fn plan(&self) -> &Plan {
        self.side.plan()
    }

    pub(super) fn doing<'a>(&'a self, what: &'a str) -> Doing<'a> {
        Doing::new(self.side.store.name(), what)
    }
}

impl<P: Planned> To<P> {
    pub(super) async fn open(side: &Arc<Side<P>>) -> Result<Self, EngineError> {
        let outermost = Mutex::new(Outermost::new(side.plan()));
        Ok(Self { session: side.store.session().await?, side: side.clone(), outermost })
    }

    pub(super) fn plan(&self) -> &Plan {
        self.side.plan()
    }

    pub(super) fn doing<'a>(&'a self, what: &'a str) -> Doing<'a> {
        Doing::new(self.side.store.name(), what)
    }

    /// Prepares the COPY of some tables: nothing can be prepared while rows are poured.
    pub(super) async fn prepare_copies(
        &self,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Vec<Option<Statement>>, EngineError> {
        let of_table = |(number, table): (usize, &super::plan::TablePlan)| {
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
    pub(super) fn take_outermost(&self) -> Outermost {
        let mut kept = self.outermost.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut kept, Outermost::new(self.plan()))
    }
}
