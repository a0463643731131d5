//! Orgs that another migration over the same tables has decided something about. The triggers of both migrations judge every write: two
//! migrations that disagree about an org would lock it out of both stores.

use futures_util::try_join;

use crate::domain::ids::{OrgKey, StoreName};
use crate::domain::record::Lease;
use crate::domain::state::Way;
use crate::ports::EngineError;

use super::cohort::Cohort;
use super::doing::Doing;
use super::standing::Mode;
use super::store::StoreSide;

/// What another migration has decided about an org in one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The org.
    pub key: OrgKey,
    /// The other migration.
    pub migration: String,
    /// The role that it gives to the org's rows in this store.
    pub mode: Mode,
}

/// Refuses orgs that another migration over the same tables holds. An org on its way back needs only the store that it returns to:
/// there it must be writable again.
pub(super) async fn must_be_free<L, R>(leaving: &L, receiving: &R, cohort: &Cohort, way: Way) -> Result<(), EngineError>
where
    L: StoreSide + ?Sized,
    R: StoreSide + ?Sized,
{
    let (left, received) = match way {
        Way::Forward => try_join!(leaving.held_by_others(cohort), receiving.held_by_others(cohort))?,
        Way::Back => (Vec::new(), receiving.held_by_others(cohort).await?),
    };
    let is_in_the_way = |mode| way == Way::Forward || mode != Mode::Capturing;
    let left = left.iter().map(|holder| (leaving.store(), holder));
    let held: Vec<_> = left.chain(received.iter().map(|holder| (receiving.store(), holder))).collect();
    let Some((store, holder)) = held.iter().find(|(_, holder)| is_in_the_way(holder.mode)) else { return Ok(()) };
    let Some(lease) = cohort.lease(holder.key.as_str()) else { return Ok(()) };
    let same = held.iter().filter(|(_, other)| other.key == holder.key && other.migration == holder.migration);
    let said: Vec<(&StoreName, Mode)> = same.map(|(store, holder)| (*store, holder.mode)).collect();
    Err(refusal(store, holder, lease, &said))
}

fn refusal(store: &StoreName, holder: &Holder, lease: &Lease, said: &[(&StoreName, Mode)]) -> EngineError {
    let Holder { migration, mode, .. } = holder;
    let (doing, org) = (Doing::new(store, "asking whether another migration holds the org"), &lease.org);
    doing.refused(format!(
        "org {org} is {mode} here by migration {migration}, which guards some of the same tables: no store would accept its writes \
         after a move; next: {}",
        next_step(migration, org.as_str(), said)
    ))
}

/// How orgs become free that another migration holds, by what it says of them in the stores; `orgs` selects them in a command.
pub fn next_step(migration: &str, orgs: &str, said: &[(&StoreName, Mode)]) -> String {
    let has = |wanted| said.iter().any(|(_, mode)| *mode == wanted);
    let left = said.iter().find(|(_, mode)| matches!(mode, Mode::Moved | Mode::Discarded));
    match left {
        Some((store, _)) if has(Mode::Capturing) => {
            format!(
                "finalize {migration} {orgs}, and then mover guard remove {store} {migration}; or rollback {migration} {orgs}"
            )
        }
        Some((store, _)) if !has(Mode::Incoming) => {
            format!("mover guard remove {store} {migration}, once all its orgs are finalized or rolled back")
        }
        _ => format!(
            "let the move by {migration} end, and then finalize {migration} {orgs}, or rollback {migration} {orgs}"
        ),
    }
}
