//! Errors of telemetry.

use thiserror::Error;

/// Why telemetry cannot start.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// A program that embeds Mover has installed another recorder.
    #[error("another recorder of metrics is installed in this process")]
    Recorder,
    /// Samples must be drained periodically, even without a scrape.
    #[error("metrics need a tokio runtime to be installed in")]
    NoRuntime,
    /// The exporter of traces could not be created.
    #[error("sending traces to {endpoint}: {cause}")]
    Traces {
        /// The endpoint.
        endpoint: String,
        /// What is wrong.
        cause: String,
    },
    /// Invalid buckets of a histogram.
    #[error("the buckets of {name}: {cause}")]
    Buckets {
        /// The histogram.
        name: &'static str,
        /// The error of the recorder.
        cause: String,
    },
}
