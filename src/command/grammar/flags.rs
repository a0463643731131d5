//! Flags: show, compare, repair.

use crate::command::args::Args;
use crate::command::error::Fault;
use crate::command::selection::org_name;
use crate::command::spec::Spec;
use crate::command::{Command, FlagHash};

pub(super) const SPECS: &[Spec] = &[
    Spec {
        words: &["flags", "show"],
        syntax: "flags show NAME | default | override | no-org",
        summary: "show a flag hash as it should be and as Redis has it",
        details: "default is dl_default, override is dl_override, no-org is the hash for requests that belong to no \
                  org. An org that is really called so is written in quotes.",
        examples: &["flags show acme", "flags show default"],
        options: &[],
        parse: |args| Ok(Command::FlagsShow { hash: hash(args)? }),
    },
    Spec {
        words: &["flags", "check"],
        syntax: "flags check",
        summary: "compare all flags in Redis with what they should be",
        details: "Changes nothing.",
        examples: &["flags check"],
        options: &[],
        parse: |_| Ok(Command::FlagsCheck),
    },
    Spec {
        words: &["flags", "repair"],
        syntax: "flags repair",
        summary: "write those flags that are not what they should be",
        details: "Fields that Mover does not manage are left alone.",
        examples: &["flags repair"],
        options: &[],
        parse: |_| Ok(Command::FlagsRepair),
    },
];

fn hash(args: &mut Args) -> Result<FlagHash, Fault> {
    let item = args.item("the name of an org, or default, override, no-org")?;
    match item.keyword() {
        Some("default") => Ok(FlagHash::Default),
        Some("override") => Ok(FlagHash::Override),
        Some("no-org") => Ok(FlagHash::NoOrg),
        _ => org_name(&item).map(FlagHash::Org),
    }
}
