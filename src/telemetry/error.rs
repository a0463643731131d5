//! Errors of telemetry.

use thiserror::Error;

/// Why telemetry cannot start.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// A program that embeds Mover records metrics in another way.
    #[error("another recorder of metrics is installed in this process")]
    Recorder,
    /// Samples must be drained from time to time, even without a scrape.
    #[error("metrics need a tokio runtime to be installed in")]
    NoRuntime,
    /// The sender of traces could not be made.
    #[error("sending traces to {endpoint}: {cause}")]
    Traces {
        /// Where they should go.
        endpoint: String,
        /// What is wrong.
        cause: String,
    },
    /// The buckets of a histogram.
    #[error("the buckets of {name}: {cause}")]
    Buckets {
        /// Which histogram.
        name: &'static str,
        /// The error of the recorder.
        cause: String,
    },
}
