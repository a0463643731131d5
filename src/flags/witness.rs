//! Marks that prove that a hash was there, as it was written, for a while.
//!
//! The mark is a field of the hash itself. It goes with the hash (deleted, evicted, lost with the memory of the server), and
//! each write of Mover removes it (`write.lua`), so a hash that was lost and written again has none. It names the server and its
//! replication history: after a failover or a restart it does not count, because another server may have answered meanwhile.

use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::Epoch;
use mover_actors::ports::FlagsError;

use super::link::Link;
use super::script::Call;

/// Marks those of these hashes that carry these epochs.
pub(super) async fn mark(link: &Link, hashes: &[(FlagKey, Epoch)]) -> Result<Vec<bool>, FlagsError> {
    run(link, include_str!("witness.lua"), hashes, "marking the hashes of blocked orgs").await
}

/// Whether each of these hashes has kept its mark.
pub(super) async fn is_kept(link: &Link, hashes: &[(FlagKey, Epoch)]) -> Result<Vec<bool>, FlagsError> {
    run(link, include_str!("witnessed.lua"), hashes, "asking whether orgs have stayed blocked").await
}

async fn run(
    link: &Link,
    code: &'static str,
    hashes: &[(FlagKey, Epoch)],
    doing: &'static str,
) -> Result<Vec<bool>, FlagsError> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let call = hashes.iter().fold(Call::of(code), |call, (key, epoch)| call.key(key.as_str()).arg(epoch.to_string()));
    call.run(link).await.map_err(|trouble| trouble.while_doing(doing))
}
