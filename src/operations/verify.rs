//! `verify`: compares both stores again, for orgs that have migrated. A difference has its table, rows and columns, as when a move fails.
//! Where the target logs writes, what was written since the switch is told from what is damaged.

use futures_util::{StreamExt, TryStreamExt, stream};
use mover_actors::domain::campaign::Selection;
use mover_actors::domain::ids::{MigrationName, OrgName};
use mover_actors::domain::record::{Lease, MoveRecord};
use mover_actors::domain::state::{State, Strategy};
use mover_actors::domain::verified::{Mismatch, Verified};
use mover_actors::ports::{Engine, Side};
use serde::Serialize;
use serde_json::json;

use crate::command::Which;
use crate::state::read::StateName;

use super::answer::{Answer, short};
use super::error::OperationError;
use super::orgs::selection;
use super::world::World;

const PAGE: u32 = 500;
/// Orgs compared in one statement.
const ORGS_TOGETHER: usize = 50;
const AT_ONCE: usize = 4;
const SHOWN_MAX: usize = 20;

/// An org that is not as it should be.
#[derive(Debug, Serialize)]
struct Difference {
    org: OrgName,
    /// As a sentence.
    difference: String,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<String>,
}

/// How an org differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// It has not migrated, so there is nothing to compare.
    NotMigrated,
    /// By writes since the switch, or by damage: nothing logged which.
    Unlogged,
    /// Nothing logged that its rows were written.
    Damaged,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Found {
    compared: usize,
    differences: Vec<Difference>,
    /// Orgs that differ by logged writes alone.
    written: Vec<OrgName>,
}

/// `verify`
pub(super) async fn verify(world: &World, migration: &MigrationName, which: &Which) -> Result<Answer, OperationError> {
    let name = &world.definition(migration)?.name;
    let mut found = Found::default();
    match selection(which)? {
        Selection::Names(names) => {
            let mut records = Vec::new();
            for org in names {
                world.log.org_history(name, &org).await?;
                records.extend(world.log.org_moves(&org).await?.into_iter().map(|view| view.record));
            }
            records.retain(|record| record.migration == *name);
            compare(world, records, &mut found).await?;
        }
        wide => {
            let counts = world.log.counts(name).await?;
            let mut left = match wide {
                Selection::First(most) => most,
                Selection::Percent(percent) => (counts.total() * u64::from(percent)).div_ceil(100),
                Selection::All | Selection::Names(_) => counts.migrated,
            };
            let mut after = None;
            while left > 0 {
                let limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
                let page = world.log.list(name, Some(StateName::Migrated), after, limit).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.record.id);
                left -= (page.len() as u64).min(left);
                let records = page.into_iter().map(|view| view.record).collect();
                compare(world, records, &mut found).await?;
            }
        }
    }
    Ok(found.answer(migration))
}

impl Found {
    fn answer(self, migration: &MigrationName) -> Answer {
        let Self { compared, differences, written } = self;
        let mut text = format!("{migration}: {compared} orgs compared, {} differ", differences.len());
        for Difference { org, difference, .. } in differences.iter().take(SHOWN_MAX) {
            text.push_str(&format!("\n  {}: {difference}", short(org.as_str(), 60)));
        }
        if differences.len() > SHOWN_MAX {
            text.push_str(&format!("\n  and {} more", differences.len() - SHOWN_MAX));
        }
        if differences.iter().any(|one| one.kind == Kind::Unlogged) {
            text.push_str(
                "\nThe target of these logs no writes: what was written there since the switch differs, too.",
            );
        }
        if !written.is_empty() {
            text.push_str(&format!(
                "\n{} orgs were written since their switch, and differ in nothing else.",
                written.len()
            ));
        }
        let is_alike = differences.is_empty();
        let facts = json!({ "compared": compared, "differences": differences, "written_since": written });
        Answer::new(text, facts).if_all(is_alike)
    }
}

async fn compare(world: &World, records: Vec<MoveRecord>, found: &mut Found) -> Result<(), OperationError> {
    let (moved, others): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| record.state == State::Migrated);
    found.compared += others.len();
    found.differences.extend(others.into_iter().map(|record| Difference {
        difference: format!("it is {}, not migrated", record.state),
        org: record.org,
        kind: Kind::NotMigrated,
        table: None,
        row: None,
        columns: Vec::new(),
    }));
    let chunks: Vec<Vec<MoveRecord>> = moved.chunks(ORGS_TOGETHER).map(<[_]>::to_vec).collect();
    let mut outcomes = stream::iter(chunks).map(|records| compare_moved(world, records)).buffer_unordered(AT_ONCE);
    while let Some(part) = outcomes.try_next().await? {
        found.compared += part.compared;
        found.differences.extend(part.differences);
        found.written.extend(part.written);
    }
    Ok(())
}

async fn compare_moved(world: &World, records: Vec<MoveRecord>) -> Result<Found, OperationError> {
    let leases: Vec<Lease> = records.iter().map(MoveRecord::lease).collect();
    let (source, target) =
        tokio::try_join!(world.engine.tally(&leases, Side::Source), world.engine.tally(&leases, Side::Target))?;
    let mut found = Found { compared: leases.len(), ..Found::default() };
    for (lease, (source, target)) in leases.iter().zip(source.iter().zip(&target)) {
        let Err(mismatch) = Verified::compare(source, target) else { continue };
        match difference(world, lease, &mismatch).await? {
            Some(difference) => found.differences.push(difference),
            None => found.written.push(lease.org.clone()),
        }
    }
    Ok(found)
}

/// What an org differs in; `None`: in logged writes alone.
async fn difference(world: &World, lease: &Lease, mismatch: &Mismatch) -> Result<Option<Difference>, OperationError> {
    let logs = world.definition(&lease.migration).is_ok_and(|definition| definition.strategy == Strategy::Online);
    let (mut mismatch, mut what) = (mismatch.clone(), mismatch.to_string());
    let (kind, row) = if logs {
        let Some(damage) = world.engine.damage(lease).await? else { return Ok(None) };
        let how = if damage.are_gone { "are gone from the target" } else { "are not as they were at the switch" };
        what = format!(
            "table {}: rows {} {how}, although nothing logged that they were written",
            damage.table, damage.rows
        );
        mismatch.table = damage.table;
        (Kind::Damaged, Some(damage.rows))
    } else {
        (Kind::Unlogged, None)
    };
    let place = world.engine.explain(lease, &mismatch).await?;
    if let (None, Some(found)) = (&row, &place.row) {
        what.push_str(&format!(": {found}"));
    }
    if !place.columns.is_empty() {
        what.push_str(&format!("; columns {}", place.columns.join(", ")));
    }
    Ok(Some(Difference {
        org: lease.org.clone(),
        difference: what,
        kind,
        table: Some(mismatch.table),
        row: row.or(place.row),
        columns: place.columns,
    }))
}
