//! `mover status`, once or again and again.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use crate::app::App;
use crate::command::Command;
use crate::operations::{Answer, Door, carry_out};

use super::args::Status;
use super::error::CliError;
use super::exec::print;
use super::interrupts::Interrupts;

const EVERY: Duration = Duration::from_secs(1);

/// Shows how things stand; with `--watch` until Ctrl-C.
pub(super) async fn status(app: &App, args: &Status) -> Result<ExitCode, CliError> {
    let line = args.migration.as_ref().map_or("status".to_owned(), |migration| format!("status {migration}"));
    let command = crate::command::parse(&line)?.unwrap_or(Command::Status { migration: None, watch: false });
    let mut interrupts = Interrupts::listen()?;
    loop {
        let answer: Answer = carry_out(&app.world, None, Door::Watch, &command).await?.answer();
        if args.watch && !args.json && std::io::stdout().is_terminal() {
            // Home, the answer, and nothing of the last one below it.
            print!("\x1b[H\x1b[2J");
        }
        print(&answer, args.json);
        if !args.watch {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = interrupts.next() => return Ok(ExitCode::SUCCESS),
        }
    }
}
