//! Darklaunch: flags that an operator sets permanently.

use mover_actors::domain::flags::{Fields, is_internal};

use crate::command::args::Args;
use crate::command::error::Fault;
use crate::command::line::Item;
use crate::command::spec::Spec;
use crate::command::{Command, FlagHash};

const ON_OFF: [(&str, bool); 2] = [("on", true), ("off", false)];

pub(super) const SPECS: &[Spec] = &[
    Spec {
        words: &["darklaunch", "default"],
        syntax: "darklaunch default FIELD=VALUE …",
        summary: "set fields of dl_default, all at once",
        details: "They hold for every org that says nothing else. FIELD= without a value removes the field.",
        examples: &[
            "darklaunch default couchdb_groups=false",
            "darklaunch default couchdb_groups=true couchdb_containers=true",
        ],
        options: &[],
        parse: |args| Ok(Command::Darklaunch { hash: FlagHash::Default, fields: fields(args)? }),
    },
    Spec {
        words: &["darklaunch", "override"],
        syntax: "darklaunch override FIELD=VALUE …",
        summary: "set fields of dl_override, all at once",
        details: "They overrule what orgs and dl_default say. FIELD= without a value removes the field.",
        examples: &["darklaunch override 503_mode=true", "darklaunch override 503_mode="],
        options: &[],
        parse: |args| Ok(Command::Darklaunch { hash: FlagHash::Override, fields: fields(args)? }),
    },
    Spec {
        words: &["darklaunch", "no-org"],
        syntax: "darklaunch no-org FIELD=VALUE …",
        summary: "set fields for requests that belong to no org, all at once",
        details: "FIELD= without a value removes the field.",
        examples: &["darklaunch no-org couchdb_organizations=false"],
        options: &[],
        parse: |args| Ok(Command::Darklaunch { hash: FlagHash::NoOrg, fields: fields(args)? }),
    },
    Spec {
        words: &["darklaunch", "org"],
        syntax: "darklaunch org NAME 503 on|off | FIELD=VALUE …",
        summary: "put an org in 503 mode or take it out, or set fields of its flags, all at once",
        details: "FIELD= without a value removes the field. An org that is being moved is blocked by its move as well; \
                  what is set here stays after it. `503 off` writes false, so that a 503 in dl_default does not hold \
                  for the org. What would route an org away from its rows is asked about first.",
        examples: &["darklaunch org acme 503 on", "darklaunch org acme couchdb_groups=true"],
        options: &[],
        parse: org,
    },
    Spec {
        words: &["darklaunch", "orgs-503"],
        syntax: "darklaunch orgs-503 on|off",
        summary: "put the endpoints for orgs themselves in 503 mode, or take them out",
        details: "Sets orgs_503_mode in dl_default.",
        examples: &["darklaunch orgs-503 on"],
        options: &[],
        parse: |args| Ok(Command::DarklaunchOrgs503 { on: args.one_of(&ON_OFF)? }),
    },
    Spec {
        words: &["darklaunch", "org-creation"],
        syntax: "darklaunch org-creation on|off",
        summary: "allow or forbid the creation of orgs",
        details: "off sets disable_new_orgs in the flags of requests that belong to no org; on removes it.",
        examples: &["darklaunch org-creation off"],
        options: &[],
        parse: |args| Ok(Command::DarklaunchOrgCreation { on: args.one_of(&ON_OFF)? }),
    },
];

fn org(args: &mut Args) -> Result<Command, Fault> {
    let org = args.org()?;
    if !args.has_more() {
        return Ok(Command::Darklaunch { hash: FlagHash::Org(org), fields: fields(args)? });
    }
    args.one_of(&[("503", ())])?;
    Ok(Command::Darklaunch503 { org, on: args.one_of(&ON_OFF)? })
}

fn fields(args: &mut Args) -> Result<Fields, Fault> {
    let fields: Fields = args.all_options()?.into_iter().map(field).collect::<Result<_, _>>()?;
    if fields.is_empty() {
        return Err(Fault::new(args.end(), "something is missing: FIELD=VALUE"));
    }
    Ok(fields)
}

/// Refuses a text that cannot be the name of a flag.
pub(crate) fn field_name(name: &Item) -> Result<(), Fault> {
    if is_internal(&name.text) {
        return Err(Fault::new(name.span, format!("{} is written by Mover alone", name.text)));
    }
    if name.text.is_empty() || !name.text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        return Err(Fault::new(name.span, "the name of a field has only letters, digits, _ - and ."));
    }
    Ok(())
}

fn field((name, value): (Item, Item)) -> Result<(String, Option<String>), Fault> {
    field_name(&name)?;
    if value.at {
        return Err(Fault::new(value.span, "a value is wanted here, not a file (quote it if it begins with @)"));
    }
    // No value removes the field; an empty quoted value is an empty text.
    let removed = value.text.is_empty() && !value.quoted;
    Ok((name.text, (!removed).then_some(value.text)))
}
