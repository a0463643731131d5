//! `mover console`: the command language, and the calls of the original system, with history, completion and help. From a pipe
//! it reads line by line, follows each campaign to its end, and stops at the first trouble, so a script can be piped to it.
//!
//! - `editor`: the line editor, in a thread of its own
//! - `words`: what can come at each place of a line, for completion and hints
//! - `paint`: colours of a line
//! - `interpreter`: input -> commands -> answers
//! - `pager`: answers that are longer than the screen

mod editor;
mod interpreter;
mod pager;
mod paint;
mod words;

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::command::erlang;
use crate::operations::Needs;

use super::args;
use super::error::CliError;
use super::follow::follow;
use super::host::{CommandHost, OnDetach};
use super::interrupts::Interrupts;
use super::screen::Screen;
use super::typed::{self, Unread};
use interpreter::{Interpreter, Next};

pub(in crate::cli) use words::Names;

/// A text of input.
struct Typed {
    text: String,
    /// The number of its first line in the input; 1 is the first.
    line: usize,
    /// Requests the next one.
    go_on: oneshot::Sender<()>,
}

/// Runs until `quit`, Ctrl-D or the end of the input. From a pipe it also ends at the first text that was not carried out, or not done
/// to its end, unless it is to keep going.
pub(super) async fn console(
    host: &mut dyn CommandHost,
    screen: &Screen,
    greeting: &str,
    args: &args::Console,
) -> Result<ExitCode, CliError> {
    let mut interrupts = Interrupts::listen()?;
    host.prepare(Needs::Tree).await?;
    let on_terminal = std::io::stdin().is_terminal();
    let (lines, mut typed) = mpsc::channel(1);
    let _unread = on_terminal.then(Unread::keep);
    if on_terminal {
        println!("{greeting} help lists the commands, Tab completes, Ctrl-D leaves.");
        editor::start(&host.place(), host.names(), screen, lines);
    } else {
        thread::spawn(move || read_pipe(&lines));
    }
    let mut interpreter = Interpreter::new(host, screen, on_terminal, args.yes);
    let mut failed = false;
    loop {
        let text = tokio::select! {
            text = typed.recv() => text,
            ended = interpreter.ended() => return ended.map(|()| ExitCode::SUCCESS),
            () = interrupts.next() => None,
        };
        let Some(Typed { text, line, go_on }) = text else { break };
        let is_well = match interpreter.take(&mut interrupts, &text).await {
            Ok(Next::Ask) => true,
            Ok(Next::Trouble) => false,
            Ok(Next::Leave) => break,
            // Detaching on a terminal returns to the prompt; a script does not continue.
            Err(error @ CliError::Left { .. }) if !on_terminal => {
                screen.clear();
                return Err(error);
            }
            Err(error) => {
                let is_no = matches!(error, CliError::NotConfirmed | CliError::Interrupted);
                let dropped = if on_terminal && is_no { typed::forget() } else { 0 };
                eprintln!("{error}");
                tell_dropped(dropped);
                false
            }
        };
        failed |= !is_well;
        if !is_well && !on_terminal && !args.keep_going {
            eprintln!(
                "stopped at line {line}: what follows it was not carried out; --keep-going goes on after such a line"
            );
            break;
        }
        // The reader ends with the console.
        let _ = go_on.send(());
    }
    screen.clear();
    leave(host, screen, &mut interrupts).await?;
    Ok(if failed && !on_terminal { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// After a "no" the lines that were pasted with the question are not what is meant any more.
fn tell_dropped(lines: usize) {
    match lines {
        0 => {}
        1 => eprintln!("the line that was typed or pasted after it is dropped"),
        lines => eprintln!("{lines} lines that were typed or pasted after it are dropped"),
    }
}

/// A campaign that would end with this process is halted and followed to its end; one that continues without it is left alone.
async fn leave(host: &mut dyn CommandHost, screen: &Screen, interrupts: &mut Interrupts) -> Result<(), CliError> {
    if let Ok(Some((mut campaign, total))) = host.live().await {
        match host.on_detach() {
            OnDetach::Ends => {
                let in_flight = campaign.in_flight;
                println!("halting: {in_flight} orgs in flight go on to their end; Ctrl-C stops at once");
                let _ = host.halt("the console was left").await;
                campaign = host.look(campaign.id).await.map_or(campaign, |look| look.campaign);
                let total = total.min(campaign.claimed);
                follow(host, screen, interrupts, campaign, total).await?;
            }
            OnDetach::GoesOn(place) => {
                println!("campaign {} goes on: {place} drives it; halt would end it", campaign.id)
            }
        }
    }
    host.close().await
}

/// Line by line; an Erlang expression continues until its final dot. An incomplete rest is handed over as it is.
fn read_pipe(lines: &mpsc::Sender<Typed>) {
    let (mut text, mut first) = (String::new(), 1);
    for (number, line) in std::io::stdin().lock().lines().map_while(Result::ok).enumerate() {
        if text.is_empty() {
            first = number + 1;
        } else {
            text.push('\n');
        }
        text.push_str(&line);
        if is_whole(&text) && !hand_over(lines, std::mem::take(&mut text), first) {
            return;
        }
    }
    if !text.is_empty() {
        hand_over(lines, text, first);
    }
}

/// Whether the input is complete.
fn is_whole(text: &str) -> bool {
    !erlang::is_erlang(text) || erlang::is_complete(text)
}

/// Gives a text to the console and waits until it has been carried out; false when the console is gone.
fn hand_over(lines: &mpsc::Sender<Typed>, text: String, line: usize) -> bool {
    let (go_on, carried_out) = oneshot::channel();
    lines.blocking_send(Typed { text, line, go_on }).is_ok() && carried_out.blocking_recv().is_ok()
}
