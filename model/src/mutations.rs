//! The measures of the protocol, each of which can be removed.

use crate::properties::{CAUSE, Name, P1, P2, P3, P7, P8, P10, P11, P12};
use crate::setting::Setting;
use crate::settings::small;

/// The protocol without one of its measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// After `capturing` is committed, Mover waits for open writers.
    Barrier,
    /// A writer that got the shared lock reads the mode again.
    RereadAfterLock,
    /// The switch happens under the exclusive lock.
    ExclusiveLock,
    /// Under the lock, the last changes are carried over.
    RoundUnderLock,
    /// The leaving store closes before the receiving store opens.
    LeavingBeforeReceiving,
    /// Every change of a guard row, and of what goes with it, is refused if there is a newer epoch.
    EpochCheckInStore,
    /// Flags with an older epoch are refused.
    EpochCheckInRedis,
    /// Only the owner of the move writes the move log.
    EpochCheckInLog,
    /// Writers with a kept snapshot lock the guard row.
    ForShareForSnapshots,
    /// Writers log what they change.
    LogWhileCapturing,
    /// A round locks the receiving guard row before it takes its snapshot.
    GuardLockBeforeSnapshot,
    /// A round deletes only entries that its snapshot saw.
    ForgetOnlyVisibleEntries,
    /// All rows are compared before the switch.
    TallyOfAll,
    /// Rows that a round applies are compared before it commits.
    VerifyOfChanges,
    /// A store refuses writers while a copy is made in it.
    IncomingRefusesWriters,
    /// After the switch, the receiving store logs changes.
    ReverseCapture,
    /// Before a step is given up, the node checks whether the org has moved: before that is stored, and in the abort.
    AbortChecksMoved,
    /// An abort opens the org under the exclusive lock.
    AbortTakesLock,
    /// Finalizing ends the reverse capture under the exclusive lock.
    CloseTakesLock,
    /// The purge locks the guard row of the store that it empties, and stamps it.
    PurgeLocksGuard,
    /// An abort leaves a guard row in the receiving store even if nothing was copied yet.
    AbortLeavesDiscarded,
    /// Giving up a rollback stamps the leaving guard row with its epoch: before that is stored, and in the abort.
    BackAbortStamps,
    /// A step is given up under a new epoch.
    GiveUpRenews,
    /// A takeover stamps the leaving guard row with its epoch.
    StampOnTakeOver,
    /// `moved` is committed on the session that holds the exclusive lock.
    MovedOnLockSession,
    /// While the exclusive lock is held, every wait for another lock has a timeout.
    TimeoutUnderLock,
    /// The exclusive lock ends with its session.
    LockThatDiesWithItsSession,
    /// A copy in ranges that continues after a crash begins with a round in its snapshot.
    ResumeCatchesUp,
    /// An abort, and the end of a rollback, delete the record of copied ranges.
    CursorGoesWithRows,
    /// Each range is deleted before it is filled.
    RangeDeletesFirst,
    /// A round applies all entries of its snapshot in one transaction.
    EntriesInOneGo,
    /// After `incoming` is committed, Mover waits for writers that were open in the receiving store.
    BarrierOnReceiving,
    /// The triggers watch the org before Mover waits for open writers.
    WatchBeforeWaiting,
    /// The triggers watch the org only after its guard row is committed: until then an install may undo that.
    WatchAfterCommit,
    /// An install leaves the bits of orgs that are not settled.
    InstallKeepsWatch,
    /// `moved` is committed for all orgs of a cohort or for none.
    MovedAllOrNone,
    /// That commit checks the epoch of each org.
    EpochOfEach,
    /// A cohort moves only orgs whose lock it holds.
    MovesOnlyLocked,
    /// An org whose lock is not free leaves the cohort; nobody waits for its writers with the locks of others.
    BusyOrgLeaves,
    /// The round under the locks carries over the changes of every org.
    LastRoundOfAll,
    /// When a request about a cohort is refused, its orgs try alone, and only those fail that are refused alone.
    FaultOfOneAlone,
    /// When an org has left its cohort, the others do not wait for it.
    OthersGoOn,
}

impl Without {
    /// All of them.
    pub const ALL: [Without; 42] = [
        Without::Barrier,
        Without::RereadAfterLock,
        Without::ExclusiveLock,
        Without::RoundUnderLock,
        Without::LeavingBeforeReceiving,
        Without::EpochCheckInStore,
        Without::EpochCheckInRedis,
        Without::EpochCheckInLog,
        Without::ForShareForSnapshots,
        Without::LogWhileCapturing,
        Without::GuardLockBeforeSnapshot,
        Without::ForgetOnlyVisibleEntries,
        Without::TallyOfAll,
        Without::VerifyOfChanges,
        Without::IncomingRefusesWriters,
        Without::ReverseCapture,
        Without::AbortChecksMoved,
        Without::AbortTakesLock,
        Without::CloseTakesLock,
        Without::PurgeLocksGuard,
        Without::AbortLeavesDiscarded,
        Without::BackAbortStamps,
        Without::GiveUpRenews,
        Without::StampOnTakeOver,
        Without::MovedOnLockSession,
        Without::TimeoutUnderLock,
        Without::LockThatDiesWithItsSession,
        Without::ResumeCatchesUp,
        Without::CursorGoesWithRows,
        Without::RangeDeletesFirst,
        Without::EntriesInOneGo,
        Without::BarrierOnReceiving,
        Without::WatchBeforeWaiting,
        Without::WatchAfterCommit,
        Without::InstallKeepsWatch,
        Without::MovedAllOrNone,
        Without::EpochOfEach,
        Without::MovesOnlyLocked,
        Without::BusyOrgLeaves,
        Without::LastRoundOfAll,
        Without::FaultOfOneAlone,
        Without::OthersGoOn,
    ];

    /// The small configuration in which the damage shows, and the property that it breaks there. That may be a later one than
    /// the first: without the check of epochs it is expected that epochs fall.
    pub(crate) fn breaks(self) -> (Setting, Name) {
        match self {
            Without::Barrier => (small::CLIENTS, P3),
            Without::RereadAfterLock => (small::CLIENTS, P3),
            Without::ExclusiveLock => (small::CLIENTS, P3),
            Without::RoundUnderLock => (small::CLIENTS, P3),
            Without::LeavingBeforeReceiving => (small::CLIENTS, P2),
            Without::EpochCheckInStore => (small::ABORTED, P3),
            Without::EpochCheckInRedis => (small::BACK, P10),
            Without::EpochCheckInLog => (small::ABORTED, P7),
            Without::ForShareForSnapshots => (small::SNAPSHOT, P3),
            Without::LogWhileCapturing => (small::CLIENTS, P3),
            Without::GuardLockBeforeSnapshot => (small::OVERTAKEN, P3),
            Without::ForgetOnlyVisibleEntries => (small::CLIENTS, P3),
            Without::TallyOfAll => (small::FAULTS, P3),
            Without::VerifyOfChanges => (small::FAULTS, P3),
            Without::IncomingRefusesWriters => (small::CLIENTS, P11),
            Without::ReverseCapture => (small::CLIENTS, P10),
            Without::AbortChecksMoved => (small::CRASHES, P3),
            Without::AbortTakesLock => (small::FAILURES, P7),
            Without::CloseTakesLock => (small::FINALIZE, P12),
            Without::PurgeLocksGuard => (small::FINALIZE, P12),
            Without::AbortLeavesDiscarded => (small::ABORTED, P7),
            Without::BackAbortStamps => (small::BACK, P10),
            Without::GiveUpRenews => (small::BACK, P10),
            Without::StampOnTakeOver => (small::CRASHES, CAUSE),
            Without::MovedOnLockSession => (small::LOCKS, P3),
            Without::TimeoutUnderLock => (small::OPEN_GUARD, P8),
            Without::LockThatDiesWithItsSession => (small::CRASHES, P8),
            Without::ResumeCatchesUp => (small::UNIQUE, CAUSE),
            Without::CursorGoesWithRows => (small::RANGES, CAUSE),
            Without::RangeDeletesFirst => (small::UNIQUE, CAUSE),
            Without::EntriesInOneGo => (small::UNIQUE, CAUSE),
            Without::BarrierOnReceiving => (small::ASTRAY, P1),
            Without::WatchBeforeWaiting => (small::CLIENTS, P3),
            Without::WatchAfterCommit => (small::WATCHED, P3),
            Without::InstallKeepsWatch => (small::WATCHED, P3),
            Without::MovedAllOrNone => (small::COHORT_OVERTAKEN, P2),
            Without::EpochOfEach => (small::COHORT_OVERTAKEN, CAUSE),
            Without::MovesOnlyLocked => (small::COHORT, P3),
            Without::BusyOrgLeaves => (small::COHORT, P8),
            Without::LastRoundOfAll => (small::COHORT, P3),
            Without::FaultOfOneAlone => (small::COHORT_OVERTAKEN, CAUSE),
            Without::OthersGoOn => (small::COHORT_OVERTAKEN, P8),
        }
    }
}
