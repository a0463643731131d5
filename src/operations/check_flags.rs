//! What `check` looks for in Redis: a server that loses flags or takes no writes, and hashes that overrule those of orgs.

use mover_actors::domain::effective::routing_fields;
use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::state::Strategy;
use mover_actors::ports::FlagsError;

use crate::config::Definition;
use crate::engine::{Finding, Level};
use crate::flags::{Role, ServerFacts};

use super::error::OperationError;
use super::world::World;

fn finding(level: Level, subject: &str, text: impl Into<String>, remedy: impl Into<String>) -> Finding {
    let (subject, text, remedy) = (subject.to_owned(), text.into(), Some(remedy.into()));
    Finding { level, subject, text, remedy, statements: Vec::new() }
}

/// The server: whether it keeps what it is told, and takes the commands that Mover needs.
pub(super) async fn of_server(world: &World) -> Result<Vec<Finding>, FlagsError> {
    let facts = world.flags.server().await?;
    let offline = world.definitions.iter().any(|definition| definition.strategy == Strategy::Offline);
    Ok(of_facts(&facts, offline))
}

fn of_facts(facts: &ServerFacts, offline: bool) -> Vec<Finding> {
    let subject = "Redis";
    let mut found = Vec::new();
    if facts.role == Role::Replica {
        let text = "the server is a replica: it takes no writes";
        found.push(finding(Level::Problem, subject, text, "name the master in [redis]"));
    }
    for (command, said) in &facts.refused {
        let text = format!("{command} is refused: {said}");
        let remedy = "if it is a right, grant it: docs/operating.md, \"Redis\", has the ACL; otherwise let the server take writes";
        found.push(finding(Level::Problem, subject, text, remedy));
    }
    if facts.maxmemory > 0 && facts.maxmemory_policy.starts_with("allkeys-") {
        let text = format!(
            "maxmemory-policy is {}: a full server evicts flags, and an org whose flags are gone is routed by dl_default",
            facts.maxmemory_policy
        );
        let remedy = "CONFIG SET maxmemory-policy noeviction, or a volatile- policy: flags have no time to live";
        found.push(finding(if offline { Level::Problem } else { Level::Warning }, subject, text, remedy));
    }
    if offline && !facts.has_log && facts.snapshots.as_deref().is_none_or(str::is_empty) {
        let what = match facts.snapshots {
            Some(_) => "it writes nothing to disk, so a restart loses all flags until Mover has written them again",
            None => "it keeps no log of writes, and does not tell whether it writes snapshots",
        };
        let text = format!(
            "{what}. Offline moves rely on the 503 of orgs: applications that do not refuse to work without dl_default write to \
             orgs that are being copied"
        );
        found.push(finding(Level::Warning, subject, text, "appendonly yes"));
    }
    found
}

/// Fields of `dl_override` that overrule what a migration writes for its orgs.
pub(super) async fn overruled(world: &World, definition: &Definition) -> Result<Vec<Finding>, OperationError> {
    if definition.strategy == Strategy::Window {
        return Ok(Vec::new());
    }
    let over = world.flags.hash(&FlagKey::override_hash()).await?;
    let mut found = Vec::new();
    for (field, value) in routing_fields(&definition.routing).filter_map(|field| over.get_key_value(field)) {
        let text = format!("it has {field} = {value:?}, which routes every org, wherever it lives");
        found.push(finding(Level::Problem, "dl_override", text, format!("darklaunch override {field}=")));
    }
    if definition.strategy == Strategy::Offline {
        let overruled =
            |(field, wanted): (&String, &String)| over.get_key_value(field).filter(|(_, value)| *value != wanted);
        for (field, value) in definition.routing.blocked.iter().filter_map(overruled) {
            let text = format!("it has {field} = {value:?}, so no org can be blocked while it is copied");
            found.push(finding(Level::Problem, "dl_override", text, format!("darklaunch override {field}=")));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> ServerFacts {
        ServerFacts {
            role: Role::Master,
            maxmemory: 0,
            maxmemory_policy: "noeviction".into(),
            has_log: true,
            snapshots: None,
            refused: Vec::new(),
        }
    }

    fn levels(facts: &ServerFacts, offline: bool) -> Vec<Level> {
        of_facts(facts, offline).into_iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn a_server_that_keeps_flags_has_no_finding() {
        assert_eq!(levels(&facts(), true), []);
        let evicts_nothing = ServerFacts { maxmemory_policy: "allkeys-lru".into(), ..facts() };
        assert_eq!(levels(&evicts_nothing, true), [], "without a bound nothing is evicted");
        let volatile = ServerFacts { maxmemory: 1, maxmemory_policy: "volatile-lru".into(), ..facts() };
        assert_eq!(levels(&volatile, true), []);
    }

    #[test]
    fn what_loses_flags_is_found() {
        let evicts = ServerFacts { maxmemory: 1, maxmemory_policy: "allkeys-lru".into(), ..facts() };
        assert_eq!((levels(&evicts, false), levels(&evicts, true)), (vec![Level::Warning], vec![Level::Problem]));
        let forgets = ServerFacts { has_log: false, snapshots: Some(String::new()), ..facts() };
        assert_eq!((levels(&forgets, false), levels(&forgets, true)), (vec![], vec![Level::Warning]));
        let snapshots = ServerFacts { snapshots: Some("3600 1".into()), ..forgets.clone() };
        assert_eq!(levels(&snapshots, true), []);
        assert_eq!(levels(&ServerFacts { role: Role::Replica, ..facts() }, false), [Level::Problem]);
        let refused = vec![("HDEL".to_owned(), "NOPERM".to_owned())];
        assert_eq!(levels(&ServerFacts { refused, ..facts() }, false), [Level::Problem]);
    }
}
