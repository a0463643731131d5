//! `mover status`, once or repeatedly.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use super::args::Status;
use super::error::CliError;
use super::exec::print;
use super::host::CommandHost;
use super::interrupts::Interrupts;

const EVERY: Duration = Duration::from_secs(1);

/// Shows the status; with `--watch` until Ctrl-C.
pub(super) async fn status(host: &mut dyn CommandHost, args: &Status) -> Result<ExitCode, CliError> {
    let mut interrupts = Interrupts::listen()?;
    let mut is_lost = false;
    loop {
        match host.status(args.migration.as_deref()).await {
            Ok(answer) => {
                is_lost = false;
                if args.watch && !args.json && std::io::stdout().is_terminal() {
                    // Move the cursor home, print the answer, and clear the rest of the screen.
                    print!("\x1b[H\x1b[2J");
                }
                print(&answer, args.json);
            }
            // It may come back while the user watches.
            Err(error) if args.watch && error.is_lost() => {
                if !std::mem::replace(&mut is_lost, true) {
                    eprintln!("{error}; it is asked again until it answers");
                }
            }
            Err(error) => return Err(error),
        }
        if !args.watch {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = interrupts.next() => return Ok(ExitCode::SUCCESS),
        }
    }
}
