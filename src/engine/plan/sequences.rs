//! Sequences of the target that fill copied columns: they must be ahead of the copied values, or the next insert would take a
//! number that exists already.

use mover_actors::ports::EngineError;

use crate::engine::plan::{Plan, SequencePlan};
use crate::engine::rows::reframe::integer;
use crate::engine::schema::catalog::Sequence;
use crate::engine::schema::name::{literal, quote};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// Drawing this many numbers takes about a second.
const GAP_MAX: i64 = 1_000_000;
/// How far beyond the other store's an operator sets a sequence. More than is ever drawn, so that orgs that come back do not
/// make the source draw all of it.
const HEAD_START: i64 = 10 * GAP_MAX;

/// The outermost copied value for each sequence of a plan.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Outermost(Vec<Option<i64>>);

impl Outermost {
    pub(in crate::engine) fn new(plan: &Plan) -> Self {
        Self(vec![None; plan.sequences.len()])
    }

    /// Takes a row that is being copied into account.
    pub(in crate::engine) fn see(&mut self, plan: &Plan, row: &[Option<&[u8]>], columns: &[(usize, usize)]) {
        for &(place, sequence) in columns {
            let value = row.get(place).copied().flatten().and_then(integer);
            let (Some(value), Some(slot)) = (value, self.0.get_mut(sequence)) else { continue };
            let downwards = plan.sequences.get(sequence).is_some_and(|planned| planned.sequence.increment < 0);
            let further = slot.is_none_or(|seen| if downwards { value < seen } else { value > seen });
            if further {
                *slot = Some(value);
            }
        }
    }

    /// That of the rows which the orgs with the keys `$1` have in the target.
    pub(in crate::engine) async fn of_rows(
        session: &Session,
        plan: &Plan,
        orgs: &[&str],
        doing: Doing<'_>,
    ) -> Result<Self, EngineError> {
        let mut outermost = Self::new(plan);
        for (SequencePlan { sequence, table }, slot) in plan.sequences.iter().zip(&mut outermost.0) {
            let Some(table) = plan.table(table).filter(|_| sequence.fills_integers) else { continue };
            let outermost = if sequence.increment < 0 { "min" } else { "max" };
            let sql = format!("SELECT {outermost}(t.{})::int8 {}", quote(&sequence.column), table.target.rows());
            let row = session.query_one(&sql, &[&orgs]).await;
            *slot = row.and_then(|row| row.try_get(0)).map_err(|error| doing.on(&table.label).failed(error))?;
        }
        Ok(outermost)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// What to do about a sequence that is too far behind to catch up by drawing from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum FarBehind {
    /// It was forgotten: an operator has to set it.
    Refuse,
    /// Expected on the way back: the target uses numbers far beyond those of the source, so that orgs can move there and back.
    Leave,
}

/// Advances each sequence past the copied values, by drawing from it: never backwards, and safe while others draw too.
pub(in crate::engine) async fn keep_ahead(
    session: &Session,
    plan: &Plan,
    copied: &Outermost,
    far_behind: FarBehind,
) -> Result<(), EngineError> {
    if copied.is_empty() {
        return Ok(());
    }
    let doing = Doing::new(&plan.target, "reading where sequences stand");
    let failed = |error| doing.failed(error);
    let statement = session.prepared(&plan.sequences_stand).await.map_err(failed)?;
    for row in session.query(&statement, &[]).await.map_err(failed)? {
        let number: i32 = row.try_get(0).map_err(failed)?;
        let (last, is_called): (i64, bool) = (row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?);
        let found = usize::try_from(number).ok().and_then(|n| Some((plan.sequences.get(n)?, (*copied.0.get(n)?)?)));
        let Some((planned, outermost)) = found else { continue };
        let draws = draws_needed(planned.sequence.increment, last, is_called, outermost);
        if draws > GAP_MAX {
            match far_behind {
                FarBehind::Refuse => return Err(too_far(plan, planned, last, outermost)),
                FarBehind::Leave => continue,
            }
        }
        if draws > 0 {
            draw(session, plan, planned, (draws, outermost)).await?;
        }
    }
    Ok(())
}

/// How many numbers to draw until the next one is beyond `outermost`.
fn draws_needed(increment: i64, last: i64, is_called: bool, outermost: i64) -> i64 {
    let (step, gap) = (i128::from(increment), i128::from(outermost) - i128::from(last));
    let gap = if step < 0 { -gap } else { gap };
    if gap < 0 {
        return 0;
    }
    let step = step.abs().max(1);
    // A sequence that was never drawn from returns `last` itself first.
    let draws = (gap + step - 1) / step + i128::from(!is_called);
    i64::try_from(draws).unwrap_or(i64::MAX)
}

/// Draws until a number is no lower than `outermost`. Others that draw for the same gap meanwhile take their share of it.
async fn draw(
    session: &Session,
    plan: &Plan,
    planned: &SequencePlan,
    (draws, outermost): (i64, i64),
) -> Result<(), EngineError> {
    let doing = Doing::new(&plan.target, "advancing a sequence").on(&planned.table);
    let failed = |error| doing.failed(error);
    let statement = session.prepared(include_str!("sql/sequence_draw.sql")).await.map_err(failed)?;
    let Sequence { quoted, increment, .. } = &planned.sequence;
    session.query_one(&statement, &[quoted, &draws, &outermost, increment]).await.map_err(failed)?;
    Ok(())
}

fn too_far(plan: &Plan, SequencePlan { sequence, table }: &SequencePlan, last: i64, outermost: i64) -> EngineError {
    let next = match setval(sequence, outermost) {
        Some(setval) => format!("run in the target: {setval}"),
        None => sequence.no_room(),
    };
    let problem = format!(
        "sequence {} stands at {last}, far behind the copied value {outermost} of column {}; {next}",
        sequence.quoted, sequence.column,
    );
    let doing = Doing::new(&plan.target, "advancing a sequence").on(table);
    let mut error = doing.refused(problem);
    error.place.columns = vec![sequence.column.clone()];
    error
}

/// The statement that sets a sequence well beyond a value: by half of what is left of its numbers, if they are few. `None` if
/// none is left.
pub(in crate::engine) fn setval(sequence: &Sequence, beyond: i64) -> Option<String> {
    let downwards = sequence.increment < 0;
    let end = i128::from(if downwards { sequence.least } else { sequence.greatest });
    let left = (end - i128::from(beyond)) * if downwards { -1 } else { 1 };
    // The next number is one step further, and there must be one.
    let step = i128::from(sequence.increment.unsigned_abs());
    let head_start = (left + 1).div_euclid(2).min(left - step).min(i128::from(HEAD_START));
    if head_start < 1 {
        return None;
    }
    let value = i128::from(beyond) + if downwards { -head_start } else { head_start };
    Some(format!("SELECT setval({}, {value})", literal(&sequence.quoted)))
}

impl Sequence {
    /// What to do about a sequence without numbers to set it to.
    pub(in crate::engine) fn no_room(&self) -> String {
        format!(
            "no number is left up to its limit: in both stores, give column {} the type bigint, and run ALTER SEQUENCE {} AS bigint",
            self.column, self.quoted
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(increment: i64, least: i64, greatest: i64) -> Sequence {
        let (column, quoted) = ("id".into(), "\"s\"".into());
        let (cycles, fills_integers, may_use, may_select) = (false, true, true, true);
        Sequence { column, quoted, increment, least, greatest, cycles, fills_integers, may_use, may_select }
    }

    #[test]
    fn a_head_start_stays_within_the_sequence() {
        let to = |sequence: Sequence, beyond| {
            setval(&sequence, beyond).map(|sql| sql.trim_end_matches(')').rsplit(' ').next().map(str::to_owned))
        };
        let value = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(to(sequence(1, 1, i64::MAX), 7), value("10000007"));
        assert_eq!(to(sequence(1, 1, 32767), 3), value("16385"));
        // A number must be left to draw after the one that is set.
        assert_eq!(to(sequence(1, 1, 32767), 32765), value("32766"));
        assert_eq!(to(sequence(1, 1, 32767), 32766), None);
        assert_eq!(to(sequence(1, 1, 32767), 32767), None);
        assert_eq!(to(sequence(10, 1, 100), 91), None);
        assert_eq!(to(sequence(10, 1, 100), 81), value("90"));
        assert_eq!(to(sequence(-1, -32768, -1), -4), value("-16386"));
        assert_eq!(to(sequence(1, 1, i64::MAX), i64::MAX - 1), None);
    }

    #[test]
    fn drawing_ends_at_the_outermost_value_or_beyond() {
        assert_eq!(draws_needed(1, 10, true, 10), 0);
        assert_eq!(draws_needed(1, 10, true, 12), 2);
        assert_eq!(draws_needed(1, 1, false, 1), 1);
        assert_eq!(draws_needed(1, 1, false, 3), 3);
        assert_eq!(draws_needed(10, 5, true, 6), 1);
        assert_eq!(draws_needed(1, 50, true, 12), 0);
        assert_eq!(draws_needed(-1, -3, true, -5), 2);
        assert_eq!(draws_needed(1, i64::MIN, true, i64::MAX), i64::MAX);
    }
}
