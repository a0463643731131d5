//! The names of metrics. Dashboards and alerts of operators depend on them.

/// Counter {migration, outcome}: moves that came to an end.
pub const MOVES: &str = "mover_moves_total";
/// Histogram {step, strategy}: from the first try of a step until its effect was done.
pub const STEP_DURATION: &str = "mover_step_duration_seconds";
/// Counter {step, kind}: tries of a step that failed.
pub const STEP_FAILURES: &str = "mover_step_failures_total";
/// Histogram {strategy}: how long an org's writers were blocked, or waited.
pub const WRITE_BLOCK: &str = "mover_write_block_seconds";
/// Counter: rows of copies that were completed.
pub const ROWS_COPIED: &str = "mover_rows_copied_total";
/// Counter: bytes of copies that were completed, as sent to the target.
pub const BYTES_COPIED: &str = "mover_bytes_copied_total";
/// Gauge: logged changes that are still to be carried over.
pub const BACKLOG: &str = "mover_catch_up_backlog_rows";
/// Counter {result}: flag hashes sent to Redis.
pub const FLAG_WRITES: &str = "mover_flag_writes_total";
/// Counter {cause}: flag hashes that a sweep wrote again.
pub const FLAGS_MENDED: &str = "mover_flags_mended_total";
/// Gauge: flag hashes that differ from their decisions and are left to people.
pub const FLAGS_DIFFERING: &str = "mover_flags_differing";
/// Gauge: whether flags can be written.
pub const FLAGS_UP: &str = "mover_flags_up";
/// Counter {supervisor}: children that were restarted.
pub const RESTARTS: &str = "mover_actor_restarts_total";
/// Gauge {state}: the pool of workers.
pub const WORKERS: &str = "mover_workers";
