//! A command as text. Parsing the text gives the same command again.

use std::fmt;

use mover_actors::domain::campaign::Control;
use mover_actors::domain::flags::Fields;
use mover_actors::domain::ids::OrgName;
use mover_actors::domain::state::Aim;

use super::line::{quoted, written};
use super::selection::{RETRY_WORDS, Shown, Which};
use super::{Command, FlagHash, MigrateOptions, RetryFrom};

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::OrgsCapture { migration } => write!(f, "orgs capture {migration}"),
            Command::OrgsAdd { orgs, migration } => {
                let orgs: Vec<_> = orgs.iter().map(org).collect();
                write!(f, "orgs add {} {migration}", orgs.join(","))
            }
            Command::OrgsReady { migration, which } => write!(f, "orgs ready {migration} {}", all(which)),
            Command::OrgsForceOld { migration } => write!(f, "orgs force-old {migration}"),
            Command::OrgsList { migration, state, limit } => {
                write!(f, "orgs list {migration}")?;
                option(f, "state", state.map(|state| state.as_str()))?;
                option(f, "limit", *limit)
            }
            Command::Org { org: name, migration } => {
                write!(f, "org {}", org(name))?;
                migration.as_ref().map_or(Ok(()), |migration| write!(f, " {migration}"))
            }
            Command::Migrate { aim, migration, which, options } => {
                write!(f, "{} {migration} {}", verb(*aim), all(which))?;
                migrate_options(f, options)
            }
            Command::Status { migration, watch } => {
                f.write_str("status")?;
                migration.as_ref().map_or(Ok(()), |migration| write!(f, " {migration}"))?;
                f.write_str(if *watch { " --watch" } else { "" })
            }
            Command::Control(steer) => steering(f, *steer),
            Command::Verify { migration, which } => write!(f, "verify {migration} {}", all(which)),
            Command::Retry { migration, which, from } => {
                let all = match from {
                    RetryFrom::Failed => "failed",
                    RetryFrom::RolledBack => "rolled_back",
                };
                write!(f, "retry {migration} {}", Shown { which, all, keywords: &RETRY_WORDS })
            }
            Command::FlagsShow { hash } => write!(f, "flags show {}", hash_name(hash)),
            Command::FlagsCheck => f.write_str("flags check"),
            Command::FlagsRepair => f.write_str("flags repair"),
            Command::Darklaunch { hash, fields } => {
                match hash {
                    FlagHash::Org(name) => write!(f, "darklaunch org {}", org(name))?,
                    other => write!(f, "darklaunch {}", hash_name(other))?,
                }
                field_list(f, fields)
            }
            Command::Darklaunch503 { org: name, on } => write!(f, "darklaunch org {} 503 {}", org(name), on_off(*on)),
            Command::DarklaunchOrgs503 { on } => write!(f, "darklaunch orgs-503 {}", on_off(*on)),
            Command::DarklaunchOrgCreation { on } => write!(f, "darklaunch org-creation {}", on_off(*on)),
            Command::Tree => f.write_str("tree"),
            Command::Nodes => f.write_str("nodes"),
            Command::Check => f.write_str("check"),
            Command::Health => f.write_str("health"),
            Command::Report { migration, out } => {
                write!(f, "report {migration}")?;
                option(f, "out", out.as_deref().map(quoted))
            }
            Command::Approve { command } => write!(f, "approve {command}"),
            Command::Refuse { command } => write!(f, "refuse {command}"),
            Command::History { limit } => {
                f.write_str("history")?;
                option(f, "limit", *limit)
            }
            Command::Help { topic: None } => f.write_str("help"),
            Command::Help { topic: Some(topic) } => write!(f, "help {topic}"),
            Command::Quit => f.write_str("quit"),
        }
    }
}

fn all(which: &Which) -> Shown<'_> {
    Shown { which, all: "all", keywords: &["all"] }
}

fn org(name: &OrgName) -> String {
    written(name.as_str(), &["all"])
}

fn hash_name(hash: &FlagHash) -> String {
    match hash {
        FlagHash::Default => "default".into(),
        FlagHash::Override => "override".into(),
        FlagHash::NoOrg => "no-org".into(),
        FlagHash::Org(name) => written(name.as_str(), &["default", "override", "no-org"]),
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn option(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {name}={value}"))
}

/// The word of the command that opens a campaign with this aim.
pub fn verb(aim: Aim) -> &'static str {
    match aim {
        Aim::Migrate => "migrate",
        Aim::RollBack => "rollback",
        Aim::Finalize => "finalize",
    }
}

fn migrate_options(f: &mut fmt::Formatter<'_>, options: &MigrateOptions) -> fmt::Result {
    let MigrateOptions { workers, sleep_time_ms, pace_ms, error_halts, failures_max } = options;
    option(f, "workers", *workers)?;
    option(f, "sleep", *sleep_time_ms)?;
    option(f, "pace", *pace_ms)?;
    option(f, "error_halts", *error_halts)?;
    option(f, "failures_max", *failures_max)
}

fn steering(f: &mut fmt::Formatter<'_>, steer: Control) -> fmt::Result {
    match steer {
        Control::Pause => f.write_str("pause"),
        Control::Resume => f.write_str("resume"),
        Control::Halt => f.write_str("halt"),
        Control::Concurrency(number) => write!(f, "set concurrency {number}"),
        Control::SleepTimeMs(ms) => write!(f, "set sleep_time {ms}"),
        Control::PaceMs(ms) => write!(f, "set pace {ms}"),
    }
}

fn field_list(f: &mut fmt::Formatter<'_>, fields: &Fields) -> fmt::Result {
    for (name, value) in fields {
        match value {
            None => write!(f, " {name}=")?,
            Some(value) => write!(f, " {name}={}", written(value, &[]))?,
        }
    }
    Ok(())
}
