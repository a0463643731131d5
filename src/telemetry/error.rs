//! What can keep Mover from telling of itself.

use thiserror::Error;

/// Why nothing can be told.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// A program that embeds Mover records metrics in another way.
    #[error("another recorder of metrics is installed in this process")]
    Recorder,
    /// Figures that nobody asks for have to be put away now and then.
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
        /// What the recorder said.
        cause: String,
    },
}
