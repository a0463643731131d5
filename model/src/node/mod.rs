//! The nodes: each runs the stored step of the move it owns, one transaction or message at a time.

mod abort;
mod copy;
mod finalize;
mod round;
mod switch;

use crate::action::{Action, Doing, How};
use crate::model::{Cutover, is_holder};
use crate::mutations::Without;
use crate::operator::close_sessions;
use crate::participants::{At, Node};
use crate::state::{LATE, Mode, NOBODY, Stage, State, Step};

impl Cutover {
    pub(crate) fn node_actions(&self, state: &State, number: usize, actions: &mut Vec<Action>) {
        let node = &state.nodes[number];
        let mut push = |how| actions.push(Action::Node(number as u8, how));
        if node.at == At::Idle {
            return;
        }
        push(How::Next);
        if node.at == At::Locked && matches!(node.step, Step::Switch | Step::BackSwitch) {
            push(How::BackOff);
        }
        if node.at == At::Accept {
            push(How::FlagsEarly);
        }
        if node.at == At::Lock && self.setting.early_rounds {
            push(How::EarlyRound);
        }
        let writes_rows = match node.at {
            At::CopyApply | At::RangesApply | At::RangesCatchUp => true,
            At::RoundApply => node.seen != 0,
            _ => false,
        };
        if writes_rows && state.left.faults > 0 {
            push(How::Wrongly);
        }
        if state.left.failures > 0 && can_fail(node) {
            push(How::Fail);
            let is_locked = usize::from(state.stores[node.step.leaving()].exclusive) == number;
            if node.at == At::CommitMoved && is_locked && state.late == 0 {
                push(How::FailLate);
            }
        }
    }

    pub(crate) fn run(&self, state: &mut State, number: usize, how: How) -> Doing {
        match how {
            How::Next => match self.next(state, number) {
                Doing::Waits if state.nodes[number].locked && self.has(Without::TimeoutUnderLock) => {
                    fail(state, number);
                    Doing::Done
                }
                doing => doing,
            },
            How::BackOff => {
                crate::operator::release_lock(state, number);
                state.nodes[number].locked = false;
                state.nodes[number].at = At::Lock;
                Doing::Done
            }
            How::FlagsEarly => self.desire(state, number, At::AcceptLate),
            How::EarlyRound => self.round_begin(state, number),
            How::Wrongly => {
                let doing = self.wrongly(state, number);
                state.left.faults -= u8::from(doing == Doing::Done);
                doing
            }
            How::Fail => {
                state.left.failures -= 1;
                fail(state, number);
                Doing::Done
            }
            How::FailLate => {
                state.left.failures -= 1;
                let Node { step, epoch, .. } = state.nodes[number];
                fail(state, number);
                state.late = epoch;
                state.stores[step.leaving()].exclusive = LATE;
                Doing::Done
            }
        }
    }

    fn next(&self, state: &mut State, number: usize) -> Doing {
        match state.nodes[number].at {
            At::Idle => Doing::Waits,
            At::Begin => match state.nodes[number].step {
                Step::Capture => self.capture(state, number),
                Step::Copy => self.copy_begin(state, number),
                Step::Verify | Step::BackVerify => self.verify_begin(state, number),
                Step::Switch | Step::BackSwitch => self.switch_begin(state, number),
                Step::Abort => self.open_lock(state, number, Without::AbortTakesLock),
                Step::Close => self.open_lock(state, number, Without::CloseTakesLock),
                Step::Purge => self.purge(state, number),
                Step::BackAbort => self.back_abort(state, number),
                Step::Discard => self.discard(state, number),
            },
            At::Watch => self.watch(state, number),
            At::ListWriters => self.list_writers(state, number),
            At::AwaitWriters => self.await_writers(state, number),
            At::CopyRead => read_leaving(state, number, At::CopyApply),
            At::CopyApply => self.copy_apply(state, number),
            At::RangesRead => self.ranges_read(state, number),
            At::RangesCatchUp => self.ranges_catch_up(state, number),
            At::RangesForget => self.ranges_forget(state, number),
            At::RangesApply => self.range_apply(state, number),
            At::RoundBegin => self.round_begin(state, number),
            At::RoundRead => read_leaving(state, number, At::RoundApply),
            At::RoundLockLate => self.round_lock_late(state, number),
            At::RoundApply => self.round_apply(state, number),
            At::RoundForget => self.round_forget(state, number),
            At::TallyLeaving => read_leaving(state, number, At::TallyReceiving),
            At::TallyReceiving => self.tally(state, number),
            At::Lock => self.switch_lock(state, number),
            At::Locked if state.nodes[number].step == Step::Abort => self.abort_settle(state, number),
            At::Locked if state.nodes[number].step == Step::Close => self.close(state, number),
            At::Locked => self.round_under_lock(state, number),
            At::CommitMoved => self.commit_moved_first(state, number),
            At::CommitMovedLate => self.commit_moved(state, number, At::Desire),
            At::Accept => self.accept(state, number, At::Desire),
            At::AcceptLate => self.accept(state, number, At::WriteFlags),
            At::Desire => self.desire(state, number, At::WriteFlags),
            At::WriteFlags => self.write_flags(state, number),
            At::Release => release(state, number),
            At::DiscardReceiving => self.abort_discard(state, number),
            At::GoForward => {
                let forward = if state.nodes[number].step.is_back() { Step::BackSwitch } else { Step::Switch };
                self.journal(state, number, Stage::Running(forward))
            }
            At::Failing => self.renew(state, number),
            At::RevokeReceiving => self.revoke_receiving(state, number),
            At::RevokeLeaving => self.revoke_leaving(state, number),
            At::GivenUp => self.journal_failure(state, number),
            At::Journal => self.journal_end(state, number),
        }
    }

    /// Stores the transition when the step is done.
    fn journal_end(&self, state: &mut State, number: usize) -> Doing {
        let stage = match state.nodes[number].step {
            Step::Capture => Stage::Running(Step::Copy),
            Step::Copy => Stage::Running(Step::Verify),
            Step::Verify => Stage::Running(Step::Switch),
            Step::BackVerify => Stage::Running(Step::BackSwitch),
            Step::BackSwitch => Stage::Running(Step::Discard),
            Step::Switch | Step::BackAbort => Stage::Migrated,
            Step::Abort => Stage::Failed,
            Step::Discard => Stage::RolledBack,
            Step::Close => Stage::Running(Step::Purge),
            Step::Purge => Stage::Finalized,
        };
        self.journal(state, number, stage)
    }

    /// Stores the transition when the step cannot be done. A step past the point of no return is retried.
    fn journal_failure(&self, state: &mut State, number: usize) -> Doing {
        let step = state.nodes[number].step;
        let next = match step {
            Step::Capture | Step::Copy | Step::Verify | Step::Switch => Step::Abort,
            Step::BackVerify | Step::BackSwitch => Step::BackAbort,
            Step::Abort | Step::BackAbort | Step::Discard | Step::Close | Step::Purge => step,
        };
        self.journal(state, number, Stage::Running(next))
    }

    /// Stores the next step before any of its effects; a node that does not own the move any more stops here.
    fn journal(&self, state: &mut State, number: usize, stage: Stage) -> Doing {
        let epoch = state.nodes[number].epoch;
        if self.has(Without::EpochCheckInLog) && !is_holder(state, number) {
            close_sessions(state, number);
            state.nodes[number] = Node::IDLE;
            return Doing::Done;
        }
        state.log.stage = stage;
        match stage {
            Stage::Running(step) => {
                let Node { locked, .. } = state.nodes[number];
                state.nodes[number] = Node { at: At::Begin, step, epoch, locked, ..Node::IDLE };
            }
            Stage::Migrated | Stage::Failed | Stage::RolledBack | Stage::Finalized => {
                close_sessions(state, number);
                state.nodes[number] = Node::IDLE;
                state.log.holder = NOBODY;
            }
        }
        Doing::Done
    }

    /// Whether the store has seen no newer epoch.
    fn is_current(&self, state: &State, number: usize, store: usize) -> bool {
        !self.has(Without::EpochCheckInStore) || state.stores[store].epoch <= state.nodes[number].epoch
    }
}

/// A step can fail up to the commit of `moved`, whose answer may get lost.
pub(crate) fn can_fail(node: &Node) -> bool {
    let gives_up = matches!(node.at, At::Failing | At::RevokeReceiving | At::RevokeLeaving | At::GivenUp);
    let early = !gives_up && !matches!(node.at, At::Desire | At::WriteFlags | At::Release | At::Journal);
    early && !matches!(node.step, Step::Abort | Step::BackAbort | Step::Discard | Step::Close | Step::Purge)
}

fn fail(state: &mut State, number: usize) {
    close_sessions(state, number);
    let Node { step, epoch, .. } = state.nodes[number];
    state.nodes[number] = Node { at: At::Failing, step, epoch, ..Node::IDLE };
}

/// A store or Redis refuses. That is right if the node was overtaken.
pub(crate) fn refused(state: &mut State, number: usize) -> Doing {
    state.ghost.false_alarm |= is_holder(state, number);
    fail(state, number);
    Doing::Done
}

/// One snapshot of the leaving store: rows, and the entries of the change log.
fn read_leaving(state: &mut State, number: usize, then: At) -> Doing {
    let store = state.stores[state.nodes[number].step.leaving()];
    let node = &mut state.nodes[number];
    node.rows = store.rows;
    node.seen = store.log;
    node.at = then;
    Doing::Done
}

fn release(state: &mut State, number: usize) -> Doing {
    crate::operator::release_lock(state, number);
    state.nodes[number].locked = false;
    state.nodes[number].at = At::Journal;
    Doing::Done
}

/// The mode a receiving guard row has until the switch.
fn receiving_mode(step: Step) -> Mode {
    if step.is_back() { Mode::Moved } else { Mode::Incoming }
}
