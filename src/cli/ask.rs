//! Questions on the terminal.

use std::io::{BufRead, IsTerminal, Write};

use tokio::sync::oneshot;

use crate::command::Command;
use crate::operations::Danger;

use super::error::CliError;
use super::helm::{Carried, Consent, Giver, Helm};
use super::interrupts::Interrupts;

/// Whether there is somebody who could answer.
pub(super) fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks, and waits for a line; Ctrl-C is no answer.
pub(super) async fn ask(question: &str, interrupts: &mut Interrupts) -> Option<String> {
    print!("{question} ");
    let _ = std::io::stdout().flush();
    let (answered, answer) = oneshot::channel();
    // A thread of its own: nobody waits for it if no answer comes.
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

/// Carries a command out. Before a dangerous one it says what it would do, and has its giver show that it is meant; `yes` says so
/// beforehand.
pub(super) async fn meant(
    helm: &mut dyn Helm,
    command: &Command,
    yes: bool,
    giver: Giver,
    interrupts: &mut Interrupts,
) -> Result<Carried, CliError> {
    let consent = if yes { Consent::Beforehand } else { Consent::NotAsked };
    let Danger { what, word } = match helm.carry_out(command, consent, giver, interrupts).await? {
        Carried::Asks(danger) => danger,
        carried => return Ok(carried),
    };
    if !somebody_is_there() {
        return Err(CliError::Unconfirmed { what });
    }
    println!("{what}");
    match ask(&format!("Type {word} to go on:"), interrupts).await {
        Some(answer) if answer == word => helm.carry_out(command, Consent::Typed(&word), giver, interrupts).await,
        _ => Err(CliError::NotMeant),
    }
}
