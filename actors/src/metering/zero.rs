//! Metrics that exist before the first event: otherwise a program that computes rates would not see the first failure as a
//! change.

use metrics::{counter, gauge, histogram};
use strum::VariantArray;

use crate::domain::ids::MigrationName;
use crate::domain::state::{Step, Strategy};

use super::{FailureKind, Mended, Outcome, names};

/// Shows all metrics whose labels are known beforehand. Existing counts stay.
pub fn begin_at_zero() {
    for step in Step::ALL {
        for kind in FailureKind::VARIANTS {
            counter!(names::STEP_FAILURES, "step" => step.as_str(), "kind" => kind.as_str()).increment(0);
        }
    }
    for strategy in [Strategy::Offline, Strategy::Online] {
        // Registering a metric shows it.
        let _ = histogram!(names::WRITE_BLOCK, "strategy" => strategy.as_str());
    }
    for result in ["applied", "stale", "withheld", "failed"] {
        counter!(names::FLAG_WRITES, "result" => result).increment(0);
    }
    for cause in Mended::VARIANTS {
        let cause: &'static str = (*cause).into();
        counter!(names::FLAGS_MENDED, "cause" => cause).increment(0);
    }
    for name in [names::ROWS_COPIED, names::BYTES_COPIED] {
        counter!(name).increment(0);
    }
    gauge!(names::BACKLOG).increment(0.0);
    gauge!(names::FLAGS_DIFFERING).increment(0.0);
    for state in ["busy", "idle"] {
        gauge!(names::WORKERS, "state" => state).increment(0.0);
    }
    for supervisor in ["root", "root/workers", "root/workers/members", "root/orgs"] {
        counter!(names::RESTARTS, "supervisor" => supervisor).increment(0);
    }
}

/// Shows the outcomes of a configured migration.
pub fn begin_migration_at_zero(migration: &MigrationName) {
    for outcome in Outcome::VARIANTS {
        counter!(names::MOVES, "migration" => migration.as_str().to_owned(), "outcome" => outcome.as_str())
            .increment(0);
    }
}
