//! The bounded configurations: large ones for the full run, small ones for tests and for the search without a measure.

use crate::setting::Write::{Delete, Put};
use crate::setting::{Budget, Orgs, Setting, Txn, rc, rr};

const NONE: Budget = Budget {
    crashes: 0,
    expiries: 0,
    failures: 0,
    lost_locks: 0,
    faults: 0,
    retries: 0,
    rollbacks: 0,
    finalizes: 0,
    installs: 0,
};

/// Both writers in READ COMMITTED, with one key in common.
const TWO: [&[Txn]; 2] = [&[rc(&[Put(0)]), rc(&[Put(0)])], &[rc(&[Put(1), Delete(0)])]];
/// One of them keeps its snapshots.
const SNAPSHOTS: [&[Txn]; 2] = [&[rr(&[Put(0)]), rr(&[Put(0)])], &[rc(&[Put(1), Delete(0)])]];
const MIXED: [&[Txn]; 2] = [&[rr(&[Put(0)]), rc(&[Put(0)])], &[rc(&[Put(1)])]];
const ONE_EACH: [&[Txn]; 2] = [&[rc(&[Put(0)])], &[rr(&[Put(1)])]];
const STRANGER: [&[Txn]; 2] = [&[rr(&[Put(0)])], &[rc(&[Put(1)])]];
const ONE: [&[Txn]; 2] = [&[rc(&[Put(0)])], &[]];
const MANY: [&[Txn]; 2] = [
    &[rc(&[Put(0)]), rr(&[Put(0), Put(1)]), rc(&[Delete(0)])],
    &[rc(&[Put(1), Delete(0)]), rr(&[Put(1)]), rc(&[Put(0)])],
];
/// A unique value moves from one row to the other and back.
const SWAPS: [&[Txn]; 2] = [&[rc(&[Delete(0), Put(1)]), rc(&[Delete(1), Put(0)])], &[rc(&[Delete(0), Put(1)])]];

const fn setting(name: &'static str, about: &'static str, writers: [&'static [Txn]; 2], budget: Budget) -> Setting {
    Setting {
        name,
        about,
        writers,
        budget,
        ranges: false,
        early_rounds: true,
        unique: false,
        astray: false,
        orgs: Orgs::One,
        second_is_quiet: false,
    }
}

/// The settings of the full run.
pub const FULL: [Setting; 15] = [
    setting(
        "clients",
        "writers of all kinds; Mover does not fail; rollback and finalize",
        MANY,
        Budget { rollbacks: 1, finalizes: 1, ..NONE },
    ),
    setting(
        "crashes",
        "nodes die and steps fail; retry, rollback, finalize",
        MIXED,
        Budget { crashes: 2, failures: 1, retries: 1, rollbacks: 1, finalizes: 1, ..NONE },
    ),
    setting(
        "overtaken",
        "a node is overtaken and goes on; retry, rollback, finalize",
        TWO,
        Budget { expiries: 1, failures: 1, retries: 1, rollbacks: 1, finalizes: 1, ..NONE },
    ),
    setting(
        "twice",
        "nodes are overtaken twice, steps fail twice, two rollbacks",
        ONE_EACH,
        Budget { expiries: 2, failures: 2, rollbacks: 2, finalizes: 1, ..NONE },
    ),
    setting(
        "snapshots",
        "a writer keeps its snapshots while a node is overtaken",
        SNAPSHOTS,
        Budget { expiries: 1, failures: 1, rollbacks: 1, finalizes: 1, ..NONE },
    ),
    setting(
        "locks",
        "the session with the exclusive lock breaks, and its node does not notice",
        MIXED,
        Budget { lost_locks: 1, expiries: 1, failures: 1, rollbacks: 1, ..NONE },
    ),
    Setting {
        ranges: true,
        ..setting(
            "ranges",
            "the copy goes in ranges with a durable cursor",
            TWO,
            Budget { crashes: 1, expiries: 1, failures: 1, retries: 1, ..NONE },
        )
    },
    Setting {
        ranges: true,
        unique: true,
        ..setting(
            "unique",
            "as ranges, with a unique value that goes from row to row",
            SWAPS,
            Budget { crashes: 1, expiries: 1, failures: 1, ..NONE },
        )
    },
    setting(
        "faults",
        "Mover writes a wrong row",
        TWO,
        Budget { faults: 1, crashes: 1, expiries: 1, failures: 1, ..NONE },
    ),
    setting(
        "watched",
        "bits are worked out anew beside the move; retry, rollback",
        MIXED,
        Budget { installs: 2, crashes: 1, failures: 1, retries: 1, rollbacks: 1, ..NONE },
    ),
    Setting {
        astray: true,
        ..setting(
            "astray",
            "a writer is in the new store before any flag said so",
            STRANGER,
            Budget { crashes: 1, expiries: 1, failures: 1, ..NONE },
        )
    },
    Setting {
        orgs: Orgs::Two,
        early_rounds: false,
        ..setting("cohort", "two orgs together until both rest; a node dies", ONE, Budget { crashes: 1, ..NONE })
    },
    Setting {
        orgs: Orgs::TwoThenEach,
        ..setting(
            "cohort-fails",
            "two orgs together; a node dies, a step fails",
            ONE,
            Budget { crashes: 1, failures: 1, ..NONE },
        )
    },
    Setting {
        orgs: Orgs::TwoThenEach,
        ..setting(
            "cohort-overtaken",
            "two orgs together; one or both are taken over",
            ONE,
            Budget { expiries: 1, ..NONE },
        )
    },
    Setting {
        orgs: Orgs::TwoThenEach,
        early_rounds: false,
        second_is_quiet: true,
        ..setting(
            "cohort-late",
            "two orgs together, one is written; one or both are taken over, a step fails",
            ONE,
            Budget { expiries: 1, failures: 1, ..NONE },
        )
    },
];

/// Small enough for tests, and for the search without a measure. The tests explore these.
pub const SMALL: [Setting; 19] = small::ALL;

pub(crate) mod small {
    use super::{Budget, MIXED, NONE, ONE, ONE_EACH, Orgs, SNAPSHOTS, STRANGER, SWAPS, Setting, TWO, setting};

    pub(crate) const CLIENTS: Setting =
        setting("small-clients", "two writers; rollback", TWO, Budget { rollbacks: 1, ..NONE });
    pub(crate) const SNAPSHOT: Setting =
        setting("small-snapshots", "a writer keeps its snapshots", SNAPSHOTS, Budget { failures: 1, ..NONE });
    pub(crate) const FAILURES: Setting = setting("small-failures", "a step fails", TWO, Budget { failures: 1, ..NONE });
    pub(crate) const CRASHES: Setting = setting(
        "small-crashes",
        "a node dies, a step fails",
        MIXED,
        Budget { crashes: 1, failures: 1, rollbacks: 1, ..NONE },
    );
    pub(crate) const OVERTAKEN: Setting =
        setting("small-overtaken", "a node is overtaken", TWO, Budget { expiries: 1, ..NONE });
    pub(crate) const ABORTED: Setting = setting(
        "small-aborted",
        "a node is overtaken, a step fails",
        ONE_EACH,
        Budget { expiries: 1, failures: 1, retries: 1, ..NONE },
    );
    pub(crate) const BACK: Setting = setting(
        "small-back",
        "a node is overtaken and a step fails; rollback",
        ONE,
        Budget { expiries: 1, failures: 1, rollbacks: 1, ..NONE },
    );
    pub(crate) const OPEN_GUARD: Setting = setting(
        "small-open-guard",
        "a node is overtaken while a writer holds the guard row",
        ONE_EACH,
        Budget { expiries: 1, ..NONE },
    );
    pub(crate) const FINALIZE: Setting = setting(
        "small-finalize",
        "a rollback fails, then the move is finalized",
        ONE,
        Budget { expiries: 2, failures: 1, rollbacks: 1, finalizes: 1, ..NONE },
    );
    pub(crate) const LOCKS: Setting =
        setting("small-locks", "the lock's session breaks", TWO, Budget { lost_locks: 1, ..NONE });
    pub(crate) const FAULTS: Setting =
        setting("small-faults", "Mover writes a wrong row", TWO, Budget { faults: 1, ..NONE });
    pub(crate) const RANGES: Setting = Setting {
        ranges: true,
        ..setting(
            "small-ranges",
            "ranges, a node dies, a step fails",
            ONE,
            Budget { crashes: 1, failures: 1, retries: 1, ..NONE },
        )
    };
    pub(crate) const UNIQUE: Setting = Setting {
        ranges: true,
        unique: true,
        ..setting("small-unique", "ranges with a unique value, a node dies", SWAPS, Budget { crashes: 1, ..NONE })
    };
    pub(crate) const ASTRAY: Setting =
        Setting { astray: true, ..setting("small-astray", "a writer where no flag led", STRANGER, NONE) };

    pub(crate) const WATCHED: Setting =
        setting("small-watched", "bits are worked out anew", MIXED, Budget { installs: 1, ..NONE });

    pub(crate) const COHORT: Setting = Setting {
        orgs: Orgs::TwoThenEach,
        ..setting("small-cohort", "two orgs together; a node dies", ONE, Budget { crashes: 1, ..NONE })
    };
    pub(crate) const COHORT_FAILS: Setting = Setting {
        orgs: Orgs::TwoThenEach,
        ..setting(
            "small-cohort-fails",
            "two orgs together; a step fails, the session with the locks breaks",
            ONE,
            Budget { failures: 1, lost_locks: 1, ..NONE },
        )
    };
    pub(crate) const COHORT_APART: Setting = Setting {
        orgs: Orgs::Two,
        second_is_quiet: true,
        ..setting(
            "small-cohort-apart",
            "two orgs until both rest, one is written; a step fails",
            ONE,
            Budget { failures: 1, ..NONE },
        )
    };
    pub(crate) const COHORT_OVERTAKEN: Setting = Setting {
        orgs: Orgs::TwoThenEach,
        second_is_quiet: true,
        ..setting(
            "small-cohort-overtaken",
            "two orgs together, one is written; one or both are taken over",
            ONE,
            Budget { expiries: 1, ..NONE },
        )
    };

    pub(crate) const ALL: [Setting; 19] = [
        CLIENTS,
        SNAPSHOT,
        FAILURES,
        CRASHES,
        OVERTAKEN,
        ABORTED,
        BACK,
        OPEN_GUARD,
        FINALIZE,
        LOCKS,
        FAULTS,
        RANGES,
        UNIQUE,
        ASTRAY,
        WATCHED,
        COHORT,
        COHORT_FAILS,
        COHORT_APART,
        COHORT_OVERTAKEN,
    ];
}
