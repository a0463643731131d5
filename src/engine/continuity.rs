//! Whether stores are the ones that they were, with everything that was committed there.

use std::collections::HashMap;

use mover_actors::domain::ids::{Epoch, MigrationName, StoreName};
use mover_actors::ports::EngineError;

use crate::engine::store::error::{Doing, Failed};
use crate::engine::store::identity::StoreIdentity;
use crate::engine::{PgEngine, guard};

/// What is behind a store, and how far Mover has come there.
#[derive(Debug, Clone)]
pub struct StoreFound {
    /// The server and database.
    pub identity: StoreIdentity,
    /// The newest epoch that it has of each migration.
    newest_epochs: HashMap<String, Epoch>,
}

impl StoreFound {
    /// The newest epoch that it has of a migration; 0 if it has none.
    pub fn newest_epoch(&self, migration: &MigrationName) -> Epoch {
        self.newest_epochs.get(migration.as_str()).copied().unwrap_or(Epoch(0))
    }
}

impl PgEngine {
    /// What is behind a store, also if it is not what is expected.
    pub async fn find_store(&self, store: &StoreName) -> Result<StoreFound, EngineError> {
        let store = self.store(store)?;
        let doing = Doing::new(store.name(), "asking which server it is");
        let failed = |error| doing.failed(error);
        let connection = store.apart().await?;
        let identity = StoreIdentity::read(&connection).await.map_err(failed)?;
        let newest_epochs = guard::newest_epochs(&connection).await.map_err(failed)?;
        Ok(StoreFound { identity, newest_epochs })
    }

    /// From now on a store's connections to a server or database of another identity are refused. With `held`, the reason why it is held,
    /// all work there is refused. Both last until the next call; moves wait meanwhile.
    pub fn store_must_be(&self, store: &StoreName, identity: Option<StoreIdentity>, held: Option<String>) {
        if let Some(store) = self.stores.get(store) {
            store.must_be(identity, held);
        }
    }
}
