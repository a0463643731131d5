//! Log lines, readable or as JSON.

use std::fmt::Debug;
use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::screen::Screen;
use crate::telemetry::Traces;

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Exchanges the active filter, once logging has started.
static EXCHANGE: OnceLock<Box<dyn Fn(EnvFilter) + Send + Sync>> = OnceLock::new();

/// Sets another filter.
pub(super) fn change(filter: &str) -> Result<(), ParseError> {
    let filter = read(filter)?;
    if let Some(exchange) = EXCHANGE.get() {
        exchange(filter);
    }
    Ok(())
}

/// Suppresses log lines of drivers, which repeat what Mover logs.
fn read(filter: &str) -> Result<EnvFilter, ParseError> {
    let quiet =
        "tokio_postgres=warn,redis=warn,deadpool.postgres=off,actix_server=warn,rustls=warn,ureq=warn,ureq_proto=warn";
    EnvFilter::builder().parse(format!("{filter},{quiet}"))
}

/// Sends log lines to the screen, and spans to a collector if there is one. `filter` is a level (`info`) or directives
/// (`mover=debug`); it does not apply to spans.
pub(super) fn start(screen: Screen, format: Format, filter: &str, traces: Option<&Traces>) -> Result<(), ParseError> {
    let (filter, handle) = reload::Layer::new(read(filter)?);
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // Each line names its org, so the enclosing spans would only repeat it.
    let filter = filter.and(filter_fn(|it| it.is_event()));
    let lines = tracing_subscriber::fmt::layer().with_writer(screen).with_target(false);
    let spans = tracing_subscriber::registry().with(traces.map(Traces::layer));
    // Names come from databases: a line break or an escape in one must not look like a line or a colour of ours.
    let text = debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{}", one_line(value)),
        name => write!(writer, "{name}={}", one_line(value)),
    });
    // A second start keeps the first: that is what its callers, one per process, want.
    let begun = match format {
        Format::Text => {
            let lines = lines.with_ansi(colours).fmt_fields(text.delimited(" "));
            spans.with(lines.with_filter(filter)).try_init()
        }
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            spans.with(lines.with_filter(filter)).try_init()
        }
    };
    if begun.is_ok() {
        // The filter lives as long as the process.
        let _ = EXCHANGE.set(Box::new(move |filter| drop(handle.reload(filter))));
    }
    Ok(())
}

fn one_line(value: &dyn Debug) -> String {
    let text = format!("{value:?}");
    text.chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}
