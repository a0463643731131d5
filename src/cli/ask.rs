//! Prompts on the terminal.

use std::io::{BufRead, IsTerminal, Write};

use tokio::sync::oneshot;

use crate::command::Command;
use crate::operations::Danger;

use super::error::CliError;
use super::host::{CommandHost, CommandOutcome, Consent, Issuer};
use super::interrupts::Interrupts;

/// Whether a user can answer: standard input is a terminal.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks, and waits for a line; `None` after Ctrl-C.
pub(super) async fn ask(question: &str, interrupts: &mut Interrupts) -> Option<String> {
    print!("{question} ");
    let _ = std::io::stdout().flush();
    let (answered, answer) = oneshot::channel();
    // A separate thread: the program does not wait for it if no answer comes.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let _ = answered.send(read.ok().filter(|length| *length > 0).map(|_| line.trim().to_owned()));
    });
    tokio::select! {
        answer = answer => answer.unwrap_or(None),
        () = interrupts.next() => {
            println!();
            None
        }
    }
}

/// Carries a command out. A dangerous command shows its effect and needs confirmation; `yes` confirms it beforehand.
pub(super) async fn carry_out_confirmed(
    host: &mut dyn CommandHost,
    command: &Command,
    yes: bool,
    issuer: Issuer,
    interrupts: &mut Interrupts,
) -> Result<CommandOutcome, CliError> {
    let consent = if yes { Consent::Beforehand } else { Consent::NotAsked };
    let Danger { what, word, .. } = match host.carry_out(command, consent, issuer, interrupts).await? {
        CommandOutcome::NeedsConfirmation(danger) => danger,
        carried => return Ok(carried),
    };
    if !is_interactive() {
        return Err(CliError::Unconfirmed { what });
    }
    println!("{what}");
    match ask(&format!("Type {word} to go on:"), interrupts).await {
        Some(answer) if answer == word => host.carry_out(command, Consent::Typed(&word), issuer, interrupts).await,
        _ => Err(CliError::NotConfirmed),
    }
}
