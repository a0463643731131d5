//! Follows a campaign until it ends.

use std::time::Duration;

use mover_actors::domain::campaign::{Control, Phase};

use crate::command::Command;
use crate::operations::{CampaignStatus, Interface};

use super::error::CliError;
use super::host::{CommandHost, Consent, Issuer, OnDetach};
use super::interrupts::Interrupts;
use super::keys::Keys;
use super::progress::View;
use super::screen::Screen;
use super::typed;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Block times and the remaining time are read once in so many polls.
const STANDING_EVERY: u32 = 10;

/// The exit code after a second Ctrl-C, by the convention of shells.
const STOPPED_AT_ONCE: i32 = 130;

/// How following a campaign ended.
pub(super) enum Watched {
    /// The campaign has ended, and no org is in flight.
    Ended(CampaignStatus),
    /// It continues in the background.
    Left,
}

/// Shows a campaign until it has ended and no org is in flight. The first Ctrl-C halts it. The second one ends the process
/// whose tree drives it, and the next process takes over the orgs in flight; a campaign of a remote Mover continues.
pub(super) async fn follow(
    host: &mut dyn CommandHost,
    screen: &Screen,
    interrupts: &mut Interrupts,
    campaign: CampaignStatus,
    total: u64,
) -> Result<CampaignStatus, CliError> {
    match watch(host, screen, interrupts, None, OnCtrlC::Halts, campaign.clone(), total).await? {
        Watched::Ended(ended) => Ok(ended),
        // Without keys the user cannot detach.
        Watched::Left => Ok(campaign),
    }
}

/// What the first Ctrl-C does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnCtrlC {
    /// It halts the campaign that this view has begun.
    Halts,
    /// It leaves the view of a campaign that goes on without it.
    Leaves,
}

/// The same, with keys that steer the campaign or detach from it.
pub(super) async fn watch(
    host: &mut dyn CommandHost,
    screen: &Screen,
    interrupts: &mut Interrupts,
    mut keys: Option<Keys>,
    on_ctrl_c: OnCtrlC,
    mut campaign: CampaignStatus,
    total: u64,
) -> Result<Watched, CliError> {
    let mut view = View::open(screen, &campaign, total, keys.is_some().then_some(on_ctrl_c));
    let (mut halting, mut is_lost, mut looks) = (Halting::No, false, 0_u32);
    view.show(&campaign, None, &[]);
    loop {
        match host.look(campaign.id).await {
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
                    halting = halt(host).await?;
                }
                if looks % STANDING_EVERY == 0 {
                    view.stands(host.standing(&campaign).await);
                }
                looks = looks.wrapping_add(1);
            }
            // The node that drives the campaign waits for the move log too, and logs it.
            Err(error) if error.is_transient() => {
                if error.is_lost() && !std::mem::replace(&mut is_lost, true) {
                    tracing::warn!("{error}; what was begun there goes on, and it is asked again until it answers");
                }
                view.show(&campaign, Some(&error.to_string()), &[]);
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            ended = host.ended() => ended?,
            () = interrupts.next() => {
                if on_ctrl_c == OnCtrlC::Leaves {
                    return Ok(Watched::Left);
                }
                if halting != Halting::No {
                    drop(view);
                    drop(keys);
                    return Err(stopped(host.on_detach(), halting));
                }
                tracing::warn!("halting: orgs in flight go on to their end; Ctrl-C again {}", match host.on_detach() {
                    OnDetach::Ends => "stops at once",
                    OnDetach::GoesOn(_) => "leaves it to itself",
                });
                halting = halt(host).await?;
            }
            key = next(&mut keys) => {
                if key == 'b' || key == 'q' {
                    return Ok(Watched::Left);
                }
                if let Some(change) = control_of_key(key, &campaign) {
                    control(host, interrupts, change).await;
                }
            }
        }
    }
}

/// Whether Ctrl-C was pressed, and whether the campaign was halted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halting {
    No,
    /// The halt is not delivered yet.
    Wanted,
    Done,
    /// It has ended by itself, or we may not halt it.
    Refused,
}

/// Halting is idempotent, so it is retried until it is delivered.
async fn halt(host: &mut dyn CommandHost) -> Result<Halting, CliError> {
    match host.halt("Ctrl-C").await {
        Ok(()) => Ok(Halting::Done),
        Err(error) if error.is_lost() => {
            tracing::warn!("the campaign could not be halted yet: {error}");
            Ok(Halting::Wanted)
        }
        // It has ended, or must not be halted; the next snapshot shows which.
        Err(error) => {
            tracing::warn!(%error, "the campaign could not be halted");
            Ok(Halting::Refused)
        }
    }
}

/// The second Ctrl-C.
fn stopped(on_detach: OnDetach, halting: Halting) -> CliError {
    match on_detach {
        OnDetach::Ends => {
            eprintln!("stopped at once; orgs in flight are taken over by the next: mover exec resume");
            typed::restore();
            std::process::exit(STOPPED_AT_ONCE)
        }
        OnDetach::GoesOn(place) => CliError::Left {
            place,
            what: if halting == Halting::Done { "halts" } else { "was not reached, and goes on" },
        },
    }
}

async fn next(keys: &mut Option<Keys>) -> char {
    match keys {
        Some(keys) => match keys.next().await {
            Some(key) => key,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

fn control_of_key(key: char, campaign: &CampaignStatus) -> Option<Control> {
    let workers = campaign.concurrency;
    match (key, campaign.phase) {
        (_, Phase::Ended | Phase::Halting) => None,
        ('p', Phase::Running) => Some(Control::Pause),
        ('p', Phase::Paused) => Some(Control::Resume),
        ('+', _) => Some(Control::Concurrency(workers.saturating_add(1))),
        ('-', _) if workers > 1 => Some(Control::Concurrency(workers - 1)),
        _ => None,
    }
}

/// Carries out a key as if its command had been typed.
async fn control(host: &mut dyn CommandHost, interrupts: &mut Interrupts, change: Control) {
    let command = Command::Control(change);
    if let Err(error) = host.carry_out(&command, Consent::Beforehand, Issuer::At(Interface::Console), interrupts).await
    {
        tracing::warn!(%error, "the campaign could not be steered");
    }
}
