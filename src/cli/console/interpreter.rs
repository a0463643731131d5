//! Parses input, carries out its commands, and prints answers in the language of the input.

use std::time::Duration;

use mover_actors::domain::campaign::Phase;

use crate::cli::ask::carry_out_confirmed;
use crate::cli::error::CliError;
use crate::cli::exec::print;
use crate::cli::follow::{OnCtrlC, Watched, follow, watch};
use crate::cli::host::{CommandHost, CommandOutcome, CommandResult, Issuer};
use crate::cli::interrupts::Interrupts;
use crate::cli::keys::Keys;
use crate::cli::screen::Screen;
use crate::command::erlang::{self, Environment, Meaning, Reply};
use crate::command::{self, Command};
use crate::operations::{Answer, CampaignStatus, Interface};

use super::pager;

/// How often the status is read until no campaign is live.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Whether the console continues.
pub(super) enum Next {
    Ask,
    /// It does, but something was not done, or is not as it should be.
    Trouble,
    Leave,
}

/// Whether all was done.
fn next(is_well: bool) -> Next {
    if is_well { Next::Ask } else { Next::Trouble }
}

/// Interprets input, and remembers bound variables.
pub(super) struct Interpreter<'a> {
    host: &'a mut dyn CommandHost,
    screen: &'a Screen,
    on_terminal: bool,
    yes: bool,
    environment: Environment,
}

impl<'a> Interpreter<'a> {
    pub(super) fn new(host: &'a mut dyn CommandHost, screen: &'a Screen, on_terminal: bool, yes: bool) -> Self {
        let environment = host.sleep_time_ms().map_or_else(Environment::default, Environment::with_sleep_time);
        Self { host, screen, on_terminal, yes, environment }
    }

    /// Waits for an unexpected end.
    pub(super) async fn ended(&mut self) -> Result<(), CliError> {
        self.host.ended().await
    }

    /// Carries out a text and prints the result.
    pub(super) async fn take(&mut self, interrupts: &mut Interrupts, text: &str) -> Result<Next, CliError> {
        if erlang::is_erlang(text) {
            return self.take_erlang(interrupts, text).await;
        }
        let Some(command) = command::parse(text)? else { return Ok(Next::Ask) };
        if command == Command::Quit {
            return Ok(Next::Leave);
        }
        if matches!(command, Command::Status { watch: true, .. })
            && self.on_terminal
            && let Some((campaign, total)) = self.host.live().await?
        {
            return self.follow_to_end(interrupts, OnCtrlC::Leaves, campaign, total).await.map(next);
        }
        let Some(result) = self.carry_out(interrupts, &command).await? else { return Ok(Next::Ask) };
        self.show(&result.answer.text).await?;
        match result.campaign {
            Some((campaign, total)) => self.follow_to_end(interrupts, OnCtrlC::Halts, campaign, total).await.map(next),
            None => Ok(next(!result.answer.verdict.stops())),
        }
    }

    /// All expressions of a text, until one fails, or is not done to its end.
    async fn take_erlang(&mut self, interrupts: &mut Interrupts, text: &str) -> Result<Next, CliError> {
        for form in erlang::read(text)? {
            let (commands, reply) = match self.environment.meaning(&form)? {
                Meaning::Value(term) => {
                    println!("{term}");
                    continue;
                }
                Meaning::Commands(commands, reply) => (commands, reply),
            };
            let (mut answer, mut is_shown) = (Answer::new("", serde_json::Value::Null), false);
            let mut is_well = true;
            for command in commands {
                if command == Command::Quit {
                    return Ok(Next::Leave);
                }
                if reply == Reply::Waits {
                    answer = self.ready(interrupts).await?;
                    continue;
                }
                match self.carry_out(interrupts, &command).await {
                    Ok(Some(result)) => {
                        answer = result.answer;
                        is_well &= !answer.verdict.stops();
                        if let Some((campaign, total)) = result.campaign {
                            // The call returns at once; the live view shows the rest.
                            reply.term(&answer.json).inspect(|term| println!("{term}"));
                            is_shown = true;
                            is_well &= self.follow_to_end(interrupts, OnCtrlC::Halts, campaign, total).await?;
                        }
                        if !is_well {
                            break;
                        }
                    }
                    // It waits for approval, and so do the commands after it.
                    Ok(None) => return Ok(Next::Ask),
                    Err(error) if error.is_idle() => match reply.idle() {
                        Some(term) if term.is_error() => {
                            println!("{term}");
                            return Ok(Next::Trouble);
                        }
                        Some(_) => {}
                        None => return Err(error),
                    },
                    Err(error) if error.is_busy() => {
                        println!("{}", Reply::busy());
                        return Ok(Next::Trouble);
                    }
                    Err(error) => return Err(error),
                }
            }
            let term = reply.term(&answer.json);
            match &term {
                Some(_) if is_shown => {}
                Some(term) => println!("{term}"),
                None => self.show(&answer.text).await?,
            }
            if let Some(term) = term {
                is_well &= !term.is_error();
                self.environment.bind(&form, term)?;
            }
            if !is_well {
                return Ok(Next::Trouble);
            }
        }
        Ok(Next::Ask)
    }

    async fn show(&self, text: &str) -> Result<(), CliError> {
        match self.on_terminal {
            true => Ok(pager::print(text).await?),
            false => {
                print(&Answer::new(text, serde_json::Value::Null), false);
                Ok(())
            }
        }
    }

    /// The status, once no campaign is live.
    async fn ready(&mut self, interrupts: &mut Interrupts) -> Result<Answer, CliError> {
        loop {
            let answer = self.host.status(None).await?;
            let phase = answer.json["campaign"]["phase"].as_str();
            if phase.is_none_or(|phase| phase == Phase::Ended.as_str()) {
                return Ok(answer);
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = interrupts.next() => return Err(CliError::Interrupted),
            }
        }
    }

    /// `None`: the command waits for approval. A script waits with it.
    async fn carry_out(
        &mut self,
        interrupts: &mut Interrupts,
        command: &Command,
    ) -> Result<Option<CommandResult>, CliError> {
        match carry_out_confirmed(self.host, command, self.yes, Issuer::At(Interface::Console), interrupts).await? {
            CommandOutcome::NeedsApproval(waiting) => {
                eprintln!("{}", waiting.how);
                match self.on_terminal {
                    true => Ok(None),
                    false => self.host.decided(waiting, interrupts).await.map(Some),
                }
            }
            CommandOutcome::Done(result) => Ok(Some(result)),
            CommandOutcome::NeedsConfirmation(_) => Err(CliError::NotConfirmed),
        }
    }

    /// Follows a campaign to its end, and returns whether all of it was done. On a terminal the user can detach.
    async fn follow_to_end(
        &mut self,
        interrupts: &mut Interrupts,
        on_ctrl_c: OnCtrlC,
        campaign: CampaignStatus,
        total: u64,
    ) -> Result<bool, CliError> {
        let (host, screen) = (&mut *self.host, self.screen);
        let watched = match self.on_terminal {
            true => {
                screen
                    .without_prompt(watch(host, screen, interrupts, Keys::listen(), on_ctrl_c, campaign, total))
                    .await?
            }
            false => Watched::Ended(follow(host, screen, interrupts, campaign, total).await?),
        };
        match watched {
            Watched::Ended(ended) => {
                let reason = ended.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
                let (id, migrated, done, failed) = (ended.id, ended.migrated, ended.aim.done(), ended.failed);
                println!("campaign {id} ended: {migrated} {done}, {failed} failed{reason}");
                Ok(ended.is_done())
            }
            Watched::Left => {
                println!("it goes on in the background; status --watch brings it back");
                Ok(true)
            }
        }
    }
}
