//! `mover console`: the command language with history and help. From a pipe it takes a line at a time and follows
//! each campaign to its end, so that a script can be fed to it.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use mover_actors::domain::campaign::Steer;
use mover_actors::ports::MoveLog;
use mover_actors::tree::Tree;
use reedline::{DefaultPrompt, DefaultPromptSegment, ExternalPrinter, FileBackedHistory, Reedline, Signal};
use tokio::sync::{mpsc, oneshot};

use crate::app::{App, AppError, PRIVATE_DIR};
use crate::command::{self, Command};
use crate::operations::{Needs, Outcome, Running, carry_out};

use super::error::CliError;
use super::exec::{follow, print};
use super::interrupts::Interrupts;
use super::screen::Screen;

const HISTORY_LINES: usize = 10_000;
const PRINTER_LINES: usize = 10_000;

/// A line that was typed, and whom to tell that the next may be asked for.
type Typed = (String, oneshot::Sender<()>);

/// Runs until `quit`, Ctrl-D or the end of the input.
pub(super) async fn console(app: &App, screen: &Screen) -> Result<ExitCode, CliError> {
    let mut interrupts = Interrupts::listen()?;
    let Some(mut tree) = app.start(Needs::Tree).await? else { return Ok(ExitCode::SUCCESS) };
    let on_terminal = std::io::stdin().is_terminal();
    let mut lines = read_lines(screen, on_terminal);
    if on_terminal {
        println!("Mover {}. help lists the commands, Ctrl-D leaves.", env!("CARGO_PKG_VERSION"));
    }
    let mut failed = false;
    loop {
        let typed = tokio::select! {
            typed = lines.recv() => typed,
            ended = tree.ended() => return ended.map(|()| ExitCode::SUCCESS).map_err(|error| AppError::from(error).into()),
            () = interrupts.next() => None,
        };
        let Some((line, go_on)) = typed else { break };
        match take(app, &mut tree, screen, &mut interrupts, &line, on_terminal).await {
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

enum Next {
    Ask,
    Leave,
}

async fn take(
    app: &App,
    tree: &mut Tree,
    screen: &Screen,
    interrupts: &mut Interrupts,
    line: &str,
    on_terminal: bool,
) -> Result<Next, CliError> {
    let Some(command) = command::parse(line)? else { return Ok(Next::Ask) };
    if command == Command::Quit {
        return Ok(Next::Leave);
    }
    let running = Running::from(&*tree);
    let outcome = carry_out(&app.world, Some(&running), &command).await?;
    print(&outcome.answer(), false);
    if let (Outcome::Campaign(campaign, total), false) = (outcome, on_terminal) {
        let ended = follow(app, tree, screen, interrupts, campaign, total).await?;
        println!("campaign {} ended: {} {}, {} failed", ended.id, ended.migrated, ended.aim.done(), ended.failed);
    }
    Ok(Next::Ask)
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

/// Lines arrive from a thread of their own, because waiting for a key would stall the runtime.
fn read_lines(screen: &Screen, on_terminal: bool) -> mpsc::Receiver<Typed> {
    let (lines, typed) = mpsc::channel(1);
    if on_terminal {
        let printer = ExternalPrinter::new(PRINTER_LINES);
        screen.show_prompt(printer.sender());
        let mut editor = Reedline::create().with_external_printer(printer);
        if let Ok(history) = FileBackedHistory::with_file(HISTORY_LINES, history_file()) {
            editor = editor.with_history(Box::new(history));
        }
        thread::spawn(move || edit(editor, &lines));
    } else {
        thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if !hand_over(&lines, line) {
                    return;
                }
            }
        });
    }
    typed
}

fn edit(mut editor: Reedline, lines: &mpsc::Sender<Typed>) {
    let prompt = DefaultPrompt::new(DefaultPromptSegment::Basic("mover".into()), DefaultPromptSegment::Empty);
    loop {
        match editor.read_line(&prompt) {
            Ok(Signal::Success(line)) => {
                if !hand_over(lines, line) {
                    return;
                }
            }
            // Ctrl-C takes the line back, as shells do.
            Ok(Signal::CtrlC) => {}
            // The end of the input, or of the terminal.
            _ => return,
        }
    }
}

/// Gives a line to the console and waits until it has been carried out; false when the console is gone.
fn hand_over(lines: &mpsc::Sender<Typed>, line: String) -> bool {
    let (go_on, carried_out) = oneshot::channel();
    lines.blocking_send((line, go_on)).is_ok() && carried_out.blocking_recv().is_ok()
}

fn history_file() -> PathBuf {
    match std::env::var_os("HOME") {
        Some(home) => PathBuf::from(home).join(".mover_history"),
        None => PathBuf::from(PRIVATE_DIR).join("history"),
    }
}
