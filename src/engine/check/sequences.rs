//! Sequences of the target that would return numbers which rows of the source already have.

use mover_actors::ports::EngineError;
use tokio_postgres::Row;

use crate::config::Definition;
use crate::engine::check::report::{Remedy, Report};
use crate::engine::plan::sequences::setval;
use crate::engine::schema::catalog::{Catalog, Sequence};
use crate::engine::schema::name::quote;
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// Compares the sequences of both stores, column by column.
pub(in crate::engine) async fn check_sequences(
    report: &mut Report,
    definition: &Definition,
    (source, from): (&Store, &Catalog),
    (target, to): (&Store, &Catalog),
) -> Result<(), EngineError> {
    for rule in &definition.tables {
        let (Some(here), Some(there)) = (from.tables.get(&rule.name), to.tables.get(&rule.name)) else { continue };
        for sequence in &there.sequences {
            let subject = format!("sequence {} in {}", sequence.quoted, definition.to);
            if !(sequence.may_use && sequence.may_select) {
                let grant = format!("GRANT USAGE, SELECT ON SEQUENCE {} TO {}", sequence.quoted, to.server.role);
                report.problem(subject, "it may not be used", Remedy::run(&definition.to, grant));
                continue;
            }
            let Some(twin) = here.sequences.iter().find(|twin| twin.column == sequence.column && twin.may_select)
            else {
                continue;
            };
            let (theirs, ours) = (stands_at(source, twin).await?, stands_at(target, sequence).await?);
            compare(report, &subject, (twin, theirs), (sequence, ours), definition);
        }
    }
    Ok(())
}

/// Compares sequences of the same name that fill no column. What draws from them is unknown, so this is a warning.
pub(in crate::engine) async fn check_free_sequences(
    report: &mut Report,
    definition: &Definition,
    source: &Store,
    target: &Store,
) -> Result<(), EngineError> {
    let (here, there) = (free(source).await?, free(target).await?);
    for Free { sequence, last, start } in there {
        let twin = here.iter().find(|twin| twin.sequence.quoted == sequence.quoted);
        // No row has a number that was never drawn.
        let Some(theirs) = twin.and_then(|twin| twin.last) else { continue };
        let ours = last.unwrap_or(start);
        let is_behind = if sequence.increment < 0 { ours >= theirs } else { ours <= theirs };
        // Numbers that never coincide from now on are no help: clients that draw blocks (`INCREMENT BY 50`) use all in between.
        if !is_behind || sequence.cycles {
            continue;
        }
        let text = format!(
            "at {ours}, while the source's is at {theirs}. No column names it; if a trigger or an application draws from it for moved rows, both \
             stores hand out the same numbers"
        );
        let remedy = match setval(&sequence, theirs) {
            Some(setval) => Remedy::run(&definition.to, setval),
            None => "give it a wider range in both stores".into(),
        };
        report.warning(format!("sequence {} in {}", sequence.quoted, definition.to), text, remedy);
    }
    Ok(())
}

/// Such a sequence.
struct Free {
    sequence: Sequence,
    /// The last number drawn.
    last: Option<i64>,
    /// The first number.
    start: i64,
}

async fn free(store: &Store) -> Result<Vec<Free>, EngineError> {
    let doing = Doing::new(store.name(), "listing sequences");
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    let rows = session.query(include_str!("sql/free_sequences.sql"), &[]).await.map_err(failed)?;
    session.release();
    let sequence = |row: &Row| {
        let quoted = format!("{}.{}", quote(row.try_get("schema")?), quote(row.try_get("name")?));
        let sequence = Sequence {
            column: String::new(),
            quoted,
            increment: row.try_get("increment")?,
            least: row.try_get("least")?,
            greatest: row.try_get("greatest")?,
            cycles: row.try_get("cycles")?,
            fills_integers: false,
            may_use: true,
            may_select: true,
        };
        Ok(Free { sequence, last: row.try_get("last")?, start: row.try_get("start")? })
    };
    rows.iter().map(sequence).collect::<Result<_, _>>().map_err(failed)
}

fn compare(
    report: &mut Report,
    subject: &str,
    (twin, theirs): (&Sequence, i64),
    (own, ours): (&Sequence, i64),
    Definition { from, to, .. }: &Definition,
) {
    if interleave((twin.increment, theirs), (own.increment, ours)) {
        return report.ok(subject, "it never gives a number that the source's gives");
    }
    if twin.cycles || own.cycles {
        let text = "it begins anew at its end, so it gives numbers that rows may have already";
        let stores = [(from, twin), (to, own)].into_iter().filter(|(_, sequence)| sequence.cycles);
        let remedy = stores.fold(Remedy::default(), |remedy, (store, sequence)| {
            remedy.and_run(store, format!("ALTER SEQUENCE {} NO CYCLE", sequence.quoted))
        });
        return report.warning(subject, text, remedy);
    }
    let is_ahead = if own.increment < 0 { ours < theirs } else { ours > theirs };
    if is_ahead {
        return report.ok(subject, format!("at {ours}, ahead of the source's {theirs}"));
    }
    let text = format!("at {ours}, while the source's is at {theirs}: both stores would hand out the same numbers");
    let remedy = match setval(own, theirs) {
        Some(setval) => Remedy::run(to, setval),
        None => own.no_room().into(),
    };
    report.problem(subject, text, remedy);
}

/// Whether two sequences never return the same number.
fn interleave((step, at): (i64, i64), (other_step, other_at): (i64, i64)) -> bool {
    step == other_step && step.abs() > 1 && at.rem_euclid(step) != other_at.rem_euclid(step)
}

async fn stands_at(store: &Store, sequence: &Sequence) -> Result<i64, EngineError> {
    let doing = Doing::new(store.name(), "reading where a sequence stands");
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    let row = session.query_one(&format!("SELECT last_value FROM {}", sequence.quoted), &[]).await.map_err(failed)?;
    session.release();
    row.try_get(0).map_err(failed)
}
