//! Sequences of the target that would return numbers which rows of the source already have.

use mover_actors::ports::EngineError;

use crate::config::Definition;
use crate::engine::check::report::Report;
use crate::engine::plan::sequences::setval;
use crate::engine::schema::catalog::{Catalog, Sequence};
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
                let grant =
                    format!("GRANT USAGE, SELECT ON SEQUENCE {} TO the role that Mover logs in as", sequence.quoted);
                report.problem(subject, "it may not be used", format!("run in {}: {grant}", definition.to));
                continue;
            }
            let Some(twin) = here.sequences.iter().find(|twin| twin.column == sequence.column && twin.may_select)
            else {
                continue;
            };
            let (theirs, ours) = (stands_at(source, twin).await?, stands_at(target, sequence).await?);
            compare(report, &subject, (twin, theirs), (sequence, ours), &definition.to.to_string());
        }
    }
    Ok(())
}

fn compare(
    report: &mut Report,
    subject: &str,
    (twin, theirs): (&Sequence, i64),
    (own, ours): (&Sequence, i64),
    to: &str,
) {
    if interleave((twin.increment, theirs), (own.increment, ours)) {
        return report.ok(subject, "it never gives a number that the source's gives");
    }
    let is_ahead = if own.increment < 0 { ours < theirs } else { ours > theirs };
    if is_ahead {
        return report.ok(subject, format!("at {ours}, ahead of the source's {theirs}"));
    }
    let text = format!("at {ours}, while the source's is at {theirs}: both stores would hand out the same numbers");
    report.problem(subject, text, format!("run in {to}: {}", setval(&own.quoted, theirs, own.increment)));
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
