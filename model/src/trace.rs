//! A path as text: the actor, the action, and the resulting state where it changes.

use crate::action::{Action, Event, How, WriterDoes};
use crate::model::Cutover;
use crate::participants::{At, Node, Writing};
use crate::setting::Isolation;
use crate::state::{LATE, NEW, NOBODY, OLD, State, Step, Store};

pub(crate) fn tell<S, A: Copy>(
    path: &[(S, Option<A>)],
    world: impl Fn(&S) -> String,
    sentence: impl Fn(&S, A) -> String,
) -> Vec<String> {
    let mut lines = Vec::new();
    let mut shown = None;
    for (number, (state, action)) in path.iter().enumerate() {
        let world = world(state);
        if shown.as_ref() != Some(&world) {
            lines.push(format!("         {world}"));
            shown = Some(world);
        }
        if let Some(action) = action {
            lines.push(format!("  {:>3}. {}", number + 1, sentence(state, *action)));
        }
    }
    lines
}

pub(crate) fn world(state: &State) -> String {
    let store = |store: usize| {
        let Store { mode, epoch, rows, log, exclusive, .. } = state.stores[store];
        let lock = match exclusive {
            NOBODY => String::new(),
            LATE => ", locked by a session that was given up".to_owned(),
            node => format!(", locked by node {node}"),
        };
        format!("{} {mode:?}@{epoch} rows {rows:?} log {log:b}{lock}", name(store))
    };
    let flags = format!("flags {}@{}", name(state.redis.to.into()), state.redis.epoch);
    format!("[{} | {} | {flags} | {:?}@{}]", store(OLD), store(NEW), state.log.stage, state.log.epoch)
}

fn name(store: usize) -> &'static str {
    if store == NEW { "new" } else { "old" }
}

pub(crate) fn sentence(model: &Cutover, state: &State, action: Action) -> String {
    match action {
        Action::Writer(writer, does) => format!("writer {writer} {}", writer_does(model, state, writer.into(), does)),
        Action::Node(node, how) => {
            let (number, node) = (node, &state.nodes[usize::from(node)]);
            format!("node {number}@{} in {:?} {}", node.epoch, node.step, node_does(node, how))
        }
        Action::World(Event::Claim(node)) => format!("node {node} claims the move"),
        Action::World(Event::TakeOver(node)) => format!("the lease ends; node {node} takes over"),
        Action::World(Event::Crash(node)) => format!("node {node} dies"),
        Action::World(Event::LoseLock(node)) => format!("the session with the lock of node {node} breaks"),
        Action::World(Event::LateMoved) => format!("the `moved` of epoch {} arrives", state.late),
        Action::World(Event::LateEnds) => "the session that `moved` was sent to ends".to_owned(),
        Action::World(Event::Retry) => "the operator retries".to_owned(),
        Action::World(Event::RollBack) => "the operator rolls back".to_owned(),
        Action::World(Event::Finalize) => "the operator finalizes".to_owned(),
        Action::World(Event::FlagsCaughtUp) => "the desired flags are written".to_owned(),
        Action::World(Event::Install(store)) => {
            format!("another campaign works out anew whom the triggers of {} look at", name(store.into()))
        }
    }
}

fn writer_does(model: &Cutover, state: &State, number: usize, does: WriterDoes) -> String {
    let writer = &state.writers[number];
    let store = name(writer.route.into());
    let Some(txn) = model.setting.writers[number].get(usize::from(writer.txn)) else { return String::new() };
    let statement = || txn.writes[usize::from(writer.statement)];
    match does {
        WriterDoes::ReadFlags => format!("reads the flags: {}", name(state.redis.to.into())),
        WriterDoes::TakeSnapshot => format!("begins and takes its snapshot in {store}"),
        WriterDoes::Statement => format!("writes in {store}, uncommitted: {:?}", statement()),
        WriterDoes::Trigger if txn.isolation == Isolation::RepeatableRead && !writer.shared => {
            "trigger: takes the shared lock".to_owned()
        }
        WriterDoes::Trigger if writer.at == Writing::Guarded && !writer.shared => {
            "trigger: takes the shared lock".to_owned()
        }
        WriterDoes::Trigger if !state.stores[usize::from(writer.route)].watched => {
            "is looked at by no trigger".to_owned()
        }
        WriterDoes::Trigger => format!("trigger: reads the mode, {:?}", state.stores[usize::from(writer.route)].mode),
        WriterDoes::Commit => format!("commits in {store}: acknowledged"),
        WriterDoes::GiveUp => "rolls back".to_owned(),
    }
}

fn node_does(node: &Node, how: How) -> String {
    let (leaving, receiving) = (name(node.step.leaving()), name(node.step.receiving()));
    match how {
        How::Next => next(node, leaving, receiving),
        How::Wrongly => format!("{}, with a wrong row", next(node, leaving, receiving)),
        How::BackOff => "backs off and releases the lock".to_owned(),
        How::EarlyRound => format!("begins a round: locks the guard row in {receiving}"),
        How::FlagsEarly => "stores the desired flags".to_owned(),
        How::Fail => "fails".to_owned(),
        How::FailLate => format!("fails, and its `moved` is still on its way to {leaving}"),
    }
}

fn next(node: &Node, leaving: &str, receiving: &str) -> String {
    match node.at {
        At::Idle => String::new(),
        At::Begin => match node.step {
            Step::Capture => format!("commits `capturing` in {leaving}"),
            Step::Copy => format!("begins in {receiving}: guard row `incoming`"),
            Step::Verify | Step::BackVerify => format!("looks at {leaving}, then begins a round"),
            Step::Switch | Step::BackSwitch | Step::BackAbort => format!("looks at the guard row in {leaving}"),
            Step::Abort | Step::Close => format!("asks for the exclusive lock on {leaving}"),
            Step::Discard | Step::Purge => "removes the rows".to_owned(),
        },
        At::Watch => "lets the triggers look at the org".to_owned(),
        At::ListWriters => "lists the writers that are open".to_owned(),
        At::AwaitWriters => "has waited for them".to_owned(),
        At::CopyRead | At::RangesRead | At::RoundRead => format!("takes its snapshot in {leaving}"),
        At::CopyApply => format!("commits the copy in {receiving}"),
        At::RangesCatchUp => format!("commits the changes of its snapshot in {receiving}"),
        At::RangesForget | At::RoundForget => format!("deletes the entries that it saw in {leaving}"),
        At::RangesApply => format!("commits the next range in {receiving}"),
        At::RoundBegin => format!("begins a round: locks the guard row in {receiving}"),
        At::RoundLockLate => format!("locks the guard row in {receiving}"),
        At::RoundApply if node.seen == 0 => "finds no entries and ends the round".to_owned(),
        At::RoundApply => format!("commits the round in {receiving}"),
        At::TallyLeaving => format!("tallies {leaving}"),
        At::TallyReceiving => format!("tallies {receiving} and compares"),
        At::Lock => format!("asks for the exclusive lock on {leaving}"),
        At::Locked if matches!(node.step, Step::Abort | Step::Close) => format!("commits `settled` in {leaving}"),
        At::Locked => format!("begins a round under the lock: locks the guard row in {receiving}"),
        At::CommitMoved | At::CommitMovedLate => format!("commits `moved` in {leaving}"),
        At::Accept | At::AcceptLate => format!("opens {receiving}"),
        At::Desire => "stores the desired flags".to_owned(),
        At::WriteFlags => "writes the flags".to_owned(),
        At::Release => "releases the lock".to_owned(),
        At::DiscardReceiving => format!("removes the rows in {receiving}, guard row `discarded`"),
        At::GoForward => "finds `moved`: stores that it goes forward".to_owned(),
        At::Failing => "has failed: gets a new epoch to give up with".to_owned(),
        At::RevokeReceiving => format!("has {receiving} refuse the epoch before"),
        At::RevokeLeaving => format!("has {leaving} refuse the epoch before, and asks whether the org has moved"),
        At::GivenUp => "stores what comes after the failure".to_owned(),
        At::Journal => "stores that the step is done".to_owned(),
    }
}
