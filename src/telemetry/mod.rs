//! Metrics in the text format of Prometheus, and traces. It serves no HTTP: the server calls [`Metrics::render`].
//!
//! Events in this process are counted where they happen (`mover_actors::metering`); the contents of the move log are read
//! at each scrape (`move_log_metrics`), so every process reports the same.

mod described;
mod error;
mod metrics;
mod move_log_metrics;
mod page;
mod pool_metrics;
mod registry_metrics;
mod route_metrics;
mod traces;

pub use self::error::TelemetryError;
pub use self::metrics::Metrics;
pub use self::traces::Traces;
