//! `mover console`: the command language, and the calls of the original system, with history, completion and help. From a pipe
//! it takes a line at a time and follows each campaign to its end, so that a script can be fed to it.
//!
//! - `editor`: the line editor, in a thread of its own
//! - `words`: what can stand where, for completion and hints
//! - `paint`: colours of a line
//! - `speaker`: what was typed -> commands -> answers

mod editor;
mod paint;
mod speaker;
mod words;

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;
use std::thread;

use mover_actors::domain::campaign::Steer;
use mover_actors::ports::MoveLog;
use mover_actors::tree::Tree;
use tokio::sync::{mpsc, oneshot};

use crate::app::{App, AppError};
use crate::command::erlang;
use crate::operations::Needs;

use super::error::CliError;
use super::follow::follow;
use super::interrupts::Interrupts;
use super::screen::Screen;
use speaker::{Next, Speaker};

/// A text that was typed, and whom to tell that the next may be asked for.
type Typed = (String, oneshot::Sender<()>);

/// Runs until `quit`, Ctrl-D or the end of the input. `yes`: nobody is asked whether a command is meant.
pub(super) async fn console(app: &App, screen: &Screen, yes: bool) -> Result<ExitCode, CliError> {
    let mut interrupts = Interrupts::listen()?;
    let Some(mut tree) = app.start(Needs::Tree).await? else { return Ok(ExitCode::SUCCESS) };
    let on_terminal = std::io::stdin().is_terminal();
    let (lines, mut typed) = mpsc::channel(1);
    if on_terminal {
        println!("Mover {}. help lists the commands, Tab completes, Ctrl-D leaves.", env!("CARGO_PKG_VERSION"));
        editor::start(app, screen, lines);
    } else {
        thread::spawn(move || read_pipe(&lines));
    }
    let mut speaker = Speaker::new(app, screen, on_terminal, yes);
    let mut failed = false;
    loop {
        let text = tokio::select! {
            text = typed.recv() => text,
            ended = tree.ended() => return ended.map(|()| ExitCode::SUCCESS).map_err(|error| AppError::from(error).into()),
            () = interrupts.next() => None,
        };
        let Some((text, go_on)) = text else { break };
        match speaker.take(&mut tree, &mut interrupts, &text).await {
            Ok(Next::Ask) => {}
            Ok(Next::Leave) => break,
            Err(error) => {
                eprintln!("{error}");
                failed = true;
            }
        }
        // The reader ends with the console.
        let _ = go_on.send(());
    }
    screen.clear();
    leave(app, tree, screen, &mut interrupts).await?;
    Ok(if failed && !on_terminal { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A campaign that this console drives is halted and followed to its end.
async fn leave(app: &App, mut tree: Tree, screen: &Screen, interrupts: &mut Interrupts) -> Result<(), CliError> {
    if let Ok(Some(campaign)) = app.world.log.live_campaign().await
        && campaign.node == tree.node()
    {
        println!("halting: {} orgs in flight go on to their end; Ctrl-C stops at once", campaign.in_flight());
        let halting = app.world.log.steer(Steer::Halt, Some("the console was left")).await.unwrap_or(campaign);
        let total = halting.claimed;
        follow(app, &mut tree, screen, interrupts, halting, total).await?;
    }
    tree.stop().await.map_err(AppError::from)?;
    Ok(())
}

/// Line by line; an Erlang expression goes on until its final dot. What is left at the end is handed over as it is.
fn read_pipe(lines: &mpsc::Sender<Typed>) {
    let mut text = String::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
        if is_whole(&text) && !hand_over(lines, std::mem::take(&mut text)) {
            return;
        }
    }
    if !text.is_empty() {
        hand_over(lines, text);
    }
}

/// Whether there is nothing to wait for.
fn is_whole(text: &str) -> bool {
    !erlang::is_erlang(text) || erlang::is_complete(text)
}

/// Gives a text to the console and waits until it has been carried out; false when the console is gone.
fn hand_over(lines: &mpsc::Sender<Typed>, text: String) -> bool {
    let (go_on, carried_out) = oneshot::channel();
    lines.blocking_send((text, go_on)).is_ok() && carried_out.blocking_recv().is_ok()
}
