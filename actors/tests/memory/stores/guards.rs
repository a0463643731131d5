//! Guard rows: where orgs stand. What is done with a row for each request, mode and epoch is as in the statements of a real store.

use std::collections::{HashMap, HashSet};

use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::domain::record::Claim;
use mover_actors::domain::state::Way;
use mover_actors::ports::Side;
use mover_actors::protocol::store::{Entered, Seen};
use mover_actors::protocol::{Cohort, Mode, Standing, after_arrival, before_arrival};

use super::super::event::Event;
use super::super::world::{Sabotage, Scene};
use super::fault::Fault;
use super::sessions::SessionId;
use super::transactions::{Change, Held, migration_of};

/// What a request without a transaction of its own does with guard rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Requested {
    Capture,
    Fence,
    RefuseOlder,
    Arrive(Way),
    Settle,
    StopCapture,
}

impl Requested {
    /// The standing afterwards; nothing if the row is not changed. `lenient`: a sabotaged store takes any epoch.
    fn after(self, found: Option<Standing>, claim: &Claim, lenient: bool) -> Option<Standing> {
        let at = |mode| Some(Standing { mode, epoch: claim.epoch });
        let Some(Standing { mode, epoch }) = found else {
            return match self {
                Requested::Capture => at(Mode::Capturing),
                Requested::Fence => at(Mode::Settled),
                Requested::RefuseOlder | Requested::Arrive(_) | Requested::Settle | Requested::StopCapture => None,
            };
        };
        if epoch > claim.epoch && !lenient {
            return None;
        }
        let among = |modes: &[Mode], after| if modes.contains(&mode) { at(after) } else { None };
        match self {
            Requested::Capture => among(&[Mode::Settled, Mode::Capturing], Mode::Capturing),
            Requested::Fence => at(mode),
            Requested::RefuseOlder => (epoch < claim.epoch).then_some(Standing { mode, epoch: claim.epoch }),
            Requested::Arrive(way) => among(&[before_arrival(way), after_arrival(way)], after_arrival(way)),
            Requested::Settle => among(&[Mode::Incoming, Mode::Settled], Mode::Settled),
            Requested::StopCapture => among(&[Mode::Capturing, Mode::Settled], Mode::Settled),
        }
    }
}

impl Scene<'_> {
    /// Changes guard rows at once. Those that can be changed are, also where another cannot: that is the error then.
    pub(in super::super) fn change_standings(
        &mut self,
        side: Side,
        cohort: &Cohort,
        requested: Requested,
    ) -> Result<HashMap<OrgKey, Mode>, Fault> {
        self.end_lost_sessions();
        self.must_be_free(None, side, cohort, Held::Alone)?;
        let migration = migration_of(cohort);
        let lenient = requested == Requested::Settle && self.facts.is_sabotaged(Sabotage::ForgetTheGuard);
        let never_raises = matches!(requested, Requested::Fence | Requested::RefuseOlder)
            && self.facts.is_sabotaged(Sabotage::KeepOldEpochs);
        let (mut modes, mut missing) = (HashMap::new(), None);
        for claim in cohort.claims() {
            let found = self.facts.stores.standing(migration, side, &claim.key);
            match requested.after(found, claim, lenient) {
                Some(after) => {
                    let after = if never_raises { found.unwrap_or(after) } else { after };
                    self.stand(side, claim, after);
                    if requested == Requested::StopCapture {
                        self.forget_log(side, claim);
                    }
                    modes.insert(claim.key.clone(), after.mode);
                }
                None if requested == Requested::RefuseOlder => {}
                None => missing = missing.or(Some(Fault::stands(found, claim))),
            }
        }
        match missing {
            Some(fault) => Err(fault),
            None => Ok(modes),
        }
    }

    pub(in super::super) fn standings(&self, side: Side, cohort: &Cohort) -> HashMap<OrgKey, Standing> {
        let standing =
            |claim: &Claim| Some((claim.key.clone(), self.facts.stores.standing(&claim.migration, side, &claim.key)?));
        cohort.claims().iter().filter_map(standing).collect()
    }

    fn stand(&mut self, side: Side, claim: &Claim, after: Standing) {
        let place = self.facts.stores.place_mut(&claim.migration, side);
        let before = place.standings.insert(claim.key.clone(), after);
        if before == Some(after) {
            return;
        }
        let (migration, key) = (claim.migration.clone(), claim.key.clone());
        self.emit(Event::Stands { migration, side, key, before, after, by: claim.clone() });
    }

    /// Puts orgs into a mode that is not final, in a transaction.
    pub(in super::super) fn enter(&mut self, id: SessionId, cohort: &Cohort, mode: Mode) -> Result<Entered, Fault> {
        self.begin(id, cohort, None)?;
        let side = self.session(id)?.side;
        self.must_be_free(Some(id), side, cohort, Held::Alone)?;
        let forgetful = self.facts.is_sabotaged(Sabotage::ForgetTheGuard);
        let mut again = HashSet::new();
        for claim in cohort.claims() {
            let found = self.standing_seen(id, &claim.migration, &claim.key);
            let may_enter = found.is_none_or(|found| {
                let is_live = match found.mode {
                    Mode::Capturing => true,
                    // A row that was left by a writer, not by a decision.
                    Mode::Settled => found.epoch.0 != 0,
                    Mode::Moved | Mode::Incoming | Mode::Discarded => false,
                };
                found.epoch <= claim.epoch && !is_live
            });
            if !may_enter && !forgetful {
                return Err(Fault::stands(found, claim));
            }
            if found.is_some_and(|found| found.mode == Mode::Incoming || forgetful) {
                again.insert(claim.key.clone());
            }
            self.hold_row(id, &claim.key, Held::Alone)?;
            self.change(id, Change::Stand(claim.key.clone(), Standing { mode, epoch: claim.epoch }))?;
        }
        let has_rows = cohort.claims().iter().any(|claim| !self.rows_seen(id, &claim.migration, &claim.key).is_empty());
        Ok(Entered { again, has_rows })
    }

    /// Takes guard rows that are there, in the open transaction; answers how the orgs stand.
    pub(in super::super) fn hold_rows(
        &mut self,
        id: SessionId,
        cohort: &Cohort,
        held: Held,
    ) -> Result<HashMap<OrgKey, Standing>, Fault> {
        let side = self.session(id)?.side;
        let holds_nothing = self.facts.is_sabotaged(Sabotage::HoldNothing);
        if !holds_nothing {
            self.must_be_free(Some(id), side, cohort, held)?;
        }
        let standings = self.standings(side, cohort);
        for claim in cohort.claims().iter().filter(|claim| standings.contains_key(&claim.key) && !holds_nothing) {
            self.hold_row(id, &claim.key, held)?;
        }
        Ok(standings)
    }

    /// Begins a transaction and takes the orgs' guard rows.
    pub(in super::super) fn hold(
        &mut self,
        id: SessionId,
        cohort: &Cohort,
        idle_max: Option<std::time::Duration>,
    ) -> Result<HashMap<OrgKey, Standing>, Fault> {
        self.begin(id, cohort, idle_max)?;
        self.hold_rows(id, cohort, Held::Alone)
    }

    /// The same for one org, which must stand as wanted; others with the same claim may do the same.
    pub(in super::super) fn share_row(&mut self, id: SessionId, claim: &Claim, wanted: Mode) -> Result<(), Fault> {
        let cohort = Cohort::one(claim);
        self.begin(id, &cohort, None)?;
        let found = self.hold_rows(id, &cohort, Held::Shared)?.remove(&claim.key);
        match found {
            Some(found) if found.mode == wanted && found.epoch <= claim.epoch => Ok(()),
            found => Err(Fault::stands(found, claim)),
        }
    }

    /// Has the store refuse older epochs, once the transaction is committed.
    pub(in super::super) fn raise(&mut self, id: SessionId, cohort: &Cohort) -> Result<(), Fault> {
        for claim in cohort.claims() {
            let found = self.standing_seen(id, &claim.migration, &claim.key);
            if let Some(after) = found.and_then(|found| Requested::RefuseOlder.after(Some(found), claim, false)) {
                self.change(id, Change::Stand(claim.key.clone(), after))?;
            }
        }
        Ok(())
    }

    /// The orgs live here, once the transaction is committed.
    pub(in super::super) fn receive(
        &mut self,
        id: SessionId,
        cohort: &Cohort,
        way: Way,
        is_open: bool,
    ) -> Result<(), Fault> {
        if !is_open {
            self.begin(id, cohort, None)?;
        }
        let side = self.session(id)?.side;
        self.must_be_free(Some(id), side, cohort, Held::Alone)?;
        for claim in cohort.claims() {
            let found = self.standing_seen(id, &claim.migration, &claim.key);
            let Some(after) = Requested::Arrive(way).after(found, claim, false) else {
                return Err(Fault::stands(found, claim));
            };
            self.hold_row(id, &claim.key, Held::Alone)?;
            self.change(id, Change::Stand(claim.key.clone(), after))?;
        }
        Ok(())
    }

    /// The point of no return: all orgs or none.
    pub(in super::super) fn move_away(&mut self, id: SessionId, cohort: &Cohort, seen: &Seen) -> Result<(), Fault> {
        let side = self.session(id)?.side;
        self.must_be_free(Some(id), side, cohort, Held::Alone)?;
        let lenient = self.facts.is_sabotaged(Sabotage::AcceptLateMoved);
        for claim in cohort.claims() {
            let found = self.facts.stores.standing(&claim.migration, side, &claim.key);
            let is_ours = found.is_some_and(|found| {
                found.mode == Mode::Capturing && found.epoch == claim.epoch || lenient && found.mode != Mode::Moved
            });
            if !is_ours {
                return Err(Fault::stands(found, claim));
            }
        }
        if self.has_unseen(side, cohort, seen) && !lenient {
            return Err(Fault::refused("something was logged although all writers wait"));
        }
        for claim in cohort.claims() {
            self.forget_log(side, claim);
            self.stand(side, claim, Standing { mode: Mode::Moved, epoch: claim.epoch });
        }
        Ok(())
    }

    /// Removes some rows of an org that has moved away; answers how many.
    pub(in super::super) fn purge_some(
        &mut self,
        side: Side,
        claim: &Claim,
        table: &str,
        rows_at_once: usize,
    ) -> Result<usize, Fault> {
        self.end_lost_sessions();
        let cohort = Cohort::one(claim);
        self.must_be_free(None, side, &cohort, Held::Alone)?;
        let found = self.facts.stores.standing(&claim.migration, side, &claim.key);
        match found {
            Some(found) if found.mode == Mode::Moved && found.epoch <= claim.epoch => {}
            found => return Err(Fault::stands(found, claim)),
        }
        self.stand(side, claim, Standing { mode: Mode::Moved, epoch: claim.epoch });
        let rows = self.facts.stores.rows_mut(&claim.migration, side, &claim.key);
        let mut gone = 0;
        rows.retain(|row| {
            let goes = row.table == table && gone < rows_at_once;
            gone += usize::from(goes);
            !goes
        });
        if gone > 0 {
            self.rows_changed_by(side, claim);
        }
        Ok(gone)
    }

    fn rows_changed_by(&mut self, side: Side, claim: &Claim) {
        let (migration, key) = (claim.migration.clone(), claim.key.clone());
        let by = super::super::event::Hand::Engine(claim.clone());
        self.emit(Event::RowsChanged { migration, side, key, by });
    }

    fn must_be_free(&self, ours: Option<SessionId>, side: Side, cohort: &Cohort, wanted: Held) -> Result<(), Fault> {
        let migration = migration_of(cohort);
        let is_free = |claim: &Claim| self.is_row_free(ours, (migration, side, &claim.key), wanted);
        if cohort.claims().iter().all(is_free) { Ok(()) } else { Err(Fault::Locked) }
    }

    /// Whether a guard row can be held so, by one of Mover's sessions or by a writer.
    pub(super) fn is_row_free(
        &self,
        ours: Option<SessionId>,
        (migration, side, key): (&MigrationName, Side, &OrgKey),
        wanted: Held,
    ) -> bool {
        let others =
            self.facts.stores.sessions.iter().filter(|(id, session)| ours != Some(**id) && session.side == side);
        let mut open = others.filter_map(|(_, session)| session.transaction.as_ref());
        let is_in_the_way = |(of, held): &(OrgKey, Held)| of == key && (*held == Held::Alone || wanted == Held::Alone);
        let by_mover = open.any(|open| open.migration == *migration && open.rows_held.iter().any(is_in_the_way));
        let shared = || self.facts.stores.writers.values().any(|writer| writer.shares_row(migration, side, key));
        !by_mover && (wanted == Held::Shared || !shared())
    }
}
