//! Completion with the names of a remote Mover.

use std::future::Future;
use std::time::Duration;

use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::cli::console::Names;
use crate::remote::{Client, Page, encoded};

/// Completion offers this many orgs.
const ORGS_MAX: usize = 100;
/// The longest wait of completion.
const NAMES_WITHIN: Duration = Duration::from_millis(700);

/// The names that the remote Mover knows.
pub(super) struct Asked {
    client: Client,
    runtime: Handle,
}

#[derive(Deserialize)]
struct Named {
    migration: String,
    #[serde(default)]
    aliases: Vec<String>,
}

#[derive(Deserialize)]
struct Org {
    org: String,
}

impl Asked {
    /// Must be called inside the runtime; the line editor runs in its own thread.
    pub(super) fn new(client: Client) -> Self {
        Self { client, runtime: Handle::current() }
    }

    /// Without an answer nothing is offered; the line is checked when it is carried out.
    fn within<T: Default>(&self, asking: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { timeout(NAMES_WITHIN, asking).await }).unwrap_or_default()
    }

    async fn named(&self) -> Vec<Named> {
        let page: Result<Page<Named>, _> = self.client.get("/migrations").await;
        page.map(|page| page.items).unwrap_or_default()
    }
}

impl Names for Asked {
    fn migrations(&self) -> Vec<String> {
        let named = self.within(self.named()).into_iter();
        let mut names: Vec<_> = named.flat_map(|named| std::iter::once(named.migration).chain(named.aliases)).collect();
        names.sort();
        names
    }

    fn orgs(&self, begin: &str) -> Vec<String> {
        let mut orgs = self.within(async {
            let asking = self.named().await.into_iter().map(|named| async move {
                let migration = encoded(&named.migration);
                let path = format!("/migrations/{migration}/orgs?prefix={}&limit={ORGS_MAX}", encoded(begin));
                let page: Result<Page<Org>, _> = self.client.get(&path).await;
                page.map(|page| page.items).unwrap_or_default()
            });
            let found = futures_util::future::join_all(asking).await;
            found.into_iter().flatten().map(|org| org.org).collect::<Vec<_>>()
        });
        orgs.sort();
        orgs.dedup();
        orgs.truncate(ORGS_MAX);
        orgs
    }
}
