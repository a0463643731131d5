//! The progress of the copy of a large org, in the receiving store.

use async_trait::async_trait;
use mover_actors::domain::record::Lease;
use mover_actors::ports::{Copied, EngineError};
use mover_actors::protocol::store::PieceLog;
use mover_actors::protocol::{Mode, Piece};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::engine::live::cut::parameters;
use crate::engine::live::plan::LivePlan;
use crate::engine::live::standing::{self, SHARE_ROW};
use crate::engine::rows::side::{PlannedSession, Receives};
use crate::engine::store::cohort::{Cohort, Parameters};
use crate::engine::store::error::{Doing, Failed};

const WRITING: &str = "writing a range of the org";

#[async_trait]
impl PieceLog for PlannedSession<LivePlan, Receives> {
    async fn pieces(&self, cohort: &Cohort) -> Result<Vec<Piece>, EngineError> {
        let doing = self.doing("looking how far the copy has come");
        let failed = |error| doing.failed(error);
        let statement = self.session.prepared(include_str!("sql/ranges.sql")).await.map_err(failed)?;
        let rows = self.session.query(&statement, &cohort.names()).await.map_err(failed)?;
        rows.iter().map(|row| self.piece(row, doing)).collect()
    }

    async fn plan_pieces(&self, lease: &Lease, pieces: &[Piece]) -> Result<(), EngineError> {
        let doing = self.doing("noting how the org is copied");
        let failed = |error| doing.failed(error);
        standing::forget_pieces(&self.session, &Cohort::one(lease), doing).await?;
        let statement = self.session.prepared(include_str!("sql/range_add.sql")).await.map_err(failed)?;
        let (migration, key) = (lease.migration.as_str(), lease.key.as_str());
        for Piece { table, number, above, upto, .. } in pieces {
            let label = self.plan().tables[*table].label.as_str();
            let parameters: [&(dyn ToSql + Sync); 6] = [&migration, &key, &label, number, above, upto];
            self.session.execute(&statement, &parameters).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn begin_piece(&self, lease: &Lease) -> Result<(), EngineError> {
        let doing = self.doing(WRITING);
        self.session.batch_execute("BEGIN").await.map_err(|error| doing.failed(error))?;
        standing::must_be(&self.session, SHARE_ROW, Mode::Incoming, lease, doing).await
    }

    async fn clear_piece(&self, lease: &Lease, piece: &Piece) -> Result<(), EngineError> {
        let planned = &self.plan().tables[piece.table];
        let failed = |error| self.doing(WRITING).on(&planned.label).failed(error);
        let ranging = &self.live().tables[piece.table].ranging;
        let condition = ranging.on_receiving(piece.above.is_some(), piece.upto.is_some());
        let delete = self.session.prepared(&format!("{}{condition}", planned.delete)).await.map_err(failed)?;
        let orgs = [lease.key.as_str()];
        self.session.execute(&delete, &parameters(&orgs.as_slice(), piece)).await.map(drop).map_err(failed)
    }

    async fn piece_done(&self, lease: &Lease, piece: &Piece, copied: Copied) -> Result<(), EngineError> {
        let failed = |error| self.doing(WRITING).failed(error);
        let done = self.session.prepared(include_str!("sql/range_done.sql")).await.map_err(failed)?;
        let (migration, key) = (lease.migration.as_str(), lease.key.as_str());
        let label = self.plan().tables[piece.table].label.as_str();
        let parameters: [&(dyn ToSql + Sync); 6] =
            [&migration, &key, &label, &piece.number, &copied.rows, &copied.bytes];
        self.session.execute(&done, &parameters).await.map(drop).map_err(failed)
    }

    async fn copied(&self, lease: &Lease) -> Result<Copied, EngineError> {
        let failed = |error| self.doing("counting what was copied").failed(error);
        let statement = self.session.prepared(include_str!("sql/ranges_sum.sql")).await.map_err(failed)?;
        let parameters: [&(dyn ToSql + Sync); 2] = [&lease.migration.as_str(), &lease.key.as_str()];
        let row = self.session.query_one(&statement, &parameters).await.map_err(failed)?;
        Ok(Copied { rows: row.try_get(0).map_err(failed)?, bytes: row.try_get(1).map_err(failed)? })
    }

    async fn forget_pieces(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let doing = self.doing("forgetting how the org was copied");
        standing::forget_pieces(&self.session, cohort, doing).await
    }
}

impl PlannedSession<LivePlan, Receives> {
    fn piece(&self, row: &Row, doing: Doing<'_>) -> Result<Piece, EngineError> {
        let failed = |error| doing.failed(error);
        let label: String = row.try_get(0).map_err(failed)?;
        let unknown =
            || doing.on(&label).refused("an earlier try has copied it, but the migration does not move it (any more)");
        Ok(Piece {
            table: self.live().number_of(&label).ok_or_else(unknown)?,
            number: row.try_get(1).map_err(failed)?,
            above: row.try_get(2).map_err(failed)?,
            upto: row.try_get(3).map_err(failed)?,
            is_done: row.try_get(4).map_err(failed)?,
        })
    }
}
