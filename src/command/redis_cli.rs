//! Lines for `redis-cli`, as they are in runbooks. Mover manages the flags: the next repair would undo writes that bypass it.
//! So these lines become commands with the same meaning.

use mover_actors::domain::flags::{Fields, FlagKey};
use mover_actors::domain::ids::OrgName;

use super::error::Fault;
use super::line::{Arg, Item};
use super::{Command, FlagHash};

const PROGRAM: &str = "redis-cli";

/// The supported commands, without regard to case.
const SYNTAX: &str = "redis-cli HSET|HMSET KEY FIELD VALUE … | HDEL KEY FIELD … | HGETALL|HGET|HMGET KEY …";

/// Whether a line calls `redis-cli`, with or without its path.
pub(super) fn is_called(args: &[Arg]) -> bool {
    let first = args.first().and_then(word);
    first.is_some_and(|item| item.text.rsplit('/').next() == Some(PROGRAM))
}

/// Parses such a line; `end` is the place after its last character.
pub(super) fn read(args: &[Arg], end: usize) -> Result<Command, Fault> {
    let missing =
        |what: &str| Fault::new(super::line::Span { start: end, end: end + 1 }, format!("{what} is missing: {SYNTAX}"));
    let words =
        args[1..].iter().map(|arg| word(arg).ok_or_else(|| Fault::new(arg.span, format!("not understood: {SYNTAX}"))));
    let words: Vec<&Item> = words.collect::<Result<_, Fault>>()?;
    let (verb, rest) = words.split_first().ok_or_else(|| missing("a command of Redis"))?;
    if verb.text.starts_with('-') {
        let problem = "leave the options out: Mover writes the Redis that its configuration names";
        return Err(Fault::new(verb.span, problem));
    }
    let (key, rest) = rest.split_first().ok_or_else(|| missing("the key"))?;
    let hash = hash(key)?;
    match verb.text.to_ascii_uppercase().as_str() {
        "HGETALL" | "HGET" | "HMGET" => Ok(Command::FlagsShow { hash }),
        "HSET" | "HMSET" if rest.is_empty() => Err(missing("a field")),
        "HSET" | "HMSET" => {
            let mut fields = Fields::new();
            for pair in rest.chunks(2) {
                let value = pair.get(1).ok_or_else(|| missing(&format!("the value of {}", pair[0].text)))?;
                fields.insert(field(pair[0])?, Some(value.text.clone()));
            }
            Ok(Command::Darklaunch { hash, fields })
        }
        "HDEL" if rest.is_empty() => Err(missing("a field")),
        "HDEL" => {
            let fields = rest.iter().map(|item| Ok((field(item)?, None))).collect::<Result<_, Fault>>()?;
            Ok(Command::Darklaunch { hash, fields })
        }
        _ => Err(Fault::new(verb.span, format!("this command is not for flags: {SYNTAX}"))),
    }
}

/// The single word or quoted text that an argument is.
fn word(arg: &Arg) -> Option<&Item> {
    match arg.items.as_slice() {
        [item] if arg.key.is_none() && !item.at => Some(item),
        _ => None,
    }
}

fn hash(key: &Item) -> Result<FlagHash, Fault> {
    let known = [FlagHash::Default, FlagHash::Override, FlagHash::NoOrg];
    if let Some(hash) = known.into_iter().find(|hash| hash.key().as_str() == key.text) {
        return Ok(hash);
    }
    let org = key.text.strip_prefix("dl_org_").map(OrgName::new);
    match org {
        Some(Ok(org)) if FlagKey::org(&org).as_str() == key.text => Ok(FlagHash::Org(org)),
        _ => {
            Err(Fault::new(key.span, "this key holds no flags: dl_default, dl_override, or dl_org_ and the org's name"))
        }
    }
}

fn field(item: &Item) -> Result<String, Fault> {
    super::grammar::field_name(item).map(|()| item.text.clone())
}
