//! Orgs: captured from the directory of the source into the move log, and listed.

use crate::command::args::Args;
use crate::command::error::Fault;
use crate::command::selection::{Which, names};
use crate::command::spec::Spec;
use crate::command::{Command, StateKind};

/// More rows than this are of no use to a person.
const LIMIT_MAX: u64 = 1_000_000;

pub(super) const SPECS: &[Spec] = &[
    Spec {
        words: &["orgs", "capture"],
        syntax: "orgs capture MIGRATION",
        summary: "give every org of the source a row in holding",
        details: "Reads the org directory of the source. Orgs that have a row already keep it as it is, so this can be \
                  repeated whenever orgs were created.",
        examples: &["orgs capture phase_2"],
        options: &[],
        parse: |args| Ok(Command::OrgsCapture { migration: args.migration()? }),
    },
    Spec {
        words: &["orgs", "add"],
        syntax: "orgs add NAME,… MIGRATION",
        summary: "give some orgs of the source a row in holding",
        details: "An org that the directory of the source does not know is an error.",
        examples: &["orgs add acme phase_2", "orgs add acme,\"Glob Ex\" phase_2"],
        options: &[],
        parse: add,
    },
    Spec {
        words: &["orgs", "ready"],
        syntax: "orgs ready MIGRATION all | N | N% | NAME,… | @FILE",
        summary: "release orgs in holding, so that a campaign may move them",
        details: "A number or a percentage takes that many, in the order of capture; the percentage is of all orgs of \
                  the migration. A file has one org name on each line. An org that is really called all, 100 or 5% is \
                  written in quotes.",
        examples: &["orgs ready phase_2 all", "orgs ready phase_2 5%", "orgs ready phase_2 @first_wave.txt"],
        options: &[],
        parse: |args| Ok(Command::OrgsReady { migration: args.migration()?, which: Which::take(args, "all")? }),
    },
    Spec {
        words: &["orgs", "force-old"],
        syntax: "orgs force-old MIGRATION",
        summary: "hold orgs in holding and ready ones on the old components, by flags of their own",
        details: "For orgs that were captured before their default changes; migrate NAME_prep does it for those that are not captured. A \
                  flag that an org has already stays as it is.",
        examples: &["orgs force-old phase_2"],
        options: &[],
        parse: |args| Ok(Command::OrgsForceOld { migration: args.migration()? }),
    },
    Spec {
        words: &["orgs", "list"],
        syntax: "orgs list MIGRATION [state=holding|ready|started|migrated|failed|rolled_back|finalized] [limit=N]",
        summary: "list orgs with their state",
        details: "Failed orgs are shown with the reason.",
        examples: &["orgs list phase_2", "orgs list phase_2 state=failed limit=50"],
        options: &["state", "limit"],
        parse: list,
    },
    Spec {
        words: &["org"],
        syntax: "org NAME [MIGRATION]",
        summary: "show one org: state, step, history, flags, sizes",
        details: "Without a migration: in every migration that knows the org.",
        examples: &["org acme", "org \"o'neil & sons\" phase_2"],
        options: &[],
        parse: |args| Ok(Command::Org { org: args.org()?, migration: args.migration_if_any()? }),
    },
];

fn add(args: &mut Args) -> Result<Command, Fault> {
    let orgs = names(&args.next("the names of orgs")?, "all")?;
    Ok(Command::OrgsAdd { orgs, migration: args.migration()? })
}

fn list(args: &mut Args) -> Result<Command, Fault> {
    let migration = args.migration()?;
    let state = args.choice_option("state", &StateKind::ALL)?;
    let limit = args.number_option("limit", 1..=LIMIT_MAX)?;
    Ok(Command::OrgsList { migration, state, limit: limit.map(|limit| limit as u32) })
}
