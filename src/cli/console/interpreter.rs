//! Parses input, carries out its commands, and prints answers in the language of the input.

use crate::cli::ask::carry_out_confirmed;
use crate::cli::error::CliError;
use crate::cli::exec::print;
use crate::cli::follow::{Watched, follow, watch};
use crate::cli::host::{CommandHost, CommandOutcome, CommandResult, Issuer};
use crate::cli::interrupts::Interrupts;
use crate::cli::keys::Keys;
use crate::cli::screen::Screen;
use crate::command::erlang::{self, Environment, Meaning, Reply};
use crate::command::{self, Command};
use crate::operations::{Answer, CampaignStatus, Interface};

/// Whether the console continues.
pub(super) enum Next {
    Ask,
    Leave,
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
            self.follow_to_end(interrupts, campaign, total).await?;
            return Ok(Next::Ask);
        }
        let Some(result) = self.carry_out(interrupts, &command).await? else { return Ok(Next::Ask) };
        print(&result.answer, false);
        if let Some((campaign, total)) = result.campaign {
            self.follow_to_end(interrupts, campaign, total).await?;
        }
        Ok(Next::Ask)
    }

    /// All expressions of a text, until one fails.
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
            for command in commands {
                if command == Command::Quit {
                    return Ok(Next::Leave);
                }
                match self.carry_out(interrupts, &command).await {
                    Ok(Some(result)) => {
                        answer = result.answer;
                        if let Some((campaign, total)) = result.campaign {
                            // The call returns at once; the live view shows the rest.
                            reply.term(&answer.json).inspect(|term| println!("{term}"));
                            is_shown = true;
                            self.follow_to_end(interrupts, campaign, total).await?;
                        }
                    }
                    // It waits for approval, and so do the commands after it.
                    Ok(None) => return Ok(Next::Ask),
                    Err(error) if reply == Reply::OkAlsoIdle && error.is_idle() => {}
                    Err(error) if error.is_busy() => {
                        println!("{}", Reply::busy());
                        return Ok(Next::Ask);
                    }
                    Err(error) => return Err(error),
                }
            }
            let term = reply.term(&answer.json);
            match &term {
                Some(_) if is_shown => {}
                Some(term) => println!("{term}"),
                None => println!("{}", answer.text),
            }
            if let Some(term) = term {
                self.environment.bind(&form, term)?;
            }
        }
        Ok(Next::Ask)
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

    /// Follows a campaign to its end. On a terminal the user can detach.
    async fn follow_to_end(
        &mut self,
        interrupts: &mut Interrupts,
        campaign: CampaignStatus,
        total: u64,
    ) -> Result<(), CliError> {
        let (host, screen) = (&mut *self.host, self.screen);
        let watched = match self.on_terminal {
            true => screen.without_prompt(watch(host, screen, interrupts, Keys::listen(), campaign, total)).await?,
            false => Watched::Ended(follow(host, screen, interrupts, campaign, total).await?),
        };
        match watched {
            Watched::Ended(ended) => {
                println!(
                    "campaign {} ended: {} {}, {} failed",
                    ended.id,
                    ended.migrated,
                    ended.aim.done(),
                    ended.failed
                );
            }
            Watched::Left => println!("it goes on in the background; status --watch brings it back"),
        }
        Ok(())
    }
}
