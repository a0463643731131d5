//! Compares acknowledged writes and the flags with the contents of the stores. Must run after all writers have stopped.
//!
//! It shares no code with the engine and does not read Mover's own records: it asks the flags where each org lives, as an
//! application would, and then that store.

mod error;
mod found;
mod rows;
mod writes;

use mover_actors::domain::ids::OrgName;
use redis::AsyncConnectionConfig;
use serde::Serialize;
use tokio_postgres::Client;

pub use error::AuditError;
pub use found::Found;

use super::clients::Ledger;
use super::postgres::connect;
use super::route::{Route, RouteBy, Store};
use super::sample::{Sample, SampleOrg};

/// The result of the audit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Orgs that are routed to the old store.
    pub orgs_on_old: u64,
    /// Orgs that are routed to the new store.
    pub orgs_on_new: u64,
    /// Orgs that are still in 503 mode.
    pub blocked: Found,
    /// Orgs that the flags do not route.
    pub unrouted: Found,
    /// Acknowledged writes that were checked.
    pub writes_checked: u64,
    /// Acknowledged writes that are missing, or incomplete, in the store that their org is routed to.
    pub lost: Found,
    /// Writes that exist more than once.
    pub doubled: Found,
    /// Acknowledged writes that are also in the other store: after a move the source keeps its rows.
    pub in_other_store: u64,
    /// Writes with an outcome unknown to the client that exist.
    pub maybe_there: u64,
    /// Writes with an outcome unknown to the client that do not exist.
    pub maybe_not_there: u64,
    /// Tables of moved orgs that have fewer rows in the new store than in the old one.
    pub shrunken: Found,
    /// Tables of orgs that live in the old store and have rows in the new one.
    pub left_in_new: Found,
}

impl Audit {
    /// Whether there is no fault: nothing lost or duplicated, no org blocked or unrouted, no rows left behind.
    pub fn is_clean(&self) -> bool {
        let bad = [&self.blocked, &self.unrouted, &self.lost, &self.doubled, &self.shrunken, &self.left_in_new];
        bad.iter().all(|found| found.count == 0)
    }
}

/// An org and its route.
struct Routed<'a> {
    org: &'a SampleOrg,
    store: Option<Store>,
}

struct Stores {
    old: Client,
    new: Client,
}

impl Stores {
    fn of(&self, store: Store) -> &Client {
        match store {
            Store::Old => &self.old,
            Store::New => &self.new,
        }
    }
}

/// Checks every write and every org of the ledger.
pub async fn audit(sample: &Sample, redis_url: &str, route_by: &RouteBy, ledger: &Ledger) -> Result<Audit, AuditError> {
    let stores =
        Stores { old: open(&sample.old_url, Store::Old).await?, new: open(&sample.new_url, Store::New).await? };
    let mut found = Audit::default();
    let routed = read_flags(redis_url, route_by, &ledger.orgs, &mut found).await?;
    writes::check(&stores, &routed, ledger, &mut found).await?;
    rows::compare(&stores, &routed, &mut found).await?;
    Ok(found)
}

async fn open(url: &str, store: Store) -> Result<Client, AuditError> {
    connect(url).await.map_err(|source| AuditError::Postgres { store, doing: "connecting", source })
}

async fn read_flags<'a>(
    redis_url: &str,
    route_by: &RouteBy,
    orgs: &'a [SampleOrg],
    found: &mut Audit,
) -> Result<Vec<Routed<'a>>, AuditError> {
    // One answer has thousands of hashes.
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(std::time::Duration::from_secs(60)));
    let client = redis::Client::open(redis_url)?;
    let mut redis = client.get_multiplexed_async_connection_with_config(&config).await?;
    let names: Vec<OrgName> = orgs.iter().map(|org| org.name.clone()).collect();
    let routes = route_by.routes(&mut redis, &names).await?;
    for (org, route) in orgs.iter().zip(&routes) {
        match route {
            Route::To(_) => {}
            Route::Blocked { .. } => found.blocked.add(|| org.name.to_string()),
            Route::Unknown(reason) => found.unrouted.add(|| format!("{}: {reason}", org.name)),
        }
        match route.store() {
            Some(Store::Old) => found.orgs_on_old += 1,
            Some(Store::New) => found.orgs_on_new += 1,
            None => {}
        }
    }
    Ok(orgs.iter().zip(routes).map(|(org, route)| Routed { org, store: route.store() }).collect())
}
