//! What a Mover tells of itself to machines: metrics in the text format of Prometheus, and traces. It serves no HTTP: whoever
//! does calls [`Metrics::render`].
//!
//! What happens in this process is counted where it happens (`mover_actors::metering`); what the move log knows is read when
//! somebody asks (`log_figures`), so that every process says the same of it.

mod board_figures;
mod described;
mod error;
mod log_figures;
mod metrics;
mod page;
mod pool_figures;
mod traces;

pub use self::error::TelemetryError;
pub use self::metrics::Metrics;
pub use self::traces::Traces;
