//! The tokens that are valid now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Mutex;

use crate::state::{PgMoveLog, StateError, TokenEntry, TokenHash};

use super::secret::hash;

/// A revoked token is refused after this time at the latest.
const READ_EVERY: Duration = Duration::from_secs(1);

/// A copy that is read again every second, so that neither frequent requests nor guessed tokens load Postgres.
#[derive(Default)]
pub(in crate::http) struct TokenCache(Mutex<Option<Page>>);

struct Page {
    tokens: Arc<HashMap<TokenHash, TokenEntry>>,
    read_at: Instant,
}

impl TokenCache {
    /// The entry of this token.
    pub(super) async fn holder(&self, log: &PgMoveLog, token: &str) -> Result<Option<TokenEntry>, StateError> {
        let entry = self.tokens(log).await?.get(&hash(token)).cloned();
        Ok(entry.filter(is_valid))
    }

    /// Whether the token of that name is still valid.
    pub(in crate::http) async fn has(&self, log: &PgMoveLog, name: &str) -> Result<bool, StateError> {
        Ok(self.tokens(log).await?.values().any(|entry| entry.name == name && is_valid(entry)))
    }

    async fn tokens(&self, log: &PgMoveLog) -> Result<Arc<HashMap<TokenHash, TokenEntry>>, StateError> {
        let mut page = self.0.lock().await;
        if let Some(page) = page.as_ref().filter(|page| page.read_at.elapsed() < READ_EVERY) {
            return Ok(page.tokens.clone());
        }
        let tokens = match (log.valid_tokens().await, page.as_ref()) {
            (Ok(tokens), _) => Arc::new(tokens.into_iter().collect()),
            // While Postgres is unreachable, known tokens stay valid.
            (Err(StateError::Unreachable { .. }), Some(known)) => known.tokens.clone(),
            (Err(error), _) => return Err(error),
        };
        *page = Some(Page { tokens: tokens.clone(), read_at: Instant::now() });
        Ok(tokens)
    }
}

fn is_valid(entry: &TokenEntry) -> bool {
    entry.expires_at.is_none_or(|expiry| expiry > SystemTime::now())
}
