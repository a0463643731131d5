//! The darklaunch flags in Redis: hashes that applications read to know where an org lives.
//!
//! Redis is a cache here (P10). Postgres decides the content of a hash and numbers each decision
//! with an epoch; the hash carries the epoch of its last write, and Redis itself refuses a write with an older one.
//! So it does not matter how many processes write, in which order their writes arrive,
//! or how often one is repeated, and every request here may be sent again after a broken connection.
//!
//! - `link`: one connection that is opened again when it breaks, and a limit on every wait.
//! - `write`, `read`: many hashes in one request.
//! - `whole`: detects that Redis has lost its data.
//! - `witness`: proves that a hash was there all the time.
//! - `server`: what kind of server it is, and whether it takes writes and the commands that Mover needs.

mod link;
mod read;
mod script;
mod server;
mod whole;
mod witness;
mod write;

use std::collections::BTreeMap;

use async_trait::async_trait;
use mover_actors::domain::flags::{FlagImage, FlagKey, FoundFlags};
use mover_actors::domain::ids::Epoch;
use mover_actors::ports::{Flags, FlagsError, Written};
use redis::IntoConnectionInfo;

use self::link::Link;
pub use self::server::{Role, ServerFacts};
use self::whole::Rebuild;

/// The most hashes in one request: enough to make the round trip cheap, few enough not to delay the applications that read
/// their flags meanwhile.
const HASHES_MAX: usize = 1_000;

/// The flags in one Redis server.
#[derive(Debug)]
pub struct RedisFlags {
    link: Link,
    rebuild: Rebuild,
}

impl RedisFlags {
    /// Takes the address of the server: the driver's own type, or a text such as `redis://:secret@127.0.0.1:6379/0`. Does not
    /// connect yet: a Redis that is down now may be up when it is needed.
    pub fn open(address: impl IntoConnectionInfo) -> Result<Self, FlagsError> {
        Ok(Self { link: Link::open(address)?, rebuild: Rebuild::default() })
    }

    /// The same flags over a separate connection, for bulk reads: moves do not wait behind them.
    pub fn beside(&self) -> Self {
        Self { link: self.link.beside(), rebuild: Rebuild::default() }
    }

    /// The address of the server, without user and password.
    pub fn address(&self) -> &str {
        self.link.address()
    }

    /// Whether Redis answers.
    pub async fn ping(&self) -> Result<(), FlagsError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("PING");
        self.link.ask(&pipeline).await.map(drop).map_err(|trouble| trouble.while_doing("asking whether it is there"))
    }

    /// What kind of server it is, and which commands it refuses.
    pub async fn server(&self) -> Result<ServerFacts, FlagsError> {
        server::facts(&self.link).await
    }

    /// Whether Redis has all flags, without side effects: [`Flags::is_whole`] obliges its caller to write them.
    pub async fn has_all(&self) -> Result<bool, FlagsError> {
        self.rebuild.has_all(&self.link).await
    }

    /// All fields of a hash, also those of other writers.
    pub async fn hash(&self, key: &FlagKey) -> Result<BTreeMap<String, String>, FlagsError> {
        read::whole_hash(&self.link, key).await
    }
}

#[async_trait]
impl Flags for RedisFlags {
    async fn read(&self, wanted: &[(FlagKey, Vec<String>)]) -> Result<Vec<FoundFlags>, FlagsError> {
        let mut found = Vec::with_capacity(wanted.len());
        for some in wanted.chunks(HASHES_MAX) {
            found.extend(read::fields(&self.link, some).await?);
        }
        Ok(found)
    }

    async fn write(&self, images: &[FlagImage]) -> Result<Vec<Written>, FlagsError> {
        let mut written = Vec::with_capacity(images.len());
        for some in images.chunks(HASHES_MAX) {
            written.extend(write::images(&self.link, &self.rebuild, some).await?);
        }
        Ok(written)
    }

    async fn is_whole(&self) -> Result<bool, FlagsError> {
        self.rebuild.is_whole(&self.link).await
    }

    async fn mark_whole(&self) -> Result<(), FlagsError> {
        self.rebuild.mark_whole(&self.link).await
    }

    async fn try_write(&self) -> Result<(), FlagsError> {
        server::try_write(&self.link).await
    }

    async fn witness(&self, hashes: &[(FlagKey, Epoch)]) -> Result<Vec<bool>, FlagsError> {
        let mut answers = Vec::with_capacity(hashes.len());
        for some in hashes.chunks(HASHES_MAX) {
            answers.extend(witness::mark(&self.link, some).await?);
        }
        Ok(answers)
    }

    async fn is_witnessed(&self, hashes: &[(FlagKey, Epoch)]) -> Result<Vec<bool>, FlagsError> {
        let mut answers = Vec::with_capacity(hashes.len());
        for some in hashes.chunks(HASHES_MAX) {
            answers.extend(witness::is_kept(&self.link, some).await?);
        }
        Ok(answers)
    }
}
