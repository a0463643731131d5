//! A campaign, watched until it ends.

use std::time::Duration;

use mover_actors::domain::campaign::{Phase, Steer};

use crate::command::Command;
use crate::operations::{CampaignStatus, Door};

use super::error::CliError;
use super::helm::{Consent, Giver, Helm, Unwatched};
use super::interrupts::Interrupts;
use super::keys::Keys;
use super::progress::View;
use super::screen::Screen;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long writers waited, and how much is left, is asked for once in so many looks.
const STANDING_EVERY: u32 = 10;

/// The exit code of a process that was told to stop at once, as shells have it for Ctrl-C.
const STOPPED_AT_ONCE: i32 = 130;

/// How watching came to an end.
pub(super) enum Watched {
    /// The campaign has ended, and no org is in flight.
    Ended(CampaignStatus),
    /// It goes on in the background.
    Left,
}

/// Shows a campaign until it has ended and no org is in flight. The first Ctrl-C halts it. The second ends the process whose tree drives
/// it, and the orgs in flight are taken over by the next one; a campaign elsewhere is left to itself.
pub(super) async fn follow(
    helm: &mut dyn Helm,
    screen: &Screen,
    interrupts: &mut Interrupts,
    campaign: CampaignStatus,
    total: u64,
) -> Result<CampaignStatus, CliError> {
    match watch(helm, screen, interrupts, None, campaign.clone(), total).await? {
        Watched::Ended(ended) => Ok(ended),
        // Without keys nobody leaves.
        Watched::Left => Ok(campaign),
    }
}

/// The same, with keys that steer it or leave it to itself.
pub(super) async fn watch(
    helm: &mut dyn Helm,
    screen: &Screen,
    interrupts: &mut Interrupts,
    mut keys: Option<Keys>,
    mut campaign: CampaignStatus,
    total: u64,
) -> Result<Watched, CliError> {
    let mut view = View::open(screen, &campaign, total, keys.is_some());
    let (mut halting, mut is_lost, mut looks) = (Halting::No, false, 0_u32);
    view.show(&campaign, None, &[]);
    loop {
        match helm.look(campaign.id).await {
            Ok(look) => {
                if std::mem::take(&mut is_lost) {
                    tracing::warn!("Mover answers again");
                }
                campaign = look.campaign;
                view.show(&campaign, look.waiting.as_deref(), &look.workers);
                if look.is_over {
                    return Ok(Watched::Ended(campaign));
                }
                if halting == Halting::Wanted {
                    halting = halt(helm).await?;
                }
                if looks % STANDING_EVERY == 0 {
                    view.stands(helm.standing(&campaign).await);
                }
                looks = looks.wrapping_add(1);
            }
            // Whoever drives it waits for the move log too, and says so.
            Err(error) if error.is_passing() => {
                if error.is_lost() && !std::mem::replace(&mut is_lost, true) {
                    tracing::warn!("{error}; what was begun there goes on, and it is asked again until it answers");
                }
                view.show(&campaign, Some(&error.to_string()), &[]);
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            ended = helm.ended() => ended?,
            () = interrupts.next() => {
                if halting != Halting::No {
                    drop(view);
                    drop(keys);
                    return Err(stopped(helm.unwatched(), halting));
                }
                tracing::warn!("halting: orgs in flight go on to their end; Ctrl-C again {}", match helm.unwatched() {
                    Unwatched::Ends => "stops at once",
                    Unwatched::GoesOn(_) => "leaves it to itself",
                });
                halting = halt(helm).await?;
            }
            key = next(&mut keys) => {
                if key == b'b' || key == b'q' {
                    return Ok(Watched::Left);
                }
                if let Some(change) = meant(key, &campaign) {
                    steer(helm, interrupts, change).await;
                }
            }
        }
    }
}

/// Whether somebody has pressed Ctrl-C, and whether the campaign knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halting {
    No,
    /// It could not be told yet.
    Wanted,
    Told,
    /// It has ended by itself, or we may not halt it.
    Refused,
}

/// Halting once more does no harm, so it is tried until it is heard.
async fn halt(helm: &mut dyn Helm) -> Result<Halting, CliError> {
    match helm.halt("Ctrl-C").await {
        Ok(()) => Ok(Halting::Told),
        Err(error) if error.is_lost() => {
            tracing::warn!("the campaign could not be halted yet: {error}");
            Ok(Halting::Wanted)
        }
        // It has ended by itself, or nobody may halt it; the next look tells.
        Err(error) => {
            tracing::warn!(%error, "the campaign could not be halted");
            Ok(Halting::Refused)
        }
    }
}

/// The second Ctrl-C.
fn stopped(unwatched: Unwatched, halting: Halting) -> CliError {
    match unwatched {
        Unwatched::Ends => {
            eprintln!("stopped at once; orgs in flight are taken over by the next: mover exec resume");
            std::process::exit(STOPPED_AT_ONCE)
        }
        Unwatched::GoesOn(place) => CliError::Left {
            place,
            what: if halting == Halting::Told { "halts" } else { "was not reached, and goes on" },
        },
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

fn meant(key: u8, campaign: &CampaignStatus) -> Option<Steer> {
    let workers = campaign.concurrency;
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
async fn steer(helm: &mut dyn Helm, interrupts: &mut Interrupts, change: Steer) {
    let command = Command::Steer(change);
    if let Err(error) = helm.carry_out(&command, Consent::Beforehand, Giver::At(Door::Console), interrupts).await {
        tracing::warn!(%error, "the campaign could not be steered");
    }
}
