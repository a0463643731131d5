//! Keys of one table with the statements about them.

use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use mover_actors::domain::ids::StoreName;
use mover_actors::ports::EngineError;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::super::cohort::Cohort;
use super::super::connection::Session;
use super::super::error::{Doing, is_transient};
use super::keys::Arrays;
use super::lost;
use super::plan::{LivePlan, LiveTable};
use super::subtree;

/// Whether foreign keys of the written rows can be proven yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prove {
    ForeignKeys,
    /// The rows that they point to may not have been copied.
    OnlyContents,
}

/// Keys of one table that are to be carried over.
pub(super) struct Work<'a> {
    pub(super) number: usize,
    pub(super) label: &'a str,
    pub(super) table: &'a LiveTable,
    copy: &'a str,
    keys: Arrays,
}

pub(super) struct Prepared {
    pub(super) select: Statement,
    pub(super) leaving: Statement,
    pub(super) delete: Statement,
    pub(super) copy: Statement,
    pub(super) receiving: Statement,
    pub(super) orphans: Option<Statement>,
}

impl<'a> Work<'a> {
    pub(super) fn new(live: &'a LivePlan, number: usize, keys: Arrays) -> Self {
        let planned = &live.plan.tables[number];
        Self { number, label: &planned.label, table: &live.tables[number], copy: &planned.copy, keys }
    }

    pub(super) fn doing<'b>(&self, store: &'b StoreName) -> Doing<'b>
    where
        'a: 'b,
    {
        Doing::new(store, "comparing what was written").on(self.label)
    }

    /// The orgs' keys and the rows' keys.
    pub(super) fn parameters<'b>(&'b self, orgs: &'b &'b [String]) -> Vec<&'b (dyn ToSql + Sync)> {
        std::iter::once(orgs as &(dyn ToSql + Sync)).chain(self.keys.parameters()).collect()
    }

    pub(super) async fn prepare(&self, from: &Session, to: &Session, prove: Prove) -> Result<Prepared, EngineError> {
        let orphans = self.table.orphans.probe.as_ref().filter(|_| prove == Prove::ForeignKeys);
        let prepared = futures_util::try_join!(
            from.prepared(&self.table.select),
            from.prepared(&self.table.leaving.tally),
            to.prepared(&self.table.delete),
            to.prepared(self.copy),
            to.prepared(&self.table.receiving.tally),
            try_join_all(orphans.map(|probe| to.prepared(probe))),
        );
        match prepared {
            Ok((select, leaving, delete, copy, receiving, orphans)) => {
                Ok(Prepared { select, leaving, delete, copy, receiving, orphans: orphans.into_iter().next() })
            }
            Err(error) => {
                let reason = format!("making ready to carry over table {}: {error}", self.label);
                Err(EngineError { transient: is_transient(&error), reason, place: Box::default() })
            }
        }
    }
}

/// Runs every statement that carrying over may need, for no keys at all: prepared and planned, none of them costs more than
/// its work when writers wait for it.
pub(super) async fn rehearse(
    live: &LivePlan,
    from: &Session,
    to: &Session,
    cohort: &Cohort,
) -> Result<(), EngineError> {
    let orgs = cohort.keys();
    let leaving = Doing::new(&live.plan.source, "making ready for the switch");
    let receiving = Doing::new(&live.plan.target, "making ready for the switch");
    let of_tables = (0..live.tables.len()).map(|number| async move {
        let work = Work::new(live, number, Arrays::none(live.tables[number].key.len()));
        let prepared = work.prepare(from, to, Prove::ForeignKeys).await?;
        let parameters = work.parameters(&orgs);
        let on_leaving = [&prepared.select, &prepared.leaving].map(|statement| run(from, statement, &parameters));
        let on_receiving = [&prepared.delete, &prepared.receiving].into_iter().chain(&prepared.orphans);
        let on_receiving = on_receiving.map(|statement| run(to, statement, &parameters));
        try_join_all(on_leaving).await.map_err(|error| leaving.on(work.label).failed(error))?;
        try_join_all(on_receiving).await.map_err(|error| receiving.on(work.label).failed(error))?;
        lost::refuse_rows(live, work.table, work.label, from, &parameters).await?;
        subtree::rehearse(live, number, from, to).await
    });
    try_join_all(of_tables).await?;
    let failed = |error| receiving.failed(error);
    if !live.plan.sequences.is_empty() {
        let statement = to.prepared(&live.plan.sequences_stand).await.map_err(failed)?;
        run(to, &statement, &[]).await.map_err(failed)?;
    }
    Ok(())
}

async fn run(
    session: &Session,
    statement: &Statement,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<(), tokio_postgres::Error> {
    let rows = session.query_raw(statement, parameters.iter().copied()).await?;
    rows.try_collect::<Vec<Row>>().await.map(drop)
}
