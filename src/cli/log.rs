//! Log lines, readable or as JSON.

use std::fmt::Debug;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::debug_fn;

use super::screen::Screen;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends log lines to the screen. `filter` is a level (`info`) or directives (`mover=debug`).
pub(super) fn start(screen: Screen, format: Format, filter: &str) -> Result<(), ParseError> {
    // The drivers' own lines tell an operator nothing that Mover does not say better.
    let filter =
        EnvFilter::builder().parse(format!("{filter},tokio_postgres=warn,redis=warn,deadpool.postgres=off"))?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(screen).with_target(false);
    // Names come from databases: a line break or an escape in one must not pass for a line or a colour of ours.
    let text = debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{}", one_line(value)),
        name => write!(writer, "{name}={}", one_line(value)),
    });
    // A second start keeps the first: that is what its callers, one per process, want.
    let _ = match format {
        Format::Text => lines.with_ansi(colours).fmt_fields(text.delimited(" ")).try_init(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
    };
    Ok(())
}

fn one_line(value: &dyn Debug) -> String {
    let text = format!("{value:?}");
    text.chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}
