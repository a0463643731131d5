//! Sequences of the target that fill copied columns: they must be ahead of the copied values, or the next insert would take a
//! number that exists already.

use mover_actors::ports::EngineError;

use crate::engine::plan::{Plan, SequencePlan};
use crate::engine::rows::reframe::integer;
use crate::engine::schema::name::quote;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// Drawing this many numbers takes well under a second.
const GAP_MAX: i64 = 1_000_000;

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
            let downwards = plan.sequences.get(sequence).is_some_and(|sequence| sequence.increment < 0);
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
        for (sequence, slot) in plan.sequences.iter().zip(&mut outermost.0) {
            let Some(table) = plan.table(&sequence.table) else { continue };
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
        let Some((sequence, outermost)) = found else { continue };
        let draws = draws_needed(sequence.increment, last, is_called, outermost);
        if draws > GAP_MAX {
            match far_behind {
                FarBehind::Refuse => return Err(too_far(plan, sequence, last, outermost)),
                FarBehind::Leave => continue,
            }
        }
        if draws > 0 {
            draw(session, plan, sequence, draws).await?;
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

async fn draw(session: &Session, plan: &Plan, sequence: &SequencePlan, draws: i64) -> Result<(), EngineError> {
    let doing = Doing::new(&plan.target, "advancing a sequence").on(&sequence.table);
    let failed = |error| doing.failed(error);
    let statement = session.prepared(include_str!("sql/sequence_draw.sql")).await.map_err(failed)?;
    session.query_one(&statement, &[&sequence.quoted, &draws]).await.map_err(failed)?;
    Ok(())
}

fn too_far(plan: &Plan, sequence: &SequencePlan, last: i64, outermost: i64) -> EngineError {
    let problem = format!(
        "sequence {} stands at {last}, far behind the copied value {outermost} of column {}; run in the target: {}",
        sequence.quoted,
        sequence.column,
        setval(&sequence.quoted, outermost, sequence.increment),
    );
    let doing = Doing::new(&plan.target, "advancing a sequence").on(&sequence.table);
    let mut error = doing.refused(problem);
    error.place.columns = vec![sequence.column.clone()];
    error
}

/// The statement that sets a sequence well beyond a value.
pub(in crate::engine) fn setval(quoted: &str, beyond: i64, increment: i64) -> String {
    let room = if increment < 0 { -GAP_MAX } else { GAP_MAX };
    format!("SELECT setval('{}', {});", quoted.replace('\'', "''"), beyond.saturating_add(room))
}

#[cfg(test)]
mod tests {
    use super::*;

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
