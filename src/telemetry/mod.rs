//! Metrics in the text format of Prometheus, and traces. It serves no HTTP: the server
//! does calls [`Metrics::render`].
//!
//! What happens in this process is counted where it happens (`mover_actors::metering`); what the move log knows is read when
//! at each scrape (`move_log_metrics`), so that every process reports the same.

mod described;
mod error;
mod metrics;
mod move_log_metrics;
mod page;
mod pool_metrics;
mod registry_metrics;
mod traces;

pub use self::error::TelemetryError;
pub use self::metrics::Metrics;
pub use self::traces::Traces;
