//! Log lines, readable or as JSON.

use std::fmt::Debug;
use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

use super::screen::Screen;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The filter that is in force, once lines are sent.
static FILTER: OnceLock<Handle<EnvFilter, Registry>> = OnceLock::new();

/// Another filter from now on.
pub(super) fn change(filter: &str) -> Result<(), ParseError> {
    let filter = read(filter)?;
    if let Some(handle) = FILTER.get() {
        // It is gone only with the process.
        let _ = handle.reload(filter);
    }
    Ok(())
}

/// The drivers' own lines tell an operator nothing that Mover does not say better.
fn read(filter: &str) -> Result<EnvFilter, ParseError> {
    let quiet = "tokio_postgres=warn,redis=warn,deadpool.postgres=off,actix_server=warn,rustls=warn";
    EnvFilter::builder().parse(format!("{filter},{quiet}"))
}

/// Sends log lines to the screen. `filter` is a level (`info`) or directives (`mover=debug`).
pub(super) fn start(screen: Screen, format: Format, filter: &str) -> Result<(), ParseError> {
    let (filter, handle) = reload::Layer::new(read(filter)?);
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer().with_writer(screen).with_target(false);
    // Names come from databases: a line break or an escape in one must not pass for a line or a colour of ours.
    let text = debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{}", one_line(value)),
        name => write!(writer, "{name}={}", one_line(value)),
    });
    // A second start keeps the first: that is what its callers, one per process, want.
    let registry = tracing_subscriber::registry().with(filter);
    let begun = match format {
        Format::Text => registry.with(lines.with_ansi(colours).fmt_fields(text.delimited(" "))).try_init(),
        Format::Json => registry.with(lines.json().flatten_event(true).with_current_span(false)).try_init(),
    };
    if begun.is_ok() {
        let _ = FILTER.set(handle);
    }
    Ok(())
}

fn one_line(value: &dyn Debug) -> String {
    let text = format!("{value:?}");
    text.chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}
