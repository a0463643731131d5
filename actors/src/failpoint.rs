//! Failpoints: named places at which crash tests end the process.
//!
//! A place costs one load of an empty cell while nothing is armed. The crate `mover` arms one place from the environment
//! variable `MOVER_FAILPOINT` and ends the process there with SIGKILL, as a power cut would.

use std::sync::OnceLock;

/// Every place, in the order in which a move passes them: offline, its abort, online, its abort, rolled back, finalized; then
/// those of commands about all orgs.
pub const ALL: [&str; 57] = [
    "claim.written",
    "block.begin",
    "block.desired",
    "block.done",
    "drain.begin",
    "drain.done",
    "copy.begin",
    "copy.cleared",
    "copy.before_commit",
    "copy.committed",
    "verify.begin",
    "verify.done",
    "switch.begin",
    "settle.before_commit",
    "settle.committed",
    "switch.desired",
    "switch.done",
    "unblock.begin",
    "unblock.desired",
    "unblock.done",
    "migrated.written",
    "abort.begin",
    "abort.desired",
    "discard.before_commit",
    "discard.committed",
    "abort.done",
    "capture.begin",
    "capture.marked",
    "capture.done",
    "range.before_commit",
    "range.committed",
    "catch_up.begin",
    "catch_up.read",
    "catch_up.before_commit",
    "catch_up.committed",
    "catch_up.forgotten",
    "catch_up.done",
    "switch.ready",
    "lock.held",
    "switch.blocked",
    "moved.before_commit",
    "moved.committed",
    "capturing.committed",
    "switch.handed_over",
    "lock.released",
    "release.before_commit",
    "discard.begin",
    "purge.batch",
    "discard.done",
    "back_up.begin",
    "back_up.done",
    "close.begin",
    "close.done",
    "purge.begin",
    "purge.done",
    "operator.desired",
    "prep.flags",
];

static ARMED: OnceLock<fn(&'static str)> = OnceLock::new();

/// Lets `on_hit` decide at every place; the first call wins.
pub fn arm(on_hit: fn(&'static str)) {
    // A second call can only come from a second `main`, which does not exist.
    let _ = ARMED.set(on_hit);
}

/// Marks a place.
pub fn hit(place: &'static str) {
    if let Some(on_hit) = ARMED.get() {
        debug_assert!(ALL.contains(&place), "failpoint {place} is not in the list");
        on_hit(place);
    }
}
