//! How far the copies of large orgs have come.

use std::collections::BTreeMap;

use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::domain::record::Lease;
use mover_actors::ports::Copied;
use mover_actors::protocol::Piece;

use super::super::world::WorldGuard;
use super::fault::Fault;
use super::sessions::SessionId;
use super::transactions::Change;

/// A piece, and how much was copied if it was.
#[derive(Debug, Clone)]
pub(super) struct Noted {
    piece: Piece,
    copied: Option<Copied>,
}

#[derive(Debug)]
pub(super) enum PieceChange {
    Plan(Vec<Piece>),
    Done(Piece, Copied),
    Forget,
}

pub(super) fn apply(pieces: &mut BTreeMap<OrgKey, Vec<Noted>>, key: OrgKey, change: PieceChange) {
    match change {
        PieceChange::Plan(planned) => {
            pieces.insert(key, planned.into_iter().map(|piece| Noted { piece, copied: None }).collect());
        }
        PieceChange::Done(piece, copied) => {
            let is_it = |noted: &&mut Noted| (noted.piece.table, noted.piece.number) == (piece.table, piece.number);
            let noted = pieces.get_mut(&key).and_then(|noted| noted.iter_mut().find(is_it));
            noted.into_iter().for_each(|noted| noted.copied = Some(copied));
        }
        PieceChange::Forget => {
            pieces.remove(&key);
        }
    }
}

impl WorldGuard<'_> {
    pub(in super::super) fn plan_pieces(
        &mut self,
        id: SessionId,
        lease: &Lease,
        pieces: &[Piece],
    ) -> Result<(), Fault> {
        self.change(id, Change::Piece(lease.key.clone(), PieceChange::Plan(pieces.to_vec())))
    }

    pub(in super::super) fn piece_done(
        &mut self,
        id: SessionId,
        lease: &Lease,
        piece: &Piece,
        copied: Copied,
    ) -> Result<(), Fault> {
        self.change(id, Change::Piece(lease.key.clone(), PieceChange::Done(piece.clone(), copied)))
    }

    /// In the open transaction.
    pub(in super::super) fn forget_pieces_later(&mut self, id: SessionId, key: &OrgKey) -> Result<(), Fault> {
        self.change(id, Change::Piece(key.clone(), PieceChange::Forget))
    }

    /// At once.
    pub(in super::super) fn forget_pieces(
        &mut self,
        migration: &MigrationName,
        side: mover_actors::ports::Side,
        key: &OrgKey,
    ) {
        self.facts.stores.place_mut(migration, side).pieces.remove(key);
    }

    pub(in super::super) fn pieces(
        &self,
        migration: &MigrationName,
        side: mover_actors::ports::Side,
        key: &OrgKey,
    ) -> Vec<(Piece, Option<Copied>)> {
        let noted = self.facts.stores.place(migration, side).and_then(|place| place.pieces.get(key));
        let told = |noted: &Noted| (Piece { is_done: noted.copied.is_some(), ..noted.piece.clone() }, noted.copied);
        noted.into_iter().flatten().map(told).collect()
    }
}
