//! What a store must be before anything moves: the one that Mover has worked with before.

use std::sync::{Arc, PoisonError, RwLock};

use tokio_postgres::{Client, Error};

use crate::engine::store::identity::StoreIdentity;

/// What is expected of a store; shared by the store and by what opens its connections.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Expectation(Arc<RwLock<Expected>>);

#[derive(Debug, Clone, Default)]
struct Expected {
    identity: Option<StoreIdentity>,
    held: Option<String>,
}

impl Expectation {
    /// From now on connections to anything else are refused; with `held`, all work is.
    pub(in crate::engine) fn set(&self, identity: Option<StoreIdentity>, held: Option<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Expected { identity, held };
    }

    /// Why nothing may be done in the store.
    pub(in crate::engine) fn held(&self) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).held.clone()
    }

    /// How the store behind a new connection differs from the expected one.
    pub(in crate::engine) async fn changes(&self, client: &Client) -> Result<Option<String>, Error> {
        let expected = self.0.read().unwrap_or_else(PoisonError::into_inner).identity.clone();
        match expected {
            Some(expected) => Ok(expected.changes(&StoreIdentity::read(client).await?)),
            None => Ok(None),
        }
    }
}
