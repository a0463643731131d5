//! Whether this process may end.

use mover_actors::ports::{LogError, MoveLog};
use mover_actors::tree::Tree;

use crate::state::PgMoveLog;

/// Whether orgs are in flight here, beyond those that only wait because the copy of a rolled back org is kept for a while: the next
/// process removes these.
pub(super) async fn has_orgs(log: &PgMoveLog, tree: &Tree) -> Result<bool, LogError> {
    let kept = tree.copies_kept();
    let beyond = u32::try_from(kept).unwrap_or(u32::MAX).saturating_add(1);
    Ok(log.held(tree.node(), beyond).await?.len() > kept)
}
