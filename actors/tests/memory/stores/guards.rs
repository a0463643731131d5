//! Guard rows: where orgs stand. What is done with a row for each request, mode and epoch is as in the statements of a real store.

use std::collections::{HashMap, HashSet};

use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Way;
use mover_actors::ports::Side;
use mover_actors::protocol::store::{Entered, Seen};
use mover_actors::protocol::{Cohort, Mode, Standing, after_arrival, before_arrival};
use tokio::time::Instant;

use super::super::event::Event;
use super::super::world::{InjectedBug, WorldGuard};
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
    /// The standing afterwards; nothing if the row is not changed. `lenient`: a store with an injected bug takes any epoch.
    fn after(self, found: Option<Standing>, lease: &Lease, lenient: bool) -> Option<Standing> {
        let at = |mode| Some(Standing { mode, epoch: lease.epoch });
        let Some(Standing { mode, epoch }) = found else {
            return match self {
                Requested::Capture => at(Mode::Capturing),
                Requested::Fence => at(Mode::Settled),
                Requested::RefuseOlder | Requested::Arrive(_) | Requested::Settle | Requested::StopCapture => None,
            };
        };
        if epoch > lease.epoch && !lenient {
            return None;
        }
        let among = |modes: &[Mode], after| if modes.contains(&mode) { at(after) } else { None };
        match self {
            Requested::Capture => among(&[Mode::Settled, Mode::Capturing], Mode::Capturing),
            Requested::Fence => at(mode),
            Requested::RefuseOlder => (epoch < lease.epoch).then_some(Standing { mode, epoch: lease.epoch }),
            Requested::Arrive(way) => among(&[before_arrival(way), after_arrival(way)], after_arrival(way)),
            Requested::Settle => among(&[Mode::Incoming, Mode::Settled], Mode::Settled),
            Requested::StopCapture => among(&[Mode::Capturing, Mode::Settled], Mode::Settled),
        }
    }
}

impl WorldGuard<'_> {
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
        let lenient = side == Side::Target && self.facts.has_injected_bug(InjectedBug::ForgetTheGuard);
        let never_raises = matches!(requested, Requested::Fence | Requested::RefuseOlder)
            && self.facts.has_injected_bug(InjectedBug::KeepOldEpochs);
        let (mut modes, mut missing) = (HashMap::new(), None);
        for lease in cohort.leases() {
            let found = self.facts.stores.standing(migration, side, &lease.key);
            match requested.after(found, lease, lenient) {
                Some(after) => {
                    let after = if never_raises { found.unwrap_or(after) } else { after };
                    self.stand(side, lease, after);
                    if requested == Requested::StopCapture {
                        self.forget_log(side, lease);
                    }
                    modes.insert(lease.key.clone(), after.mode);
                }
                None if requested == Requested::RefuseOlder => {}
                None => missing = missing.or(Some(Fault::stands(found, lease))),
            }
        }
        if let Some(fault) = missing {
            return Err(fault);
        }
        if requested == Requested::Settle {
            self.facts.stores.count_cohort(cohort);
        }
        Ok(modes)
    }

    pub(in super::super) fn standings(&self, side: Side, cohort: &Cohort) -> HashMap<OrgKey, Standing> {
        // A store that raises no epochs does not show it.
        let never_raises = self.facts.has_injected_bug(InjectedBug::KeepOldEpochs);
        let standing = |lease: &Lease| {
            let found = self.facts.stores.standing(&lease.migration, side, &lease.key)?;
            let shown = if never_raises { Standing { epoch: lease.epoch, ..found } } else { found };
            Some((lease.key.clone(), shown))
        };
        cohort.leases().iter().filter_map(standing).collect()
    }

    fn stand(&mut self, side: Side, lease: &Lease, after: Standing) {
        let place = self.facts.stores.place_mut(&lease.migration, side);
        let before = place.standings.insert(lease.key.clone(), after);
        if after.mode == Mode::Moved && before.is_none_or(|before| before.mode != Mode::Moved) {
            place.left_at.insert(lease.key.clone(), Instant::now());
        }
        if before == Some(after) {
            return;
        }
        let (migration, key) = (lease.migration.clone(), lease.key.clone());
        self.emit(Event::Stands { migration, side, key, before, after, by: lease.clone() });
    }

    /// Puts orgs into a mode that is not final, in a transaction.
    pub(in super::super) fn enter(&mut self, id: SessionId, cohort: &Cohort, mode: Mode) -> Result<Entered, Fault> {
        self.begin(id, cohort, None)?;
        let side = self.session(id)?.side;
        self.must_be_free(Some(id), side, cohort, Held::Alone)?;
        let forgetful = side == Side::Target && self.facts.has_injected_bug(InjectedBug::ForgetTheGuard);
        let mut again = HashSet::new();
        for lease in cohort.leases() {
            let found = self.standing_seen(id, &lease.migration, &lease.key);
            let may_enter = found.is_none_or(|found| {
                let is_live = match found.mode {
                    Mode::Capturing => true,
                    // A row that was left by a writer, not by a decision.
                    Mode::Settled => found.epoch.0 != 0,
                    Mode::Moved | Mode::Incoming | Mode::Discarded => false,
                };
                found.epoch <= lease.epoch && !is_live
            });
            if !may_enter && !forgetful {
                return Err(Fault::stands(found, lease));
            }
            if found.is_some_and(|found| found.mode == Mode::Incoming || forgetful) {
                again.insert(lease.key.clone());
            }
            self.hold_row(id, &lease.key, Held::Alone)?;
            self.change(id, Change::Stand(lease.key.clone(), Standing { mode, epoch: lease.epoch }))?;
        }
        let has_rows = cohort.leases().iter().any(|lease| !self.rows_seen(id, &lease.migration, &lease.key).is_empty());
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
        let standings = self.standings(side, cohort);
        if self.facts.has_injected_bug(InjectedBug::HoldNothing) {
            return Ok(standings);
        }
        self.must_be_free(Some(id), side, cohort, held)?;
        for lease in cohort.leases().iter().filter(|lease| standings.contains_key(&lease.key)) {
            self.hold_row(id, &lease.key, held)?;
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

    /// The same for one org, which must stand as wanted; others with the same lease may do the same.
    pub(in super::super) fn share_row(&mut self, id: SessionId, lease: &Lease, wanted: Mode) -> Result<(), Fault> {
        let cohort = Cohort::one(lease);
        self.begin(id, &cohort, None)?;
        let found = self.hold_rows(id, &cohort, Held::Shared)?.remove(&lease.key);
        match found {
            Some(found) if found.mode == wanted && found.epoch <= lease.epoch => Ok(()),
            found => Err(Fault::stands(found, lease)),
        }
    }

    /// Has the store refuse older epochs, once the transaction is committed.
    pub(in super::super) fn raise(&mut self, id: SessionId, cohort: &Cohort) -> Result<(), Fault> {
        for lease in cohort.leases() {
            let found = self.standing_seen(id, &lease.migration, &lease.key);
            if let Some(after) = found.and_then(|found| Requested::RefuseOlder.after(Some(found), lease, false)) {
                self.change(id, Change::Stand(lease.key.clone(), after))?;
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
        for lease in cohort.leases() {
            let found = self.standing_seen(id, &lease.migration, &lease.key);
            let Some(after) = Requested::Arrive(way).after(found, lease, false) else {
                return Err(Fault::stands(found, lease));
            };
            self.hold_row(id, &lease.key, Held::Alone)?;
            self.change(id, Change::Stand(lease.key.clone(), after))?;
        }
        Ok(())
    }

    /// The point of no return: all orgs or none.
    pub(in super::super) fn move_away(&mut self, id: SessionId, cohort: &Cohort, seen: &Seen) -> Result<(), Fault> {
        let side = self.session(id)?.side;
        self.must_be_free(Some(id), side, cohort, Held::Alone)?;
        let lenient = self.facts.has_injected_bug(InjectedBug::AcceptLateMoved);
        // A store that raises no epochs has an older one than ours after a takeover.
        let never_raises = self.facts.has_injected_bug(InjectedBug::KeepOldEpochs);
        for lease in cohort.leases() {
            let found = self.facts.stores.standing(&lease.migration, side, &lease.key);
            let is_ours = found.is_some_and(|Standing { mode, epoch }| {
                let has_our_epoch = epoch == lease.epoch || never_raises && epoch < lease.epoch;
                mode == Mode::Capturing && has_our_epoch || lenient && mode != Mode::Moved
            });
            if !is_ours {
                return Err(Fault::stands(found, lease));
            }
        }
        if self.has_unseen(side, cohort, seen) && !lenient {
            return Err(Fault::refused("something was logged although all writers wait"));
        }
        self.facts.stores.count_cohort(cohort);
        for lease in cohort.leases() {
            self.forget_log(side, lease);
            self.stand(side, lease, Standing { mode: Mode::Moved, epoch: lease.epoch });
        }
        Ok(())
    }

    /// Removes some rows of an org that has moved away; answers how many.
    pub(in super::super) fn purge_some(
        &mut self,
        side: Side,
        lease: &Lease,
        table: &str,
        rows_at_once: usize,
    ) -> Result<usize, Fault> {
        self.end_lost_sessions();
        let cohort = Cohort::one(lease);
        self.must_be_free(None, side, &cohort, Held::Alone)?;
        let found = self.facts.stores.standing(&lease.migration, side, &lease.key);
        match found {
            Some(found) if found.mode == Mode::Moved && found.epoch <= lease.epoch => {}
            found => return Err(Fault::stands(found, lease)),
        }
        self.stand(side, lease, Standing { mode: Mode::Moved, epoch: lease.epoch });
        let rows = self.facts.stores.rows_mut(&lease.migration, side, &lease.key);
        let mut gone = 0;
        rows.retain(|row| {
            let goes = row.table == table && gone < rows_at_once;
            gone += usize::from(goes);
            !goes
        });
        if gone > 0 {
            self.rows_changed_by(side, lease);
        }
        Ok(gone)
    }

    fn rows_changed_by(&mut self, side: Side, lease: &Lease) {
        let (migration, key) = (lease.migration.clone(), lease.key.clone());
        let by = super::super::event::Hand::Engine(lease.clone());
        self.emit(Event::RowsChanged { migration, side, key, by });
    }

    fn must_be_free(&self, ours: Option<SessionId>, side: Side, cohort: &Cohort, wanted: Held) -> Result<(), Fault> {
        let migration = migration_of(cohort);
        let is_free = |lease: &Lease| self.is_row_free(ours, (migration, side, &lease.key), wanted);
        if cohort.leases().iter().all(is_free) { Ok(()) } else { Err(Fault::Locked) }
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
