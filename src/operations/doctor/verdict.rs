//! What it means that the two stores and the move log say what they say of an org.
//!
//! The two tables are the one place that decides it: a row for what the source says, a column for what the target says. A test
//! walks through every pair with every state of the move log.

use mover_actors::domain::state::State;
use mover_actors::protocol::Mode;

/// What the guard of a store says of an org; `None` if it has decided nothing.
pub(super) type Said = Option<Mode>;

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Verdict {
    /// The store where the org lives accepts writes and the other refuses them, or nobody was ever routed there.
    Well,
    /// The source logs writes for no move.
    SourceLogs,
    /// The target holds a copy of no move.
    CopyLeft,
    /// Both of these.
    SourceLogsAndCopyLeft,
    /// The target logs writes although there is no way back any more.
    TargetLogs,
    /// The org can be written, but it cannot be rolled back: its writes are not logged, or the source is not as it was left.
    NoWayBack,
    /// The target is of an earlier round than the move: it was restored.
    Older,
    /// Both stores accept writes, and one of them should not.
    BothAccept,
    /// No store accepts writes, and nobody moves the org.
    NoneAccepts,
    /// The store where the org should live refuses writes, and the other accepts them.
    WrongAccepts,
}

use Verdict::{
    BothAccept as Both, CopyLeft as Left, NoWayBack as NoWay, NoneAccepts as Non, SourceLogs as Logs,
    SourceLogsAndCopyLeft as LCopy, TargetLogs as TLogs, Well, WrongAccepts as Wrong,
};

/// The org lives in the source: it never moved, it is parked, or it was rolled back; or the move log does not know it.
#[rustfmt::skip]
const IN_SOURCE: [[Verdict; 6]; 6] = [
    //  target: -      settled  capturing  moved  incoming  discarded
    /* -         */ [Well,  Both,  Both,  Well,  Left,  Well],
    /* settled   */ [Well,  Both,  Both,  Well,  Left,  Well],
    /* capturing */ [Logs,  Both,  Both,  Logs,  LCopy, Logs],
    /* moved     */ [Wrong, Wrong, Wrong, Non,   Non,   Non],
    /* incoming  */ [Wrong, Wrong, Wrong, Non,   Non,   Non],
    /* discarded */ [Wrong, Wrong, Wrong, Non,   Non,   Non],
];

/// The org lives in the target, and can be rolled back.
#[rustfmt::skip]
const IN_TARGET: [[Verdict; 6]; 6] = [
    //  target: -      settled  capturing  moved  incoming  discarded
    /* -         */ [Both,  Both,  Both,  Wrong, Wrong, Wrong],
    /* settled   */ [Both,  Both,  Both,  Wrong, Wrong, Wrong],
    /* capturing */ [Both,  Both,  Both,  Wrong, Wrong, Wrong],
    /* moved     */ [NoWay, NoWay, Well,  Non,   Non,   Non],
    /* incoming  */ [NoWay, NoWay, NoWay, Non,   Non,   Non],
    /* discarded */ [NoWay, NoWay, NoWay, Non,   Non,   Non],
];

/// The org lives in the target for good, and its rows are gone from the source.
#[rustfmt::skip]
const FINALIZED: [[Verdict; 6]; 6] = [
    //  target: -      settled  capturing  moved  incoming  discarded
    /* -         */ [Both,  Both,  Both,  Wrong, Wrong, Wrong],
    /* settled   */ [Both,  Both,  Both,  Wrong, Wrong, Wrong],
    /* capturing */ [Both,  Both,  Both,  Wrong, Wrong, Wrong],
    /* moved     */ [Well,  Well,  TLogs, Non,   Non,   Non],
    /* incoming  */ [Well,  Well,  TLogs, Non,   Non,   Non],
    /* discarded */ [Well,  Well,  TLogs, Non,   Non,   Non],
];

/// Whether the org has left the source for a store that knows nothing of it, as one that was restored from before the move.
pub(super) fn is_forgotten(target: Said, found: Verdict) -> bool {
    found == Verdict::NoWayBack && target.is_none()
}

/// The verdict; `state` is `None` if the move log does not know the org. In flight the stores may be ahead of the move log or
/// behind it, and the owner of the move brings them together.
pub(super) fn verdict(source: Said, target: Said, state: Option<State>) -> Verdict {
    let table = match state {
        Some(State::Started(_)) => return Verdict::Well,
        None | Some(State::Holding | State::Ready | State::Failed | State::RolledBack) => &IN_SOURCE,
        Some(State::Migrated) => &IN_TARGET,
        Some(State::Finalized) => &FINALIZED,
    };
    table[place(source)][place(target)]
}

/// The number of the row or column in a table.
fn place(said: Said) -> usize {
    match said {
        None => 0,
        Some(Mode::Settled) => 1,
        Some(Mode::Capturing) => 2,
        Some(Mode::Moved) => 3,
        Some(Mode::Incoming) => 4,
        Some(Mode::Discarded) => 5,
    }
}

impl Verdict {
    /// Whether writes can be lost or refused: the wrong set of stores accepts them.
    pub(super) fn is_grave(self) -> bool {
        matches!(self, Verdict::BothAccept | Verdict::NoneAccepts | Verdict::WrongAccepts | Verdict::Older)
    }
}

#[cfg(test)]
mod tests {
    use mover_actors::domain::state::Step;

    use super::*;

    /// The rows and columns of the tables, in their order.
    const SAID: [Said; 6] = [
        None,
        Some(Mode::Settled),
        Some(Mode::Capturing),
        Some(Mode::Moved),
        Some(Mode::Incoming),
        Some(Mode::Discarded),
    ];

    /// Whether a store lets writes through.
    fn accepts(said: Said) -> bool {
        matches!(said, None | Some(Mode::Settled | Mode::Capturing))
    }

    fn states() -> impl Iterator<Item = Option<State>> {
        let started = Step::ALL.iter().map(|step| State::Started(*step));
        std::iter::once(None).chain(State::RESTING.into_iter().chain(started).map(Some))
    }

    #[test]
    fn the_places_are_those_of_the_tables() {
        for (number, said) in SAID.into_iter().enumerate() {
            assert_eq!(place(said), number);
        }
        assert_eq!(SAID.len(), Mode::ALL.len() + 1);
    }

    /// Derives the grave verdicts from who accepts writes and who should, for every pair and every state.
    #[test]
    fn every_pair_with_every_state_of_the_move_log_has_one_right_verdict() {
        let mut pairs = 0;
        for state in states() {
            for (source, target) in SAID.into_iter().flat_map(|source| SAID.map(|target| (source, target))) {
                let found = verdict(source, target, state);
                let what = format!("source {source:?}, target {target:?}, move log {state:?}: {found:?}");
                pairs += 1;
                let in_target = match state {
                    Some(State::Started(_)) => {
                        assert_eq!(found, Verdict::Well, "{what}");
                        continue;
                    }
                    Some(State::Migrated | State::Finalized) => true,
                    _ => false,
                };
                let (here, there) = if in_target { (target, source) } else { (source, target) };
                // Before an org comes, nobody is routed to the target, which has decided nothing of it.
                let other_accepts = accepts(there) && (in_target || there.is_some());
                let wrong = match (accepts(here), other_accepts) {
                    (true, true) => Some(Verdict::BothAccept),
                    (true, false) => None,
                    (false, false) if !in_target && there.is_none() => Some(Verdict::WrongAccepts),
                    (false, false) => Some(Verdict::NoneAccepts),
                    (false, true) => Some(Verdict::WrongAccepts),
                };
                assert_eq!(found.is_grave().then_some(found), wrong, "{what}");
                if wrong.is_some() {
                    continue;
                }
                let expected = match (in_target, state, source, target) {
                    (true, Some(State::Migrated), Some(Mode::Moved), Some(Mode::Capturing)) => Verdict::Well,
                    (true, Some(State::Migrated), ..) => Verdict::NoWayBack,
                    (true, _, _, Some(Mode::Capturing)) => Verdict::TargetLogs,
                    (true, ..) => Verdict::Well,
                    (false, _, Some(Mode::Capturing), Some(Mode::Incoming)) => Verdict::SourceLogsAndCopyLeft,
                    (false, _, Some(Mode::Capturing), _) => Verdict::SourceLogs,
                    (false, _, _, Some(Mode::Incoming)) => Verdict::CopyLeft,
                    (false, ..) => Verdict::Well,
                };
                assert_eq!(found, expected, "{what}");
            }
        }
        assert_eq!(pairs, 36 * (1 + State::RESTING.len() + Step::ALL.len()));
    }
}
