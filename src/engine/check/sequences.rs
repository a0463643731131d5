//! Sequences of the target that would return numbers which rows of the source already have.

use mover_actors::domain::ids::StoreName;
use mover_actors::ports::EngineError;

use crate::config::Definition;
use crate::engine::check::report::{Remedy, Report};
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
                let grant = format!("GRANT USAGE, SELECT ON SEQUENCE {} TO {}", sequence.quoted, to.server.role);
                report.problem(subject, "it may not be used", Remedy::run(&definition.to, grant));
                continue;
            }
            let Some(twin) = here.sequences.iter().find(|twin| twin.column == sequence.column && twin.may_select)
            else {
                continue;
            };
            let (theirs, ours) = (stands_at(source, twin).await?, stands_at(target, sequence).await?);
            compare(report, &subject, (twin, theirs), (sequence, ours), &definition.to);
        }
    }
    Ok(())
}

fn compare(
    report: &mut Report,
    subject: &str,
    (twin, theirs): (&Sequence, i64),
    (own, ours): (&Sequence, i64),
    to: &StoreName,
) {
    if interleave((twin.increment, theirs), (own.increment, ours)) {
        return report.ok(subject, "it never gives a number that the source's gives");
    }
    if twin.cycles || own.cycles {
        let text = "it begins anew at its end, so it gives numbers that rows may have already";
        return report.warning(subject, text, Remedy::run(to, format!("ALTER SEQUENCE {} NO CYCLE", own.quoted)));
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
