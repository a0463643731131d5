//! The standing of orgs in one store: the rows of `mover.org_guard`, changed without moving any row of the orgs.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use mover_actors::domain::ids::{Epoch, OrgKey, StoreName};
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Way;
use mover_actors::failpoint;
use mover_actors::ports::EngineError;
use mover_actors::protocol::store::{Guard, Keeps};
use mover_actors::protocol::{LiveLimits, Mode, Patience, Standing, after_arrival, before_arrival, refusal, send};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::engine::guard;
use crate::engine::live::lock;
use crate::engine::store::Store;
use crate::engine::store::cohort::{Cohort, Parameters};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

pub(super) const READ: &str = include_str!("sql/read_row.sql");
pub(super) const LOCK_ROW: &str = include_str!("sql/lock_row.sql");
pub(super) const SHARE_ROW: &str = include_str!("sql/share_row.sql");
pub(super) const RAISE: &str = include_str!("sql/raise.sql");
pub(super) const RECEIVE: &str = include_str!("sql/receive.sql");
pub(super) const FORGET_PIECES: &str = include_str!("sql/ranges_remove.sql");
const SETTLE: &str = include_str!("sql/settle.sql");

/// The guard's rows of one store.
#[derive(Debug)]
pub(in crate::engine) struct OrgGuard {
    pub(in crate::engine) store: Store,
    pub(in crate::engine) limits: LiveLimits,
    /// Whether the table of guard rows is known to exist.
    pub(in crate::engine) has_fence: tokio::sync::OnceCell<()>,
}

#[async_trait]
impl Guard for OrgGuard {
    fn store(&self) -> &StoreName {
        self.store.name()
    }

    async fn ensure(&self, keeps: Keeps) -> Result<(), EngineError> {
        match keeps {
            Keeps::Standings => self.has_fence.get_or_try_init(|| self.ensure_fence()).await.copied(),
            Keeps::Changes if guard::ensure_tables(&self.store).await? => Ok(()),
            Keeps::Changes => {
                Err(Doing::new(self.store.name(), "creating the guard's tables").refused(guard::MISSING_RIGHT))
            }
        }
    }

    async fn exists(&self) -> Result<bool, EngineError> {
        guard::has_fence(&self.store).await
    }

    async fn standings(&self, cohort: &Cohort) -> Result<HashMap<OrgKey, Standing>, EngineError> {
        let session = self.store.session().await?;
        let doing = Doing::new(self.store.name(), "asking where the org stands");
        let found = read(&session, READ, cohort, doing).await?;
        session.release();
        Ok(found)
    }

    async fn capture(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let doing = Doing::new(self.store.name(), "beginning to log what is written");
        self.change(include_str!("sql/capture.sql"), cohort, doing).await.map(drop)
    }

    async fn fence(&self, cohort: &Cohort) -> Result<HashMap<OrgKey, Mode>, EngineError> {
        let doing = Doing::new(self.store.name(), "asking whether the org has moved");
        self.change(include_str!("sql/fence.sql"), cohort, doing).await
    }

    async fn refuse_older(&self, lease: &Lease) -> Result<(), EngineError> {
        let doing = Doing::new(self.store.name(), "keeping out what was sent before");
        let (session, cohort) = (self.store.session().await?, Cohort::one(lease));
        let mut patience = Patience::new(self.limits.lock_budget);
        loop {
            match try_change(&session, RAISE, &cohort, self.limits).await {
                Ok(_) => {
                    session.release();
                    return Ok(());
                }
                Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                    lock::try_again(&mut patience, &session, lease, doing).await?;
                }
                Err(error) => return Err(doing.failed(error)),
            }
        }
    }

    async fn left_ago(&self, lease: &Lease) -> Result<Option<Duration>, EngineError> {
        let doing = Doing::new(self.store.name(), "asking when the org has left");
        let failed = |error| doing.failed(error);
        let (session, cohort) = (self.store.session().await?, Cohort::one(lease));
        let statement = session.prepared(include_str!("sql/left_ago.sql")).await.map_err(failed)?;
        let row = session.query_opt(&statement, &cohort.names()).await.map_err(failed)?;
        session.release();
        let seconds: Option<f64> = row.map(|row| row.try_get(0)).transpose().map_err(failed)?;
        // A clock that was set back says that it has left just now.
        Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)))
    }

    async fn arrive(&self, cohort: &Cohort, way: Way) -> Result<(), EngineError> {
        let doing = Doing::new(self.store.name(), "making the org live here");
        let session = self.store.session().await?;
        receive(&session, cohort, way, doing).await?;
        failpoint::hit("capturing.committed");
        forget_pieces(&session, cohort, doing).await?;
        session.release();
        Ok(())
    }

    async fn stop_capture(&self, lease: &Lease, what: &'static str) -> Result<(), EngineError> {
        let doing = Doing::new(self.store.name(), what);
        let failed = |error| doing.failed(error);
        let (session, cohort) = (self.store.session().await?, Cohort::one(lease));
        session.prepared(SETTLE).await.map_err(failed)?;
        // Writers at work have begun to log. After this nothing is logged, so nothing is left in the log.
        lock::lock(&session, lease, self.limits, doing).await?;
        failpoint::hit("release.before_commit");
        // Writers wait for us, so we wait for no one for long.
        let settled = try_change(&session, SETTLE, &cohort, self.limits).await.map_err(failed)?;
        keys_of(&settled, &cohort, doing, &session).await?;
        lock::unlock(&session, &cohort, doing).await?;
        lock::reset_timeouts(&session, doing).await?;
        session.release();
        Ok(())
    }

    async fn settle(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let session = self.store.session().await?;
        guard::settle(&session, cohort, Doing::new(self.store.name(), "declaring the org live")).await?;
        session.release();
        Ok(())
    }
}

impl OrgGuard {
    async fn ensure_fence(&self) -> Result<(), EngineError> {
        match guard::ensure(&self.store).await? {
            true => Ok(()),
            false => Err(Doing::new(self.store.name(), "creating the guard table").refused(guard::MISSING_RIGHT)),
        }
    }

    /// Changes the orgs' guard rows. Writers may lock these for a moment: they read them in a snapshot that must stay valid.
    /// Returns the mode of each org; an error if one is not returned. Orgs do not wait for the writers of another org: a cohort
    /// is refused, so that it is split.
    async fn change(&self, sql: &str, cohort: &Cohort, doing: Doing<'_>) -> Result<HashMap<OrgKey, Mode>, EngineError> {
        let session = self.store.session().await?;
        let mut patience = Patience::new(self.limits.lock_budget);
        loop {
            let error = match try_change(&session, sql, cohort, self.limits).await {
                Ok(changed) => {
                    let modes = keys_of(&changed, cohort, doing, &session).await?;
                    session.release();
                    return Ok(modes);
                }
                Err(error) => error,
            };
            match cohort.single() {
                _ if error.code() != Some(&SqlState::LOCK_NOT_AVAILABLE) => return Err(doing.failed(error)),
                Some(lease) => lock::try_again(&mut patience, &session, lease, doing).await?,
                None => return Err(doing.refused("the row of one of these orgs is locked by its writers")),
            }
        }
    }
}

async fn try_change(
    session: &Session,
    sql: &str,
    cohort: &Cohort,
    limits: LiveLimits,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let statement = session.prepared(sql).await?;
    let begin = lock::begin_impatiently(limits.lock_timeout);
    let parameters = cohort.parameters();
    let begun = send(session.batch_execute(&begin)).await;
    let changed = send(session.query(&statement, &parameters)).await;
    let ended = send(session.batch_execute("COMMIT")).await;
    begun.answer().await?;
    let changed = changed.answer().await;
    ended.answer().await?;
    changed
}

/// The modes of the orgs whose rows were changed; an error says why the first of the others was not.
async fn keys_of(
    changed: &[Row],
    cohort: &Cohort,
    doing: Doing<'_>,
    session: &Session,
) -> Result<HashMap<OrgKey, Mode>, EngineError> {
    let mut modes = HashMap::with_capacity(changed.len());
    for row in changed {
        modes.insert(cohort.keyed(row, 0, doing)?.key.clone(), mode(row, doing)?);
    }
    refuse_others(session, cohort, &modes.keys().cloned().collect(), doing).await?;
    Ok(modes)
}

fn mode(row: &Row, doing: Doing<'_>) -> Result<Mode, EngineError> {
    let text: &str = row.try_get(1).map_err(|error| doing.failed(error))?;
    Mode::from_str(text).map_err(|problem| doing.refused(problem))
}

/// The org of a row and its standing: from the columns key, mode and epoch.
pub(super) fn standing(row: &Row, cohort: &Cohort, doing: Doing<'_>) -> Result<(OrgKey, Standing), EngineError> {
    let epoch = Epoch(row.try_get(2).map_err(|error| doing.failed(error))?);
    Ok((cohort.keyed(row, 0, doing)?.key.clone(), Standing { mode: mode(row, doing)?, epoch }))
}

/// Reads the standing of orgs with `sql`, which may lock the rows.
pub(super) async fn read(
    session: &Session,
    sql: &str,
    cohort: &Cohort,
    doing: Doing<'_>,
) -> Result<HashMap<OrgKey, Standing>, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(sql).await.map_err(failed)?;
    let rows = session.query(&statement, &cohort.names()).await.map_err(failed)?;
    rows.iter().map(|row| standing(row, cohort, doing)).collect()
}

/// Reads the row of one org, and refuses unless its mode is `wanted`.
pub(super) async fn must_be(
    session: &Session,
    sql: &str,
    wanted: Mode,
    lease: &Lease,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let found = read(session, sql, &Cohort::one(lease), doing).await?;
    Standing::must_be(found.get(&lease.key), wanted, lease, doing)
}

/// The standing of one org.
pub(in crate::engine) async fn of(
    session: &Session,
    lease: &Lease,
    doing: Doing<'_>,
) -> Result<Option<Standing>, EngineError> {
    Ok(read(session, READ, &Cohort::one(lease), doing).await?.remove(&lease.key))
}

/// Why an org does not have the standing that it should have.
pub(super) async fn why_refused(
    session: &Session,
    lease: &Lease,
    doing: Doing<'_>,
) -> Result<EngineError, EngineError> {
    Ok(refusal(of(session, lease, doing).await?.as_ref(), lease, doing))
}

/// Refuses the first org whose guard row a statement did not change.
async fn refuse_others(
    session: &Session,
    cohort: &Cohort,
    changed: &HashSet<OrgKey>,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    match cohort.first_missing(changed) {
        Some(lease) => Err(why_refused(session, lease, doing).await?),
        None => Ok(()),
    }
}

/// Makes the store refuse older epochs, if it does not yet. Inside the caller's transaction.
pub(super) async fn raise(session: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(RAISE).await.map_err(failed)?;
    session.execute(&statement, &cohort.parameters()).await.map(drop).map_err(failed)
}

/// The orgs live in the receiving store from now on. Repeating it is harmless.
pub(super) async fn receive(session: &Session, cohort: &Cohort, way: Way, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(RECEIVE).await.map_err(failed)?;
    let [migration, keys, epochs] = cohort.parameters();
    let (after, before) = (after_arrival(way).as_str(), before_arrival(way).as_str());
    let parameters: [&(dyn ToSql + Sync); 5] = [migration, keys, epochs, &after, &before];
    let rows = session.query(&statement, &parameters).await.map_err(failed)?;
    let received = rows.iter().map(|row| Ok(cohort.keyed(row, 0, doing)?.key.clone()));
    refuse_others(session, cohort, &received.collect::<Result<_, EngineError>>()?, doing).await
}

/// A copy that has become live is no copy any more.
pub(super) async fn forget_pieces(session: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(FORGET_PIECES).await.map_err(failed)?;
    session.execute(&statement, &cohort.names()).await.map(drop).map_err(failed)
}
