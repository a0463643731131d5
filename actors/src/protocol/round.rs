//! One round of catch-up: the changes that a snapshot of the log has are carried over, compared and deleted from the log.

use std::time::Duration;

use futures_util::try_join;

use crate::failpoint;
use crate::ports::{CaughtUp, EngineError};

use super::cohort::Cohort;
use super::doing::{Doing, shortened};
use super::keys::RowKeys;
use super::pipeline::send;
use super::route::LiveRoute;
use super::standing::{Mode, Standing, before_arrival};
use super::store::{LeavingSession, Logged, Prove, ReceivingSession, Snapshot};

/// A message names this many differing rows.
const NAMED_MAX: usize = 5;

/// The two sessions of a round, and its orgs.
#[derive(Clone, Copy)]
pub(super) struct Round<'a> {
    pub(super) route: &'a LiveRoute,
    pub(super) cohort: &'a Cohort,
    /// With the leaving store.
    pub(super) from: &'a dyn LeavingSession,
    /// With the receiving store.
    pub(super) to: &'a dyn ReceivingSession,
}

impl Round<'_> {
    /// A whole round.
    pub(super) async fn run(self) -> Result<CaughtUp, EngineError> {
        self.hold(None).await?;
        let logged = self.log().await?;
        let seen = logged.seen.clone();
        let mut keys = keys_of(self.route, logged);
        if keys.is_empty() {
            self.from.end_snapshot().await?;
            // The new epoch must be committed, which is worth a commit only once.
            self.commit().await?;
            return Ok(CaughtUp::default());
        }
        let keys = self.carry_over(&mut keys).await?;
        let left = self.from.forget(self.cohort, &seen).await?;
        failpoint::hit("catch_up.forgotten");
        Ok(CaughtUp { keys, left })
    }

    /// Locks the orgs' guard rows in the receiving store. The snapshot must come after that: two processes that carry over at
    /// once would undo each other.
    pub(super) async fn hold(self, idle: Option<Duration>) -> Result<(), EngineError> {
        let standings = self.to.hold(self.cohort, idle).await?;
        Standing::all_must_be(&standings, before_arrival(self.route.way), self.cohort, self.writing())
    }

    /// Takes the snapshot, which stays open, and reads the log. Refused unless the orgs are being captured: the log would be
    /// incomplete.
    pub(super) async fn log(self) -> Result<Logged, EngineError> {
        let logged = self.from.log(self.cohort, Snapshot::Short).await?;
        let reading = Doing::new(self.route.leaving.store(), "reading what was written");
        Standing::all_must_be(&logged.standings, Mode::Capturing, self.cohort, reading)?;
        failpoint::hit("catch_up.read");
        Ok(logged)
    }

    /// Carries over the rows with these keys, and ends both transactions. Returns the number of keys.
    pub(super) async fn carry_over(self, keys: &mut RowKeys) -> Result<i64, EngineError> {
        apply(self, keys, Prove::All).await?;
        let snapshot = send(self.from.end_snapshot()).await;
        self.commit().await?;
        snapshot.answer().await?;
        Ok(keys.count())
    }

    async fn commit(self) -> Result<(), EngineError> {
        self.to.raise(self.cohort).await?;
        failpoint::hit("catch_up.before_commit");
        self.to.commit().await?;
        failpoint::hit("catch_up.committed");
        Ok(())
    }

    fn writing(&self) -> Doing<'_> {
        Doing::new(self.route.receiving.store(), "carrying over what was written")
    }
}

/// The keys of all orgs together.
pub(super) fn keys_of(route: &LiveRoute, logged: Logged) -> RowKeys {
    let mut all = RowKeys::none(route.tables.len());
    logged.by_org.into_values().for_each(|keys| all.add_all(keys));
    all
}

/// Replaces all rows with these keys, and their subtrees, by those of the snapshot: `from` is inside of it, and `to` inside of
/// a transaction that has locked the orgs' guard rows. All keys of a snapshot at once: a part of them could break unique
/// constraints.
pub(super) async fn apply(round: Round<'_>, keys: &mut RowKeys, prove: Prove) -> Result<(), EngineError> {
    let Round { cohort, from, to, .. } = round;
    grow(round, keys).await?;
    from.refuse_lost(cohort, Some(keys)).await?;
    // Both stores get all their requests at once; the answers come in the order of the requests.
    let rows = from.rows_of(cohort, keys).await?;
    let here = send(from.tally_of(cohort, keys)).await;
    to.replace(cohort, keys, rows).await?;
    let there = send(to.tally_of(cohort, keys)).await;
    let proven = send(to.prove_rows(cohort, keys, prove)).await;
    let (here, there) = (here.answer().await?, there.answer().await?);
    if let Some(table) = keys.tables().find(|table| here.get(table) != there.get(table)) {
        return Err(unlike(round, keys, table).await?);
    }
    proven.answer().await
}

/// Adds to `keys` all rows below the rows of `keys`, as either store has them now.
pub(super) async fn grow(round: Round<'_>, keys: &mut RowKeys) -> Result<(), EngineError> {
    // Parents come first in the outline, so keys that are found here are expanded in their own turn.
    for (number, table) in round.route.tables.iter().enumerate() {
        let parents = if table.has_branches { keys.parents(number) } else { Vec::new() };
        if parents.is_empty() {
            continue;
        }
        let (here, there) =
            try_join!(round.from.branches_of(number, &parents), round.to.branches_of(number, &parents))?;
        for (child, key) in here.into_iter().chain(there) {
            keys.add(child, key, true);
        }
    }
    Ok(())
}

/// The error for rows that differ after they were carried over.
async fn unlike(round: Round<'_>, keys: &RowKeys, table: usize) -> Result<EngineError, EngineError> {
    let here = round.from.hashes_of(round.cohort, keys, table).await?;
    let there = round.to.hashes_of(round.cohort, keys, table).await?;
    let unlike = here.iter().filter(|(key, hash)| there.get(*key) != Some(hash)).map(|(key, _)| key);
    let surplus = there.keys().filter(|key| !here.contains_key(*key));
    let named: Vec<String> = unlike.chain(surplus).take(NAMED_MAX).cloned().collect();
    let Some(outline) = round.route.tables.get(table) else { return Ok(round.writing().refused("rows differ")) };
    let rows = shortened(&format!("({})={}", outline.key.join(", "), named.join(", ")));
    let doing = round.writing().on(&outline.label);
    let mut error = doing.refused(format!("rows differ after they were carried over: {rows}"));
    error.place.row = Some(rows);
    Ok(error)
}
