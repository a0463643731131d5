//! Descriptions of the metrics of this process, and the buckets of histograms.

use metrics::{describe_counter, describe_gauge, describe_histogram};
use mover_actors::metering::names;

/// From a short switch to an org that is blocked while it is copied.
pub(super) const WRITE_BLOCK_BUCKETS: [f64; 18] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

/// From the write of a flag to the copy of a large org.
pub(super) const STEP_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

/// Describes the metrics to the recorder.
pub(super) fn describe() {
    describe_counter!(names::MOVES, "Moves that came to an end, by what became of them");
    describe_histogram!(names::STEP_DURATION, "From the first try of a step until its effect was done");
    describe_counter!(names::STEP_FAILURES, "Tries of a step that failed");
    describe_histogram!(names::WRITE_BLOCK, "How long the writers of an org were shut out, or waited at the switch");
    describe_counter!(names::ROWS_COPIED, "Rows of the copies that were completed");
    describe_counter!(names::BYTES_COPIED, "Bytes of the copies that were completed, as sent to the target");
    describe_gauge!(names::BACKLOG, "Logged changes that are still to be carried over, of all orgs being caught up");
    describe_counter!(names::FLAG_WRITES, "Flag hashes sent to Redis, by what became of them");
    describe_counter!(
        names::FLAGS_MENDED,
        "Flag hashes that were lost or changed in Redis and written again, by cause"
    );
    describe_gauge!(names::FLAGS_DIFFERING, "Flag hashes that differ from the decisions and are left to people");
    describe_gauge!(names::FLAGS_UP, "1 if Redis answered last time");
    describe_counter!(names::RESTARTS, "Children that a supervisor started anew");
    describe_gauge!(names::WORKERS, "Workers of this process that move an org, or wait for one");
}
