//! All other commands: the process itself, and help.

use crate::command::Command;
use crate::command::args::Args;
use crate::command::error::Fault;
use crate::command::spec::{Spec, next_words, specs};
use crate::nearest::did_you_mean;

pub(super) const SPECS: &[Spec] = &[
    Spec {
        words: &["tree"],
        syntax: "tree",
        summary: "show the supervision tree: who runs, since when, restarts, org and step",
        details: "",
        examples: &["tree"],
        options: &[],
        parse: |_| Ok(Command::Tree),
    },
    Spec {
        words: &["nodes"],
        syntax: "nodes",
        summary: "show the running Mover processes",
        details: "",
        examples: &["nodes"],
        options: &[],
        parse: |_| Ok(Command::Nodes),
    },
    Spec {
        words: &["check"],
        syntax: "check",
        summary: "check connections, rights, definitions and schemas before anything runs",
        details: "Changes nothing.",
        examples: &["check"],
        options: &[],
        parse: |_| Ok(Command::Check),
    },
    Spec {
        words: &["health"],
        syntax: "health",
        summary: "show whether all is well: ok, warning or critical, and why",
        details: "",
        examples: &["health"],
        options: &[],
        parse: |_| Ok(Command::Health),
    },
    Spec {
        words: &["history"],
        syntax: "history [limit=N]",
        summary: "show what was commanded, by whom, when, and what came of it",
        details: "From every interface: console, exec and runbooks. 20 commands, unless limit says more.",
        examples: &["history", "history limit=100"],
        options: &["limit"],
        parse: |args| {
            let limit = args.number_option("limit", 1..=10_000)?;
            Ok(Command::History { limit: limit.map(|limit| limit as u32) })
        },
    },
    Spec {
        words: &["approve"],
        syntax: "approve NUMBER",
        summary: "agree that a command is carried out that waits for a second person",
        details: "The user who gave it cannot approve it. history has the numbers.",
        examples: &["approve 17"],
        options: &[],
        parse: |args| Ok(Command::Approve { command: number_of_command(args)? }),
    },
    Spec {
        words: &["refuse"],
        syntax: "refuse NUMBER",
        summary: "see to it that a command that waits is not carried out",
        details: "The user who gave it can withdraw it this way, too.",
        examples: &["refuse 17"],
        options: &[],
        parse: |args| Ok(Command::Refuse { command: number_of_command(args)? }),
    },
    Spec {
        words: &["help"],
        syntax: "help [COMMAND]",
        summary: "show all commands, or explain one",
        details: "",
        examples: &["help", "help orgs", "help orgs ready"],
        options: &[],
        parse: help,
    },
    Spec {
        words: &["quit"],
        syntax: "quit",
        summary: "leave the console",
        details: "A campaign that this console runs drains first: orgs in flight go on to their end.",
        examples: &["quit"],
        options: &[],
        parse: |_| Ok(Command::Quit),
    },
];

fn number_of_command(args: &mut Args) -> Result<i64, Fault> {
    let number = args.number("the number of a command", 1..=i64::MAX.cast_unsigned())?;
    Ok(number.cast_signed())
}

/// The topic is the first words of a command, e.g. `orgs` or `orgs ready`.
fn help(args: &mut Args) -> Result<Command, Fault> {
    let mut candidates: Vec<_> = specs().collect();
    let mut topic = Vec::new();
    while args.has_more() {
        let item = args.item("a command")?;
        let known = next_words(&candidates, topic.len());
        candidates.retain(|spec| spec.words.get(topic.len()) == Some(&item.text.as_str()));
        if candidates.is_empty() {
            let suggestion = did_you_mean(&item.text, known);
            return Err(Fault::new(item.span, format!("there is no such command{suggestion}")));
        }
        topic.push(item.text);
    }
    Ok(Command::Help { topic: (!topic.is_empty()).then(|| topic.join(" ")) })
}
