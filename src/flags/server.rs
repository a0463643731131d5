//! What kind of server Redis is, whether it takes writes, and which of the commands that Mover needs it refuses.

use mover_actors::domain::flags::{FlagKey, PROBE_KEY};
use mover_actors::ports::FlagsError;
use redis::{FromRedisValue, Value};
use uuid::Uuid;

use super::link::{Link, Trouble};
use super::script::Call;

/// What a server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its part in replication.
    pub role: Role,
    /// How much memory it may use, in bytes; 0: as much as there is.
    pub maxmemory: u64,
    /// What it does when that is used up.
    pub maxmemory_policy: String,
    /// Whether it logs each write to disk.
    pub has_log: bool,
    /// When it writes snapshots, as configured; `None` if it does not tell.
    pub snapshots: Option<String>,
    /// Commands that Mover needs and that were refused, with the answers.
    pub refused: Vec<(String, String)>,
}

/// The part of a server in replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It takes writes.
    Master,
    /// It follows another server.
    Replica,
}

/// Asks a server about itself, and tries each command on keys that no application reads.
pub(super) async fn facts(link: &Link) -> Result<ServerFacts, FlagsError> {
    let mut refused = Vec::new();
    let mut info = String::new();
    for section in ["replication", "memory", "persistence"] {
        match ask(link, &["INFO", section]).await {
            Ok(text) => info.push_str(&text),
            Err(Trouble::Refused { said, .. }) => {
                refused.push(("INFO".to_owned(), said));
                break;
            }
            Err(trouble) => return Err(trouble.while_doing("asking what kind of server it is")),
        }
    }
    let default = FlagKey::default_hash();
    for command in [vec!["PING"], vec!["HGETALL", default.as_str()], vec!["HMGET", default.as_str(), "503_mode"]] {
        if let Err(trouble) = ask(link, &command).await {
            let name = command.first().copied().unwrap_or_default();
            match trouble {
                Trouble::Refused { said, .. } => refused.push((name.to_owned(), said)),
                trouble => return Err(trouble.while_doing(format!("trying {name}"))),
            }
        }
    }
    match tried(link).await {
        Ok(said) => refused.extend(said),
        Err(Trouble::Refused { said, .. }) => refused.push(("EVAL".to_owned(), said)),
        Err(trouble) => return Err(trouble.while_doing("trying the commands of scripts")),
    }
    // Only its administrators may ask this.
    let snapshots = match asked::<Vec<String>>(link, &["CONFIG", "GET", "save"]).await {
        Ok(answer) => answer.get(1).cloned(),
        Err(_) => None,
    };
    let value = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    };
    Ok(ServerFacts {
        role: if matches!(value("role").as_str(), "slave" | "replica") { Role::Replica } else { Role::Master },
        maxmemory: value("maxmemory").parse().unwrap_or_default(),
        maxmemory_policy: value("maxmemory_policy"),
        has_log: value("aof_enabled") == "1",
        snapshots,
        refused,
    })
}

/// An error if the server takes no writes: it is full, a replica, or lacks replicas of its own.
pub(super) async fn try_write(link: &Link) -> Result<(), FlagsError> {
    let doing = "trying whether it takes writes";
    let said = tried(link).await.map_err(|trouble| trouble.while_doing(doing))?;
    match said.into_iter().next() {
        None => Ok(()),
        Some((command, said)) => Err(Trouble::odd(format!("{command}: {said}")).while_doing(doing)),
    }
}

/// Tries the commands of our scripts; those that were refused, with the answers.
async fn tried(link: &Link) -> Result<Vec<(String, String)>, Trouble> {
    // No org has this name; a field is removed from a hash that does not exist.
    let nobody = format!("dl_org_mover-probe-{}", Uuid::new_v4());
    let call = Call::of(include_str!("probe.lua")).key(PROBE_KEY).key(&nobody);
    let said: Vec<String> = call.run(link).await?;
    let refusal = |line: &String| line.split_once(' ').map(|(command, said)| (command.to_owned(), said.to_owned()));
    Ok(said.iter().filter_map(refusal).collect())
}

async fn ask(link: &Link, words: &[&str]) -> Result<String, Trouble> {
    let answer = asked::<Value>(link, words).await?;
    // Only texts are of interest.
    Ok(String::from_redis_value(answer).unwrap_or_default())
}

async fn asked<T: FromRedisValue>(link: &Link, words: &[&str]) -> Result<T, Trouble> {
    let (name, arguments) = words.split_first().unwrap_or((&"PING", &[]));
    let mut request = redis::pipe();
    request.cmd(name).arg(arguments);
    let answer = link.ask(&request).await?.into_iter().next().unwrap_or(Value::Nil);
    T::from_redis_value(answer).map_err(|error| Trouble::odd(error.to_string()))
}
