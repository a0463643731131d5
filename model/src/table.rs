//! The effect of each action of a node on an org's guard row, for every mode and every epoch: the part of the model that the
//! product's SQL must agree with, row by row.

use crate::action::How;
use crate::model::Cutover;
use crate::participants::{At, Node};
use crate::settings::SMALL;
use crate::state::{Mode, NEW, OLD, Stage, State, Step};

/// The epoch of the acting node; others are older or newer.
pub const OURS: u8 = 2;

/// A change of one guard row, alone in its transaction or with what must go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The source begins to log.
    Capture,
    /// The copy is entered and committed.
    Copy,
    /// A round of catch-up is committed in the target.
    Round,
    /// The new owner makes the store refuse the former epoch.
    TakeOver,
    /// The point of no return, forward.
    Moved,
    /// The point of no return on the way back.
    MovedBack,
    /// The target opens.
    Receive,
    /// The source opens again after a rollback.
    ReceiveBack,
    /// An abort stops the log of the source.
    Settle,
    /// An abort removes the copy.
    Discard,
    /// The log of the target is stopped.
    Close,
    /// The source's rows are removed.
    Purge,
    /// A rollback removes the target's rows.
    DiscardRolledBack,
}

impl Act {
    /// All of them.
    pub const ALL: [Act; 13] = [
        Act::Capture,
        Act::Copy,
        Act::Round,
        Act::TakeOver,
        Act::Moved,
        Act::MovedBack,
        Act::Receive,
        Act::ReceiveBack,
        Act::Settle,
        Act::Discard,
        Act::Close,
        Act::Purge,
        Act::DiscardRolledBack,
    ];

    /// Whether it changes the guard row of the target.
    pub fn is_in_target(self) -> bool {
        self.store() == NEW
    }

    fn store(self) -> usize {
        match self {
            Act::Capture | Act::TakeOver | Act::Moved | Act::ReceiveBack | Act::Settle | Act::Purge => OLD,
            Act::Copy
            | Act::Round
            | Act::MovedBack
            | Act::Receive
            | Act::Discard
            | Act::Close
            | Act::DiscardRolledBack => NEW,
        }
    }

    /// The step, the node's position in it, and its position after the action.
    fn place(self) -> (Step, At, At) {
        match self {
            Act::Capture => (Step::Capture, At::Begin, At::Watch),
            Act::Copy => (Step::Copy, At::Begin, At::Watch),
            Act::Round => (Step::Verify, At::RoundBegin, At::TallyLeaving),
            Act::TakeOver => (Step::Switch, At::Begin, At::Lock),
            Act::Moved => (Step::Switch, At::CommitMoved, At::Accept),
            Act::MovedBack => (Step::BackSwitch, At::CommitMoved, At::Accept),
            Act::Receive => (Step::Switch, At::Accept, At::Desire),
            Act::ReceiveBack => (Step::BackSwitch, At::Accept, At::Desire),
            Act::Settle => (Step::Abort, At::Locked, At::DiscardReceiving),
            Act::Discard => (Step::Abort, At::DiscardReceiving, At::Journal),
            Act::Close => (Step::Close, At::Locked, At::Journal),
            Act::Purge => (Step::Purge, At::Begin, At::Journal),
            Act::DiscardRolledBack => (Step::Discard, At::Begin, At::Journal),
        }
    }

    fn needs_the_lock(self) -> bool {
        matches!(self, Act::Moved | Act::MovedBack | Act::Settle | Act::Close)
    }

    /// The modes that the row can have before this action. The source always has a row here; a missing row counts as `settled`
    /// with epoch 0 in the product. The new owner continues, unless the org is captured.
    fn modes(self) -> &'static [Mode] {
        match self {
            Act::TakeOver => &[Mode::Capturing],
            Act::Capture | Act::Moved | Act::ReceiveBack | Act::Settle | Act::Purge => {
                &[Mode::Settled, Mode::Capturing, Mode::Moved]
            }
            Act::Copy
            | Act::Round
            | Act::MovedBack
            | Act::Receive
            | Act::Discard
            | Act::Close
            | Act::DiscardRolledBack => {
                &[Mode::Unknown, Mode::Settled, Mode::Capturing, Mode::Moved, Mode::Incoming, Mode::Discarded]
            }
        }
    }
}

/// A guard row: its mode as the product writes it, none if there is no row, and its epoch.
pub type Guard = (Option<&'static str>, u8);

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The action.
    pub act: Act,
    /// The row before.
    pub before: Guard,
    /// The row after.
    pub after: Guard,
    /// Whether it was done; the row of a refused action stays as it was.
    pub is_done: bool,
}

/// All lines.
pub fn lines() -> Vec<Line> {
    let model = Cutover::new(SMALL[0], None);
    let acts = Act::ALL.into_iter().flat_map(|act| act.modes().iter().map(move |mode| (act, *mode)));
    let rows = acts.flat_map(|(act, mode)| {
        let epochs: &[u8] = if mode == Mode::Unknown { &[0] } else { &[OURS - 1, OURS, OURS + 1] };
        epochs.iter().map(move |epoch| (act, mode, *epoch))
    });
    rows.map(|(act, mode, epoch)| line(&model, act, mode, epoch)).collect()
}

fn line(model: &Cutover, act: Act, mode: Mode, epoch: u8) -> Line {
    let (step, at, done) = act.place();
    let mut state = State::first(&model.setting);
    state.log.stage = Stage::Running(step);
    (state.log.epoch, state.log.holder) = (OURS, 0);
    let store = act.store();
    // A round reads from a source that logs.
    (state.stores[OLD].mode, state.stores[OLD].epoch) = (Mode::Capturing, OURS);
    (state.stores[store].mode, state.stores[store].epoch) = (mode, epoch);
    let locked = act.needs_the_lock();
    state.nodes[0] = Node { at, step, epoch: OURS, locked, ..Node::IDLE };
    if locked {
        state.stores[step.leaving()].exclusive = 0;
    }
    let mut is_done = false;
    for _ in 0..4 {
        model.run(&mut state, 0, How::Next);
        is_done = state.nodes[0].at == done;
        if is_done || matches!(state.nodes[0].at, At::Failing | At::GoForward) {
            break;
        }
    }
    let after = &state.stores[store];
    Line { act, before: (name(mode), epoch), after: (name(after.mode), after.epoch), is_done }
}

fn name(mode: Mode) -> Option<&'static str> {
    match mode {
        Mode::Unknown => None,
        Mode::Settled => Some("settled"),
        Mode::Capturing => Some("capturing"),
        Mode::Moved => Some("moved"),
        Mode::Incoming => Some("incoming"),
        Mode::Discarded => Some("discarded"),
    }
}
