//! Prompts on the terminal.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use crate::command::Command;
use crate::operations::Danger;

use super::error::CliError;
use super::host::{CommandHost, CommandOutcome, Consent, Issuer};
use super::interrupts::Interrupts;
use super::typed;

/// Whether a user can answer: standard input is a terminal.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks on the terminal, and waits for a line; `None` after Ctrl-C.
pub(super) async fn ask(question: &str, interrupts: &mut Interrupts) -> Option<String> {
    print!("{question} ");
    let _ = std::io::stdout().flush();
    let is_over = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&is_over);
    let (answered, answer) = oneshot::channel();
    // A separate thread, because waiting for a key would stall the runtime.
    std::thread::spawn(move || {
        let read = typed::line(|| stop.load(Ordering::Relaxed));
        let _ = answered.send(read.ok().flatten().map(|line| line.trim().to_owned()));
    });
    tokio::select! {
        answer = answer => answer.unwrap_or(None),
        () = interrupts.next() => {
            is_over.store(true, Ordering::Relaxed);
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
