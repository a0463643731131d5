//! A campaign, watched until it ends.

use std::time::Duration;

use mover_actors::domain::campaign::{Campaign, Phase, Steer};
use mover_actors::otp::{Board, TreeNode};
use mover_actors::ports::MoveLog;
use mover_actors::tree::Tree;
use mover_actors::tree::darklaunch::FlagsHealth;

use crate::app::{App, AppError};
use crate::command::Command;
use crate::operations::{Door, Running, carry_out};

use super::error::CliError;
use super::interrupts::Interrupts;
use super::keys::Keys;
use super::progress::View;
use super::screen::Screen;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long writers waited is asked for once in so many looks.
const WAITS_EVERY: u32 = 10;

/// The exit code of a process that was told to stop at once, as shells have it for Ctrl-C.
const STOPPED_AT_ONCE: i32 = 130;

/// Where the supervisor of the workers hangs in the tree.
const WORKERS: &str = "root/workers";

/// How watching came to an end.
pub(super) enum Watched {
    /// The campaign has ended, and no org is in flight here.
    Ended(Campaign),
    /// It goes on in the background.
    Left,
}

/// Shows a campaign until it has ended and no org is in flight here. The first Ctrl-C halts it, the second ends the
/// process: the orgs in flight are taken over by the next one.
pub(super) async fn follow(
    app: &App,
    tree: &mut Tree,
    screen: &Screen,
    interrupts: &mut Interrupts,
    campaign: Campaign,
    total: u64,
) -> Result<Campaign, CliError> {
    match watch(app, tree, screen, interrupts, None, campaign.clone(), total).await? {
        Watched::Ended(ended) => Ok(ended),
        // Without keys nobody leaves.
        Watched::Left => Ok(campaign),
    }
}

/// The same, with keys that steer it or leave it to itself.
pub(super) async fn watch(
    app: &App,
    tree: &mut Tree,
    screen: &Screen,
    interrupts: &mut Interrupts,
    mut keys: Option<Keys>,
    mut campaign: Campaign,
    total: u64,
) -> Result<Watched, CliError> {
    let log = &app.world.log;
    let mut view = View::open(screen, &campaign, total, keys.is_some());
    let (mut halting, mut looks) = (false, 0_u32);
    loop {
        if looks % WAITS_EVERY == 0
            && let Ok(waits) = log.closed_times(&campaign.migration, Some(campaign.id)).await
        {
            view.waits(waits);
        }
        looks += 1;
        let waiting = match tree.flags_health() {
            FlagsHealth::Down(cause) => Some(cause),
            FlagsHealth::Up => None,
        };
        view.show(&campaign, waiting.as_deref(), &busy(tree.board()));
        if campaign.phase == Phase::Ended && log.held(tree.node(), 1).await.is_ok_and(|held| held.is_empty()) {
            return Ok(Watched::Ended(campaign));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            ended = tree.ended() => ended.map_err(AppError::from)?,
            () = interrupts.next() => {
                if halting {
                    drop(view);
                    drop(keys);
                    eprintln!("stopped at once; orgs in flight are taken over by the next: mover exec resume");
                    std::process::exit(STOPPED_AT_ONCE);
                }
                halting = true;
                tracing::warn!("halting: orgs in flight go on to their end; Ctrl-C again stops at once");
                if let Err(error) = log.steer(Steer::Halt, Some("Ctrl-C")).await {
                    tracing::warn!(%error, "the campaign could not be halted");
                }
            }
            key = next(&mut keys) => {
                if key == b'b' || key == b'q' {
                    return Ok(Watched::Left);
                }
                if let Some(change) = meant(key, &campaign) {
                    steer(app, tree, change).await;
                }
            }
        }
        match log.campaign(campaign.id).await {
            Ok(now) => campaign = now,
            // The tree waits for the move log too, and says so.
            Err(error) => view.show(&campaign, Some(&error.to_string()), &[]),
        }
    }
}

async fn next(keys: &mut Option<Keys>) -> u8 {
    match keys {
        Some(keys) => match keys.next().await {
            Some(key) => key,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

fn meant(key: u8, campaign: &Campaign) -> Option<Steer> {
    let workers = campaign.tuning.concurrency;
    match (key, campaign.phase) {
        (_, Phase::Ended | Phase::Halting) => None,
        (b'p', Phase::Running) => Some(Steer::Pause),
        (b'p', Phase::Paused) => Some(Steer::Resume),
        (b'+', _) => Some(Steer::Concurrency(workers.saturating_add(1))),
        (b'-', _) if workers > 1 => Some(Steer::Concurrency(workers - 1)),
        _ => None,
    }
}

/// As if it had been typed.
async fn steer(app: &App, tree: &Tree, change: Steer) {
    let command = Command::Steer(change);
    if let Err(error) = carry_out(&app.world, Some(&Running::from(tree)), Door::Console, &command).await {
        tracing::warn!(%error, "the campaign could not be steered");
    }
}

/// What each worker that does something is doing.
fn busy(board: &Board) -> Vec<String> {
    let mut busy = Vec::new();
    let workers = board.tree().and_then(|root| root.children.into_iter().find(|child| child.path == WORKERS));
    let mut left: Vec<TreeNode> = workers.into_iter().collect();
    while let Some(node) = left.pop() {
        // The desk tells how many are busy; the workers have no children, and a note only while they work.
        if node.children.is_empty() && node.id.starts_with("worker") && !node.note.is_empty() {
            busy.push(node.note);
        }
        left.extend(node.children);
    }
    busy.sort();
    busy
}
