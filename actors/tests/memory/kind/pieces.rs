//! Copying large orgs in pieces, and remembering which of them are done.

use async_trait::async_trait;
use mover_actors::domain::record::Lease;
use mover_actors::ports::{Copied, EngineError};
use mover_actors::protocol::store::{PieceLog, Ranges, Rows};
use mover_actors::protocol::{Cohort, Mode, Piece};

use super::super::stores::{Row, TABLES, migration_of};
use super::count;
use super::session::SiteSession;

const READING: &str = "reading the org";
const WRITING: &str = "writing the org";

#[async_trait]
impl Ranges for SiteSession {
    async fn is_large(&self, lease: &Lease, rows: i64) -> Result<bool, EngineError> {
        let found = self.rows_seen("is_large", &Cohort::one(lease), |_| true).await?;
        let of = |table: &str| count(found.iter().filter(|(_, row)| row.table == table).count());
        Ok(TABLES.iter().any(|table| of(table) > rows))
    }

    async fn export(&self) -> Result<String, EngineError> {
        self.connection.ask("export", READING, |scene, id| scene.export_snapshot(id)).await
    }

    async fn cut(&self, lease: &Lease, rows: i64) -> Result<Vec<Piece>, EngineError> {
        let found = self.rows_in_snapshot("cut", &Cohort::one(lease), |_| true).await?;
        let rows_in_each = usize::try_from(rows.max(1)).unwrap_or(usize::MAX);
        let mut pieces = Vec::new();
        for (table, label) in TABLES.iter().enumerate() {
            let mut ids: Vec<u64> =
                found.iter().filter(|(_, row)| row.table == *label).map(|(_, row)| row.id).collect();
            ids.sort_unstable();
            let last_of_each = ids.chunks(rows_in_each).filter_map(|chunk| chunk.last());
            let mut ends: Vec<Option<Vec<String>>> = last_of_each.map(|id| Some(vec![id.to_string()])).collect();
            // The last one is open: rows that come later belong to it.
            ends.pop();
            ends.push(None);
            let mut above = None;
            for (number, upto) in (0..).zip(ends) {
                let next = upto.clone();
                pieces.push(Piece { table, number, above, upto, is_done: false });
                above = next;
            }
        }
        Ok(pieces)
    }

    async fn join_snapshot(&self, name: &str) -> Result<(), EngineError> {
        let name = name.to_owned();
        self.connection.ask("join_snapshot", READING, move |scene, id| scene.join_snapshot(id, &name)).await
    }

    async fn rows_in<'a>(&'a self, lease: &'a Lease, piece: &'a Piece) -> Result<Rows<'a>, EngineError> {
        let asked = piece.clone();
        let cohort = Cohort::one(lease);
        let rows = self.rows_in_snapshot("rows_in", &cohort, move |row| is_in(&asked, row)).await?;
        Ok(self.on_their_way(&cohort, rows))
    }
}

#[async_trait]
impl PieceLog for SiteSession {
    async fn pieces(&self, cohort: &Cohort) -> Result<Vec<Piece>, EngineError> {
        let (side, cohort) = (self.side, cohort.clone());
        self.connection
            .ask("pieces", WRITING, move |scene, _| {
                let of = |lease: &Lease| scene.pieces(&lease.migration, side, &lease.key);
                Ok(cohort.leases().iter().flat_map(of).map(|(piece, _)| piece).collect())
            })
            .await
    }

    async fn plan_pieces(&self, lease: &Lease, pieces: &[Piece]) -> Result<(), EngineError> {
        let (lease, pieces) = (lease.clone(), pieces.to_vec());
        self.connection.ask("plan_pieces", WRITING, move |scene, id| scene.plan_pieces(id, &lease, &pieces)).await
    }

    async fn begin_piece(&self, lease: &Lease) -> Result<(), EngineError> {
        let lease = lease.clone();
        self.connection.ask("begin_piece", WRITING, move |scene, id| scene.share_row(id, &lease, Mode::Incoming)).await
    }

    async fn clear_piece(&self, lease: &Lease, piece: &Piece) -> Result<(), EngineError> {
        let (cohort, piece) = (Cohort::one(lease), piece.clone());
        self.connection
            .ask("clear_piece", WRITING, move |scene, id| scene.remove_rows(id, &cohort, |row| is_in(&piece, row)))
            .await
    }

    async fn piece_done(&self, lease: &Lease, piece: &Piece, copied: Copied) -> Result<(), EngineError> {
        let (lease, piece) = (lease.clone(), piece.clone());
        self.connection.ask("piece_done", WRITING, move |scene, id| scene.piece_done(id, &lease, &piece, copied)).await
    }

    async fn copied(&self, lease: &Lease) -> Result<Copied, EngineError> {
        let (side, lease) = (self.side, lease.clone());
        self.connection
            .ask("copied", WRITING, move |scene, _| {
                let pieces = scene.pieces(&lease.migration, side, &lease.key).into_iter();
                let copied = pieces.filter_map(|(_, copied)| copied);
                Ok(copied.fold(Copied::default(), |sum, one| Copied {
                    rows: sum.rows + one.rows,
                    bytes: sum.bytes + one.bytes,
                }))
            })
            .await
    }

    async fn forget_pieces(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let (side, cohort) = (self.side, cohort.clone());
        self.connection
            .ask("forget_pieces", WRITING, move |scene, _| {
                let migration = migration_of(&cohort);
                cohort.leases().iter().for_each(|lease| scene.forget_pieces(migration, side, &lease.key));
                Ok(())
            })
            .await
    }
}

/// Whether a row is in a piece.
fn is_in(piece: &Piece, row: &Row) -> bool {
    let end = |key: &Option<Vec<String>>| key.as_ref().and_then(|key| key.first()?.parse::<u64>().ok());
    row.table_number() == piece.table
        && end(&piece.above).is_none_or(|above| row.id > above)
        && end(&piece.upto).is_none_or(|upto| row.id <= upto)
}
