//! What was typed -> commands -> answers, in the language in which it was said.

use mover_actors::domain::campaign::Campaign;
use mover_actors::ports::{LogError, MoveLog};
use mover_actors::tree::Tree;

use crate::app::App;
use crate::cli::ask::is_meant;
use crate::cli::error::CliError;
use crate::cli::exec::print;
use crate::cli::follow::{Watched, follow, watch};
use crate::cli::interrupts::Interrupts;
use crate::cli::keys::Keys;
use crate::cli::screen::Screen;
use crate::command::erlang::{self, Environment, Meaning, Reply};
use crate::command::{self, Command};
use crate::operations::{Answer, Door, OperationError, Outcome, Running, campaign_total, carry_out};

/// Whether the console goes on.
pub(super) enum Next {
    Ask,
    Leave,
}

/// Takes what is typed, and remembers what was bound.
pub(super) struct Speaker<'a> {
    app: &'a App,
    screen: &'a Screen,
    on_terminal: bool,
    yes: bool,
    environment: Environment,
}

impl<'a> Speaker<'a> {
    pub(super) fn new(app: &'a App, screen: &'a Screen, on_terminal: bool, yes: bool) -> Self {
        let environment = Environment::with_sleep_time(app.world.campaign.tuning.sleep_time_ms);
        Self { app, screen, on_terminal, yes, environment }
    }

    /// Carries out a text and prints what it came to.
    pub(super) async fn take(
        &mut self,
        tree: &mut Tree,
        interrupts: &mut Interrupts,
        text: &str,
    ) -> Result<Next, CliError> {
        if erlang::is_erlang(text) {
            return self.take_erlang(tree, interrupts, text).await;
        }
        let Some(command) = command::parse(text)? else { return Ok(Next::Ask) };
        if command == Command::Quit {
            return Ok(Next::Leave);
        }
        if matches!(command, Command::Status { watch: true, .. }) && self.on_terminal {
            return self.watch_again(tree, interrupts, &command).await;
        }
        let outcome = self.carry_out(tree, interrupts, &command).await?;
        print(&outcome.answer(), false);
        if let Outcome::Campaign(campaign, total) = outcome {
            self.see_to_its_end(tree, interrupts, campaign, total).await?;
        }
        Ok(Next::Ask)
    }

    /// All expressions of a text, until one goes wrong.
    async fn take_erlang(
        &mut self,
        tree: &mut Tree,
        interrupts: &mut Interrupts,
        text: &str,
    ) -> Result<Next, CliError> {
        for form in erlang::read(text)? {
            let (commands, reply) = match self.environment.meaning(&form)? {
                Meaning::Value(term) => {
                    println!("{term}");
                    continue;
                }
                Meaning::Commands(commands, reply) => (commands, reply),
            };
            let (mut told, mut is_told) = (Answer::new("", serde_json::Value::Null), false);
            for command in commands {
                if command == Command::Quit {
                    return Ok(Next::Leave);
                }
                match self.carry_out(tree, interrupts, &command).await {
                    Ok(outcome) => {
                        told = outcome.answer();
                        if let Outcome::Campaign(campaign, total) = outcome {
                            // The call answers at once; what follows is told by the view.
                            reply.term(&told.json).inspect(|term| println!("{term}"));
                            is_told = true;
                            self.see_to_its_end(tree, interrupts, campaign, total).await?;
                        }
                    }
                    Err(CliError::Operation(error)) if reply == Reply::OkAlsoIdle && error.is_idle() => {}
                    Err(CliError::Operation(OperationError::Log(LogError::Busy { .. }))) => {
                        println!("{}", Reply::busy());
                        return Ok(Next::Ask);
                    }
                    Err(error) => return Err(error),
                }
            }
            let term = reply.term(&told.json);
            match &term {
                Some(_) if is_told => {}
                Some(term) => println!("{term}"),
                None => println!("{}", told.text),
            }
            if let Some(term) = term {
                self.environment.bind(&form, term)?;
            }
        }
        Ok(Next::Ask)
    }

    async fn carry_out(
        &self,
        tree: &Tree,
        interrupts: &mut Interrupts,
        command: &Command,
    ) -> Result<Outcome, CliError> {
        is_meant(&self.app.world, command, self.yes, interrupts).await?;
        Ok(carry_out(&self.app.world, Some(&Running::from(tree)), Door::Console, command).await?)
    }

    /// On a terminal it can be left to itself.
    async fn see_to_its_end(
        &self,
        tree: &mut Tree,
        interrupts: &mut Interrupts,
        campaign: Campaign,
        total: u64,
    ) -> Result<(), CliError> {
        let (app, screen) = (self.app, self.screen);
        let watched = match self.on_terminal {
            true => {
                screen.without_prompt(watch(app, tree, screen, interrupts, Keys::listen(), campaign, total)).await?
            }
            false => Watched::Ended(follow(app, tree, screen, interrupts, campaign, total).await?),
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

    async fn watch_again(
        &self,
        tree: &mut Tree,
        interrupts: &mut Interrupts,
        command: &Command,
    ) -> Result<Next, CliError> {
        let live = self.app.world.log.live_campaign().await?;
        match live.filter(|campaign| campaign.node == tree.node()) {
            Some(campaign) => {
                let total = campaign_total(&self.app.world, &campaign).await?;
                self.see_to_its_end(tree, interrupts, campaign, total).await?;
            }
            None => print(&self.carry_out(tree, interrupts, command).await?.answer(), false),
        }
        Ok(Next::Ask)
    }
}
