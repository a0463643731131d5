//! Answers that are longer than the screen, a screenful at a time.

use std::io::{self, Write};
use std::time::Duration;

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use tokio::task::spawn_blocking;

use crate::cli::typed::{self, Unread};
use crate::cli::wrap;

const MORE: &str = "-- more: Enter, q leaves the rest out --";
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Prints a text. On a terminal a longer one than the screen stops at each screenful, unless more input waits already, as in a paste.
pub(super) async fn print(text: &str) -> io::Result<()> {
    let text = wrap::for_stdout(text);
    let rows = terminal_size::terminal_size().map_or(usize::MAX, |(_, rows)| usize::from(rows.0).max(4));
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.len() < rows || typed::is_pending() {
        println!("{text}");
        return Ok(());
    }
    // A separate thread, because waiting for a key would stall the runtime.
    spawn_blocking(move || page(&lines, rows - 1)).await.map_err(io::Error::other)?
}

fn page(lines: &[String], rows: usize) -> io::Result<()> {
    let _unread = Unread::keep();
    let mut out = io::stdout().lock();
    for (number, screenful) in lines.chunks(rows).enumerate() {
        for line in screenful {
            writeln!(out, "{line}")?;
        }
        if (number + 1) * rows >= lines.len() {
            break;
        }
        write!(out, "{MORE}")?;
        out.flush()?;
        // Ctrl-C is a key here, which leaves the rest out, too.
        enable_raw_mode()?;
        let goes_on = loop {
            match typed::key(LOOK_EVERY) {
                Ok(Some('q')) | Err(_) => break false,
                Ok(Some(_)) => break true,
                Ok(None) => {}
            }
        };
        disable_raw_mode()?;
        // The line is overwritten.
        write!(out, "\r{}\r", " ".repeat(MORE.len()))?;
        if !goes_on {
            break;
        }
    }
    out.flush()
}
