//! One effect at a time for each move.
//!
//! A failed actor may leave a running effect behind, with the same lease as the effect that its next
//! incarnation begins. So the effect ends with its waiter, and the next one of the same move begins only when the
//! previous future is gone, with all connections that it held.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, oneshot};

use crate::domain::ids::MoveId;

/// The moves of this process that have an effect under way. It outlives all actors.
#[derive(Debug, Clone, Default)]
pub(crate) struct EffectLocks(Arc<Mutex<HashMap<MoveId, Weak<Turn<()>>>>>);

/// Held by the waiter of an effect. When it is dropped, the effect is dropped where it stands.
#[derive(Debug)]
pub(super) struct CancelOnDrop(#[expect(dead_code, reason = "its drop is what counts")] oneshot::Sender<()>);

impl EffectLocks {
    /// Waits for the turn of all these moves and runs while the returned guard lives; the future yields `None` once the guard
    /// is dropped.
    pub(super) fn run<F: Future>(
        &self,
        mut ids: Vec<MoveId>,
        effect: F,
    ) -> (impl Future<Output = Option<F::Output>> + use<F>, CancelOnDrop) {
        let (wanted, unwanted) = oneshot::channel();
        // All take turns in the order of their ids, so that they cannot deadlock.
        ids.sort();
        let turns: Vec<_> = ids.into_iter().map(|id| self.turn(id)).collect();
        let run = async move {
            let whole = async {
                let mut taken = Vec::with_capacity(turns.len());
                for turn in &turns {
                    taken.push(turn.lock().await);
                }
                effect.await
            };
            tokio::select! {
                biased;
                _ = unwanted => None,
                outcome = whole => Some(outcome),
            }
        };
        (run, CancelOnDrop(wanted))
    }

    fn turn(&self, id: MoveId) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&id).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::new(()));
        turns.insert(id, Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::task::Poll;

    use futures_util::poll;

    use super::*;

    /// The actor of the first effect has failed, but the effect is not gone yet: the worker is busy.
    #[tokio::test]
    async fn an_effect_begins_when_the_one_before_is_gone() {
        let locks = EffectLocks::default();
        let (first, wanted) = locks.run(vec![MoveId(1)], pending::<()>());
        let mut first = Box::pin(first);
        assert!(poll!(first.as_mut()).is_pending());
        let (second, _wanted) = locks.run(vec![MoveId(2), MoveId(1)], async { "begun" });
        let mut second = Box::pin(second);
        drop(wanted);
        assert!(poll!(second.as_mut()).is_pending());
        assert_eq!(poll!(first.as_mut()), Poll::Ready(None));
        assert_eq!(poll!(second.as_mut()), Poll::Ready(Some("begun")));
    }
}
