//! `mover completions` and `mover man`: made from the definitions of the arguments.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;

use super::args::{Cli, ProgramCommand};

/// Prints what the subcommand asks for; `None` if it is another one.
pub(super) fn print(subcommand: &ProgramCommand) -> io::Result<Option<ExitCode>> {
    let written = match subcommand {
        ProgramCommand::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "mover", &mut text);
            io::stdout().write_all(&text)
        }
        ProgramCommand::Man { dir: None } => clap_mangen::Man::new(Cli::command()).render(&mut io::stdout()),
        ProgramCommand::Man { dir: Some(dir) } => clap_mangen::generate_to(Cli::command(), dir),
        _ => return Ok(None),
    };
    match written {
        // A reader that closes the pipe early, such as `head`, is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(Some(ExitCode::SUCCESS)),
    }
}
