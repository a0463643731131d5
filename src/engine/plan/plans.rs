//! Plans, each cached as long as both stores have the schemas that it was made from. A caller says how old its view of the
//! schemas may be; concurrent callers share one read.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::try_join;
use mover_actors::ports::EngineError;
use mover_actors::protocol::{Basis, Glance};
use tokio::sync::Mutex as Queue;
use tracing::warn;

use crate::config::Definition;
use crate::engine::plan::ownership::tables_named;
use crate::engine::schema::catalog::Catalog;
use crate::engine::schema::fingerprint::{Tables, glance};
use crate::engine::store::Store;
use crate::engine::store::error::Doing;

/// Both stores of a migration.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Pair<'a> {
    pub(in crate::engine) definition: &'a Definition,
    pub(in crate::engine) source: &'a Store,
    pub(in crate::engine) target: &'a Store,
}

/// A plan, and what it was made from.
#[derive(Debug)]
pub(in crate::engine) struct Kept<P> {
    pub(in crate::engine) plan: Arc<P>,
    pub(in crate::engine) basis: Arc<Basis>,
    /// The tables of the source and of the target that the basis covers.
    pub(in crate::engine) tables: [Tables; 2],
}

impl<P> Clone for Kept<P> {
    fn clone(&self) -> Self {
        Self { plan: self.plan.clone(), basis: self.basis.clone(), tables: self.tables.clone() }
    }
}

/// The plans of an engine.
#[derive(Debug)]
pub(in crate::engine) struct Plans<K, P>(Mutex<HashMap<K, Arc<Entry<P>>>>);

#[derive(Debug)]
struct Entry<P> {
    known: Queue<Option<Known<P>>>,
    is_doubted: AtomicBool,
}

#[derive(Debug)]
struct Known<P> {
    kept: Kept<P>,
    /// When the last read of the schemas began.
    looked_at: Instant,
}

impl<K, P> Default for Plans<K, P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, P> Plans<K, P> {
    /// The plan for schemas that were read no earlier than `not_before`; `make` makes it again if they have changed.
    pub(in crate::engine) async fn current(
        &self,
        key: K,
        pair: Pair<'_>,
        not_before: Instant,
        make: impl FnOnce(Catalog, Catalog) -> Result<P, EngineError>,
    ) -> Result<Kept<P>, EngineError> {
        let entry = self.entry(key);
        let mut known = entry.known.lock().await;
        let looked_at = Instant::now();
        let is_doubted = entry.is_doubted.load(Ordering::Relaxed);
        if let Some(known) = known.as_mut().filter(|_| !is_doubted) {
            if known.looked_at >= not_before {
                return Ok(known.kept.clone());
            }
            let (source, target) = {
                let [source, target] = &known.kept.tables;
                try_join!(look(pair.source, source), look(pair.target, target))?
            };
            if known.kept.basis.has_schemas(&source, &target) {
                known.looked_at = looked_at;
                let basis = Arc::make_mut(&mut known.kept.basis);
                (basis.source.1.glance, basis.target.1.glance) = (source, target);
                return Ok(known.kept.clone());
            }
        }
        entry.is_doubted.store(false, Ordering::Relaxed);
        let made = make_again(pair, known.as_ref().map(|known| &*known.kept.basis), make).await;
        match made {
            Ok(kept) => {
                *known = Some(Known { kept: kept.clone(), looked_at });
                Ok(kept)
            }
            Err(error) => {
                entry.is_doubted.store(true, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// Makes these plans again when they are next needed.
    pub(in crate::engine) fn doubt(&self, is_doubted: impl Fn(&K) -> bool) {
        let plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let doubted = plans.iter().filter(|(key, _)| is_doubted(key));
        doubted.for_each(|(_, entry)| entry.is_doubted.store(true, Ordering::Relaxed));
    }

    fn entry(&self, key: K) -> Arc<Entry<P>> {
        let fresh = || Arc::new(Entry { known: Queue::new(None), is_doubted: AtomicBool::new(false) });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert_with(fresh).clone()
    }
}

async fn make_again<P>(
    pair: Pair<'_>,
    before: Option<&Basis>,
    make: impl FnOnce(Catalog, Catalog) -> Result<P, EngineError>,
) -> Result<Kept<P>, EngineError> {
    let names = tables_named(&pair.definition.tables);
    let (source, target) = try_join!(Catalog::read(pair.source, &names), Catalog::read(pair.target, &names))?;
    let tables = [source.fingerprint.tables.clone(), target.fingerprint.tables.clone()];
    let basis = Arc::new(Basis {
        source: (pair.definition.from.clone(), source.fingerprint.fingerprint.clone()),
        target: (pair.definition.to.clone(), target.fingerprint.fingerprint.clone()),
    });
    let changes = before.and_then(|before| before.changes(&basis));
    match (make(source, target), changes) {
        (Ok(plan), changes) => {
            if let Some(changes) = changes {
                warn!(migration = %pair.definition.name, %changes, "the plan is made anew");
            }
            Ok(Kept { plan: Arc::new(plan), basis, tables })
        }
        (Err(error), Some(changes)) => {
            Err(EngineError { reason: format!("{}; since the last plan {changes}", error.reason), ..error })
        }
        (Err(error), None) => Err(error),
    }
}

async fn look(store: &Store, tables: &Tables) -> Result<Glance, EngineError> {
    let session = store.session().await?;
    let doing = Doing::new(store.name(), "looking whether the schema has changed");
    let taken = glance(&session, tables, doing).await?;
    session.release();
    Ok(taken)
}
