//! Checks at rest: every org in both stores is compared with the move log, the flags and the ledger.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, Error};

use crate::app::{App, Org, Rows, Write};
use crate::client::Shared;
use crate::evidence::Evidence;
use crate::flags::{Flags, Way};
use crate::postgres::{causes, connect_patiently, texts};
use crate::servers::{Servers, Store};

/// A finding names this many superfluous or missing rows per table.
const NAMED_MAX: usize = 4;

/// Checks every org of an application. No client writes, Mover does not run, all servers are up.
pub(crate) async fn check<A: App>(shared: &Shared<A>, servers: &Servers, evidence: &Evidence) {
    if let Err(error) = look(shared, servers, evidence).await {
        evidence.add(format!("checking {}: {error}", shared.app.migration()));
    }
}

async fn look<A: App>(shared: &Shared<A>, servers: &Servers, evidence: &Evidence) -> Result<(), String> {
    let told = |error: Error| causes(&error);
    let log = connect_patiently(&servers.state_url()).await.map_err(told)?;
    let old = connect_patiently(&servers.store_url(Store::Old)).await.map_err(told)?;
    let new = connect_patiently(&servers.store_url(Store::New)).await.map_err(told)?;
    let mut flags = Flags::open(&servers.redis_url(), std::time::Duration::ZERO).map_err(|error| error.to_string())?;
    let migration = shared.app.migration();
    let states = states(&log, migration).await.map_err(told)?;
    let old = Side { guards: guards(&old, migration).await.map_err(told)?, client: old };
    let new = Side { guards: guards(&new, migration).await.map_err(told)?, client: new };
    for side in [&old, &new] {
        for condition in shared.app.never() {
            let sql = format!("SELECT t::text FROM (SELECT * FROM {condition}) t");
            let rows = texts(&side.client, &sql).await.map_err(told)?;
            if let Some(first) = rows.first() {
                evidence
                    .add(format!("{} rows of {migration} that should never be, as {first}: {condition}", rows.len()));
            }
        }
    }
    for (index, org) in shared.app.orgs().iter().enumerate() {
        let state = states.get(&org.key.to_string()).map_or("unknown", String::as_str);
        let found = OrgCheck { shared, index, org, state, old: &old, new: &new };
        for complaint in found.look(&mut flags).await.map_err(told)? {
            let (in_old, in_new) = (old.guard(org), new.guard(org));
            evidence.add(format!("{} is {state}, guards {in_old} in old, {in_new} in new: {complaint}", org.name));
        }
    }
    Ok(())
}

/// The location of an org in the move log.
pub(crate) enum Found {
    In(Store),
    NotAtRest,
}

impl Found {
    fn by(state: &str) -> Self {
        match state {
            "migrated" | "finalized" => Self::In(Store::New),
            "unknown" | "holding" | "ready" | "failed" | "rolled_back" => Self::In(Store::Old),
            _ => Self::NotAtRest,
        }
    }
}

/// The present location of one org in the move log.
pub(crate) async fn home(migration: &str, org: &Org, servers: &Servers) -> Result<Found, Error> {
    let log = connect_patiently(&servers.state_url()).await?;
    let states = states(&log, migration).await?;
    Ok(Found::by(states.get(&org.key.to_string()).map_or("unknown", String::as_str)))
}

/// The guard row of an org.
#[derive(Debug, Default)]
struct Guard {
    mode: String,
    logged: i64,
    ranges: i64,
}

struct Side {
    client: Client,
    guards: BTreeMap<String, Guard>,
}

impl Side {
    fn guard(&self, org: &Org) -> &str {
        self.guards.get(&org.key.to_string()).map_or("-", |guard| guard.mode.as_str())
    }
}

struct OrgCheck<'a, A: App> {
    shared: &'a Shared<A>,
    index: usize,
    org: &'a Org,
    state: &'a str,
    old: &'a Side,
    new: &'a Side,
}

impl<A: App> OrgCheck<'_, A> {
    async fn look(&self, flags: &mut Flags) -> Result<Vec<String>, Error> {
        let mut complaints = Vec::new();
        let Found::In(home) = Found::by(self.state) else {
            complaints.push("it is not at rest".into());
            return Ok(complaints);
        };
        let way = flags.way(&self.org.name).await;
        if way != Way::To(home) {
            complaints.push(format!("it should be in {}, and the flags lead to {way:?}", home.name()));
        }
        self.check_guards(&mut complaints);
        let (here, there) = match home {
            Store::Old => (&self.old.client, &self.new.client),
            Store::New => (&self.new.client, &self.old.client),
        };
        let acknowledged = self.shared.ledger.of(self.index);
        let rows = self.rows(here).await?;
        self.compare(home, &acknowledged, rows, &mut complaints);
        let rows = self.rows(there).await?;
        if self.state == "migrated" {
            self.compare_left_behind(there, &acknowledged, rows, &mut complaints).await?;
        } else {
            for (table, rows) in rows.iter().filter(|(_, rows)| !rows.is_empty()) {
                complaints.push(format!("{} has {} rows of it in {table}", home.other().name(), rows.len()));
            }
        }
        Ok(complaints)
    }

    fn check_guards(&self, complaints: &mut Vec<String>) {
        let modes = (self.old.guard(self.org), self.new.guard(self.org));
        let good = match self.state {
            "migrated" => modes == ("moved", "capturing"),
            "finalized" => modes == ("moved", "settled"),
            _ => matches!(modes.0, "-" | "settled") && matches!(modes.1, "-" | "discarded" | "moved"),
        };
        if !good {
            complaints.push("its guards do not agree with that".into());
        }
        for (store, side) in [("old", self.old), ("new", self.new)] {
            if let Some(Guard { mode, logged, ranges }) = side.guards.get(&self.org.key.to_string()) {
                if *logged > 0 && mode != "capturing" {
                    complaints.push(format!("{store} still has {logged} changes logged"));
                }
                if *ranges > 0 {
                    complaints.push(format!("{store} still has {ranges} ranges of a copy"));
                }
            }
        }
    }

    /// All acknowledged writes exist, each once, and nothing else.
    fn compare(&self, store: Store, writes: &[Write<A::Work>], found: Rows, complaints: &mut Vec<String>) {
        let expected = self.expected(writes.iter());
        for (table, rows) in expected {
            let found = found.get(table).map_or(&[] as &[String], Vec::as_slice);
            if let Some(difference) = difference(&rows, found) {
                complaints.push(format!("{table} in {}: {difference}", store.name()));
            }
        }
    }

    /// The rows left in the store that the org has left are those of some moment: a part of all writes, each of them complete.
    async fn compare_left_behind(
        &self,
        client: &Client,
        writes: &[Write<A::Work>],
        found: Rows,
        complaints: &mut Vec<String>,
    ) -> Result<(), Error> {
        let there = texts(client, &self.shared.app.marks(self.org)).await?;
        let there: BTreeSet<i64> = there.iter().filter_map(|id| id.parse().ok()).collect();
        let known: BTreeSet<i64> = writes.iter().map(|write| write.id).collect();
        let stray: Vec<_> = there.difference(&known).take(NAMED_MAX).collect();
        if !stray.is_empty() {
            complaints.push(format!("writes that were committed in old while it lived in new: {stray:?}"));
        }
        let mut left = Vec::new();
        self.compare(
            Store::Old,
            &writes.iter().filter(|write| there.contains(&write.id)).cloned().collect::<Vec<_>>(),
            found,
            &mut left,
        );
        complaints.extend(left.into_iter().map(|text| format!("what it left behind was never so: {text}")));
        Ok(())
    }

    fn expected<'w>(&self, writes: impl Iterator<Item = &'w Write<A::Work>>) -> Rows
    where
        A: 'w,
    {
        let app = &self.shared.app;
        let mut state = app.beginning(self.index);
        writes.for_each(|write| app.apply(&mut state, write));
        app.rows(&state)
    }

    async fn rows(&self, client: &Client) -> Result<Rows, Error> {
        let mut rows = Rows::new();
        for (table, sql) in self.shared.app.queries(self.org) {
            let mut found = texts(client, &sql).await?;
            found.sort_unstable();
            rows.insert(table, found);
        }
        Ok(rows)
    }
}

/// Missing and superfluous rows; both lists are sorted, and a duplicate row is superfluous once.
fn difference(expected: &[String], found: &[String]) -> Option<String> {
    if expected == found {
        return None;
    }
    let count = |rows: &[String]| {
        let mut counts = BTreeMap::<String, i64>::new();
        rows.iter().for_each(|row| *counts.entry(row.clone()).or_default() += 1);
        counts
    };
    let (wanted, there) = (count(expected), count(found));
    let more = |left: &BTreeMap<String, i64>, right: &BTreeMap<String, i64>| -> Vec<String> {
        let more = left.iter().filter(|(row, times)| **times > right.get(*row).copied().unwrap_or_default());
        more.map(|(row, _)| row.clone()).collect()
    };
    let (missing, extra) = (more(&wanted, &there), more(&there, &wanted));
    let shown = |rows: &[String]| rows.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(" ");
    Some(format!(
        "{} rows missing: {}; {} rows that should not be: {}",
        missing.len(),
        shown(&missing),
        extra.len(),
        shown(&extra)
    ))
}

async fn states(log: &Client, migration: &str) -> Result<BTreeMap<String, String>, Error> {
    let sql = "SELECT org_key, state FROM mover.org_migration_state WHERE migration = $1";
    Ok(log.query(sql, &[&migration]).await?.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn guards(store: &Client, migration: &str) -> Result<BTreeMap<String, Guard>, Error> {
    if store.query_one("SELECT to_regclass('mover.org_guard')::text", &[]).await?.get::<_, Option<String>>(0).is_none()
    {
        return Ok(BTreeMap::new());
    }
    let rows = store.query(include_str!("guards.sql"), &[&migration]).await?;
    let guard = |row: &tokio_postgres::Row| Guard { mode: row.get(1), logged: row.get(2), ranges: row.get(3) };
    Ok(rows.iter().map(|row| (row.get(0), guard(row))).collect())
}
