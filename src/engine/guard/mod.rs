//! What Mover keeps in the stores: a row for each org that says which store its rows live in, and, for online moves, triggers.

mod body;
mod brief_lock;
mod coverage;
mod fitness;
mod install;
mod others;
mod places;
mod remove;
mod trigger;
mod watch;

use std::collections::{HashMap, HashSet};

use mover_actors::domain::ids::{Epoch, OrgKey};
use mover_actors::ports::EngineError;
use mover_actors::protocol::{Mode, refusal};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::engine::live::standing;
use crate::engine::store::Store;
use crate::engine::store::cohort::{Cohort, Parameters};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

pub use coverage::Gap;
pub(super) use coverage::{is_needed, must_watch};
pub(super) use install::{Guard, Readiness};
pub use install::{GuardStatus, GuardedOrgs};
pub(super) use others::{drop_fences, gone, held_by_others, holding};
pub(super) use watch::{Kind, watch};

const ENTER: &str = include_str!("sql/guard_enter.sql");
const SETTLE: &str = include_str!("sql/guard_settle.sql");
const ADMIT: &str = concat!(include_str!("sql/admit.sql"), ";\n", include_str!("sql/require_here.sql"));
const FOUND: &str = include_str!("sql/guard_found.sql");
const CREATE: &str = concat!(include_str!("sql/guard_create.sql"), include_str!("sql/guard_watch.sql"));

/// The remedy if the guard's table can be neither found nor created.
pub(super) const MISSING_RIGHT: &str = "no right to create it; run in this store as its owner: CREATE SCHEMA mover; \
    GRANT CREATE, USAGE ON SCHEMA mover TO the role that Mover logs in as. If another role owns mover.org_guard, run \
    `mover guard install` as that role";

/// Prepares the statements of [`enter`], so that they are sent at once.
pub(super) async fn prepare(session: &Session, doing: Doing<'_>) -> Result<(), EngineError> {
    session.prepared(ENTER).await.map(drop).map_err(|error| doing.failed(error))
}

/// Puts the orgs into `mode`, which is `incoming` or `discarded`, inside the caller's transaction. Their guard rows stay locked
/// until it ends. Returns the keys of the orgs that were `incoming`: an earlier try may have left rows of them.
pub(super) async fn enter(
    session: &Session,
    cohort: &Cohort,
    mode: Mode,
    doing: Doing<'_>,
) -> Result<HashSet<OrgKey>, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(ENTER).await.map_err(failed)?;
    let [migration, keys, epochs] = cohort.parameters();
    let rows = session.query(&statement, &[migration, keys, epochs, &mode.as_str()]).await.map_err(failed)?;
    let mut entered = HashSet::new();
    let mut incoming = HashSet::new();
    for row in rows {
        let key = cohort.keyed(&row, 0, doing)?.key.clone();
        let before: Option<&str> = row.try_get(1).map_err(failed)?;
        if before == Some("incoming") {
            incoming.insert(key.clone());
        }
        entered.insert(key);
    }
    refuse_others(session, cohort, &entered, doing).await?;
    Ok(incoming)
}

/// The store refuses writes of orgs that have left it, and of which it knows nothing.
pub(super) async fn mark_left(store: &Store, cohort: &Cohort) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "marking orgs that have left");
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    let statement = session.prepared(include_str!("sql/mark_left.sql")).await.map_err(failed)?;
    session.execute(&statement, &cohort.parameters()).await.map_err(failed)?;
    session.release();
    watch(store, cohort).await
}

/// Declares the orgs' rows to be live.
pub(super) async fn settle(session: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(SETTLE).await.map_err(failed)?;
    let rows = session.query(&statement, &cohort.parameters()).await.map_err(failed)?;
    let settled = rows.iter().map(|row| Ok(cohort.keyed(row, 0, doing)?.key.clone()));
    refuse_others(session, cohort, &settled.collect::<Result<_, EngineError>>()?, doing).await
}

/// Refuses the first org whose guard row a statement did not change.
async fn refuse_others(
    session: &Session,
    cohort: &Cohort,
    changed: &HashSet<OrgKey>,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let Some(lease) = cohort.first_missing(changed) else { return Ok(()) };
    Err(match standing::of(session, lease, doing).await? {
        None => doing.refused("nothing of the org was copied here, or it was removed since"),
        Some(found) if found.epoch <= lease.epoch && matches!(found.mode, Mode::Settled | Mode::Capturing) => {
            doing.refused("the org is live here: its rows are neither replaced nor removed")
        }
        found => refusal(found.as_ref(), lease, doing),
    })
}

/// Creates the guard's table if it is missing; returns whether it exists now.
pub(super) async fn ensure(store: &Store) -> Result<bool, EngineError> {
    ensure_one(store, &["has_fence"]).await
}

/// Creates everything that online moves keep in a store if any of it is missing or callable by others; returns whether it
/// exists now.
pub(super) async fn ensure_tables(store: &Store) -> Result<bool, EngineError> {
    ensure_one(store, &["has_all", "is_closed"]).await
}

/// Whether the table of guard rows exists, be it of an earlier version.
pub(super) async fn has_fence(store: &Store) -> Result<bool, EngineError> {
    find(store, "has_fence").await
}

/// Whether all tables of online moves exist, be they of an earlier version, whose functions may be others.
pub(super) async fn has_tables(store: &Store) -> Result<bool, EngineError> {
    find(store, "has_tables").await
}

/// The newest epoch that the guard has seen in each migration.
pub(super) async fn newest_epochs(client: &Client) -> Result<HashMap<String, Epoch>, tokio_postgres::Error> {
    let has_fence: bool = client.query_one(FOUND, &[]).await?.try_get("has_fence")?;
    if !has_fence {
        return Ok(HashMap::new());
    }
    let rows = client.query(include_str!("sql/newest_epoch.sql"), &[]).await?;
    rows.iter().map(|row| Ok((row.try_get("migration")?, Epoch(row.try_get("epoch")?)))).collect()
}

async fn find(store: &Store, what: &str) -> Result<bool, EngineError> {
    let doing = Doing::new(store.name(), "looking for the guard's tables");
    let session = store.session().await?;
    let row = session.query_one(FOUND, &[]).await.map_err(|error| doing.failed(error))?;
    session.release();
    row.try_get(what).map_err(|error| doing.failed(error))
}

/// Whether the functions that all triggers and applications call are of this version, and none is public.
async fn admits(session: &Session, doing: Doing<'_>) -> Result<bool, EngineError> {
    let failed = |error| doing.failed(error);
    let found = session.query_one(include_str!("sql/admits.sql"), &[]).await.map_err(failed)?;
    let [admit, require_here]: [Option<String>; 2] =
        [found.try_get("admit").map_err(failed)?, found.try_get("require_here").map_err(failed)?];
    // Each body is between two of these.
    let mut texts = ADMIT.split("$mover$").skip(1).step_by(2);
    let is_closed: bool =
        session.query_one(FOUND, &[]).await.and_then(|row| row.try_get("is_closed")).map_err(failed)?;
    Ok(is_closed && admit.as_deref() == texts.next() && require_here.as_deref() == texts.next())
}

async fn make_admit(session: &Session, doing: Doing<'_>) -> Result<(), EngineError> {
    session.batch_execute(&format!("BEGIN; {ALONE}; {ADMIT}; COMMIT")).await.map_err(|error| doing.failed(error))
}

async fn ensure_one(store: &Store, needed: &[&str]) -> Result<bool, EngineError> {
    let doing = Doing::new(store.name(), "creating the guard table mover.org_guard");
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    let found = session.query_one(FOUND, &[]).await.map_err(failed)?;
    let has = needed.iter().map(|what| found.try_get(what)).collect::<Result<Vec<bool>, _>>().map_err(failed)?;
    let there = has.iter().all(|has| *has) || create(&session, doing).await?;
    session.release();
    Ok(there)
}

/// Several processes may run this at once.
const ALONE: &str = "SELECT pg_advisory_xact_lock(hashtext('mover.org_guard'))";

/// Creates what is missing; false if we lack the right to.
async fn create(session: &Session, doing: Doing<'_>) -> Result<bool, EngineError> {
    // Not to_regnamespace: it may answer from a cache of before we got the lock.
    let schema = "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'mover') THEN CREATE SCHEMA mover; END IF; END $$";
    // Suppresses notices about objects that exist.
    let quietly = "SET LOCAL client_min_messages = warning";
    match session.batch_execute(&format!("BEGIN; {quietly}; {ALONE}; {schema}; {CREATE}; {ADMIT}; COMMIT")).await {
        Ok(()) => Ok(true),
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            session.batch_execute("ROLLBACK").await.map_err(|error| doing.failed(error))?;
            Ok(false)
        }
        Err(error) => Err(doing.failed(error)),
    }
}
