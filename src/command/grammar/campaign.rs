//! Campaigns: started, watched and steered, and the handling of failures.

use mover_actors::domain::campaign::Control;
use mover_actors::domain::state::Aim;

use crate::command::args::Args;
use crate::command::error::Fault;
use crate::command::selection::{Which, retried};
use crate::command::spec::Spec;
use crate::command::{Command, MigrateOptions};

const CONCURRENCY_MAX: u64 = 10_000;
/// A day: a longer wait is a mistake.
const WAIT_MAX_MS: u64 = 86_400_000;

pub(super) const SPECS: &[Spec] = &[
    Spec {
        words: &["migrate"],
        syntax: "migrate MIGRATION all | N | N% | NAME,… | @FILE [workers=N] [sleep=MS] [pace=MS] [error_halts=true|false] \
                 [failures_max=N]",
        summary: "start a campaign: move ready orgs",
        details: "workers: how many cohorts of orgs are in flight at once. sleep: wait after the 503 for admitted requests to end. \
                  pace: pause of a worker between two orgs. error_halts: halt at the first failed org. failures_max: \
                  halt when more orgs than this have failed (100). What is not given comes from [campaign] in mover.toml.",
        examples: &[
            "migrate phase_2 acme sleep=0",
            "migrate phase_2 100",
            "migrate phase_2 all workers=16 failures_max=10",
        ],
        options: &["workers", "sleep", "pace", "error_halts", "failures_max"],
        parse: |args| {
            let sleep_time_ms = args.number_option("sleep", 0..=WAIT_MAX_MS)?;
            campaign(args, Aim::Migrate, sleep_time_ms)
        },
    },
    Spec {
        words: &["rollback"],
        syntax: "rollback MIGRATION all | N | N% | NAME,… | @FILE [workers=N] [pace=MS] [error_halts=true|false] \
                 [failures_max=N]",
        summary: "start a campaign: bring migrated orgs back to their source, with every write made since",
        details: "For online migrations, until an org is finalized. Each org is written all the while; its writers wait for a \
                  moment at the switch. What cannot be brought back stays where it is, migrated.",
        examples: &["rollback phase_2 acme", "rollback phase_2 all workers=4"],
        options: &["workers", "pace", "error_halts", "failures_max"],
        parse: |args| campaign(args, Aim::RollBack, None),
    },
    Spec {
        words: &["finalize"],
        syntax: "finalize MIGRATION all | N | N% | NAME,… | @FILE [workers=N] [pace=MS] [error_halts=true|false] \
                 [failures_max=N]",
        summary: "start a campaign: back up and remove the rows of migrated orgs in their source",
        details: "After this there is no rollback. Rows are written to a file in [engine] backup_dir first, which mover restore \
                  can load; then what is written in the target is no longer logged; then the rows in the source are \
                  deleted, a few at a time.",
        examples: &["finalize phase_2 acme", "finalize phase_2 all workers=2 pace=100"],
        options: &["workers", "pace", "error_halts", "failures_max"],
        parse: |args| campaign(args, Aim::Finalize, None),
    },
    Spec {
        words: &["status"],
        syntax: "status [MIGRATION] [--watch]",
        summary: "show how far it is, how fast, and what has failed",
        details: "Asking never disturbs the work. In the console --watch goes back to the live view of the campaign.",
        examples: &["status", "status phase_2", "status --watch"],
        options: &["watch"],
        parse: |args| Ok(Command::Status { watch: args.flag("watch")?, migration: args.migration_if_any()? }),
    },
    Spec {
        words: &["pause"],
        syntax: "pause",
        summary: "claim no more orgs until resume; those in flight go on to their end",
        details: "",
        examples: &["pause"],
        options: &[],
        parse: |_| Ok(Command::Control(Control::Pause)),
    },
    Spec {
        words: &["resume"],
        syntax: "resume",
        summary: "go on after pause",
        details: "",
        examples: &["resume"],
        options: &[],
        parse: |_| Ok(Command::Control(Control::Resume)),
    },
    Spec {
        words: &["halt"],
        syntax: "halt",
        summary: "end the campaign when the orgs in flight have ended",
        details: "Orgs that were not claimed stay ready; migrate goes on with them.",
        examples: &["halt"],
        options: &[],
        parse: |_| Ok(Command::Control(Control::Halt)),
    },
    Spec {
        words: &["set", "concurrency"],
        syntax: "set concurrency N",
        summary: "change how many cohorts of orgs are in flight at once",
        details: "Takes effect at once. Lowered: orgs in flight go on to their end, and no more are claimed until there \
                  are fewer.",
        examples: &["set concurrency 12"],
        options: &[],
        parse: |args| {
            let number = args.number("the concurrency", 1..=CONCURRENCY_MAX)?;
            Ok(Command::Control(Control::Concurrency(number as u32)))
        },
    },
    Spec {
        words: &["set", "sleep_time"],
        syntax: "set sleep_time MS",
        summary: "change the wait after the 503 for admitted requests to end",
        details: "Takes effect at once, also for orgs that are waiting now.",
        examples: &["set sleep_time 5000", "set sleep_time 0"],
        options: &[],
        parse: |args| {
            Ok(Command::Control(Control::SleepTimeMs(args.number("the wait in milliseconds", 0..=WAIT_MAX_MS)?)))
        },
    },
    Spec {
        words: &["set", "pace"],
        syntax: "set pace MS",
        summary: "change the pause of a worker between two orgs",
        details: "",
        examples: &["set pace 250"],
        options: &[],
        parse: |args| Ok(Command::Control(Control::PaceMs(args.number("the pause in milliseconds", 0..=WAIT_MAX_MS)?))),
    },
    Spec {
        words: &["verify"],
        syntax: "verify MIGRATION all | N | N% | NAME,… | @FILE",
        summary: "compare the rows of orgs in both stores, changing nothing",
        details: "Names table, rows and columns where they differ. After an online move the target logs what is written: such orgs are \
                  counted, and do not differ. After an offline move nothing tells later writes from damage.",
        examples: &["verify phase_2 acme", "verify phase_2 all"],
        options: &[],
        parse: |args| Ok(Command::Verify { migration: args.migration()?, which: Which::take(args, "all")? }),
    },
    Spec {
        words: &["retry"],
        syntax: "retry MIGRATION failed | rolled_back | N | N% | NAME,… | @FILE",
        summary: "make failed orgs ready again, or those that were rolled back",
        details: "After the cause was mended; org NAME shows the reason and the place. Then migrate takes them again. failed and rolled_back \
                  are all orgs in that state; a number or a percentage takes failed ones, and names may be in either state.",
        examples: &["retry phase_2 acme", "retry phase_2 failed", "retry phase_2 rolled_back"],
        options: &[],
        parse: |args| {
            let migration = args.migration()?;
            let (which, from) = retried(args)?;
            Ok(Command::Retry { migration, which, from })
        },
    },
    Spec {
        words: &["report"],
        syntax: "report MIGRATION [--out FILE]",
        summary: "write a report: orgs moved, rows, times, failures",
        details: "",
        examples: &["report phase_2", "report phase_2 --out report.md"],
        options: &["out"],
        parse: report,
    },
];

fn campaign(args: &mut Args, aim: Aim, sleep_time_ms: Option<u64>) -> Result<Command, Fault> {
    let options = MigrateOptions {
        workers: args.number_option("workers", 1..=CONCURRENCY_MAX)?.map(|number| number as u32),
        sleep_time_ms,
        pace_ms: args.number_option("pace", 0..=WAIT_MAX_MS)?,
        error_halts: args.choice_option("error_halts", &[("true", true), ("false", false)])?,
        failures_max: args.number_option("failures_max", 0..=u64::from(u32::MAX))?.map(|number| number as u32),
    };
    Ok(Command::Migrate { aim, migration: args.migration()?, which: Which::take(args, "all")?, options })
}

fn report(args: &mut Args) -> Result<Command, Fault> {
    let out = args.option("out")?;
    if let Some(item) = out.as_ref().filter(|item| item.text.is_empty()) {
        return Err(Fault::new(item.span, "the path of a file is missing"));
    }
    Ok(Command::Report { migration: args.migration()?, out: out.map(|item| item.text) })
}
