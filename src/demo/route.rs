//! Reads the flags like an application: `dl_default`, then the org's own, then `dl_override`; later ones win.
//!
//! It never guesses. Without `dl_default` Redis has lost its data, and without a known value in the routing field
//! the location of the org is unknown: the request is refused, and retried later.

use std::collections::HashMap;

use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::OrgName;
use redis::RedisError;
use redis::aio::ConnectionLike;
use serde::Serialize;

/// How many orgs are read in one round trip.
const PAGE_ORGS: usize = 1_000;

/// One of the two stores of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, strum::Display, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Store {
    /// The store in which all orgs live at first.
    Old,
    /// The store that they move to.
    New,
}

impl Store {
    /// The name in the configuration and in messages.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Store::Old => Store::New,
            Store::New => Store::Old,
        }
    }
}

/// The destination of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To this store.
    To(Store),
    /// Nowhere: the org is in 503 mode.
    Blocked {
        /// The store that it would go to otherwise, if the flags route it.
        store: Option<Store>,
    },
    /// Nowhere: the flags do not say where.
    Unknown(String),
}

impl Route {
    /// The store that has the org's rows, blocked or not.
    pub fn store(&self) -> Option<Store> {
        match self {
            Route::To(store) => Some(*store),
            Route::Blocked { store } => *store,
            Route::Unknown(_) => None,
        }
    }

    fn blocked(self) -> Self {
        Route::Blocked { store: self.store() }
    }
}

/// The flag field that routes, and the meaning of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteBy {
    /// The field, e.g. `cell` or `couchdb_containers`.
    pub field: String,
    /// Its value for the old store, e.g. `old` or `true`.
    pub old_value: String,
    /// Its value for the new store, e.g. `new` or `false`.
    pub new_value: String,
}

impl RouteBy {
    /// By the field `cell`, like the demo's own migration.
    pub fn cell() -> Self {
        Self { field: "cell".into(), old_value: "old".into(), new_value: "new".into() }
    }

    /// Reads the flags of one org as they are now.
    pub async fn route(&self, redis: &mut impl ConnectionLike, org: &OrgName) -> Result<Route, RedisError> {
        let mut routes = self.page(redis, std::slice::from_ref(org)).await?;
        Ok(routes.pop().unwrap_or_else(|| Route::Unknown("Redis answered nothing".into())))
    }

    /// Reads the flags of many orgs; a route for each, in order.
    pub async fn routes(&self, redis: &mut impl ConnectionLike, orgs: &[OrgName]) -> Result<Vec<Route>, RedisError> {
        let mut routes = Vec::with_capacity(orgs.len());
        for page in orgs.chunks(PAGE_ORGS) {
            routes.append(&mut self.page(redis, page).await?);
        }
        Ok(routes)
    }

    async fn page(&self, redis: &mut impl ConnectionLike, orgs: &[OrgName]) -> Result<Vec<Route>, RedisError> {
        let mut request = redis::pipe();
        request.cmd("HGETALL").arg(FlagKey::default_hash().as_str());
        for org in orgs {
            request.cmd("HGETALL").arg(FlagKey::org(org).as_str());
        }
        request.cmd("HGETALL").arg(FlagKey::override_hash().as_str());
        let mut hashes: Vec<Hash> = request.query_async(redis).await?;
        let overrides = hashes.pop().unwrap_or_default();
        let mut hashes = hashes.into_iter();
        let defaults = hashes.next().unwrap_or_default();
        Ok(hashes.map(|own| self.decide(&defaults, &own, &overrides)).collect())
    }

    fn decide(&self, defaults: &Hash, own: &Hash, overrides: &Hash) -> Route {
        if defaults.is_empty() {
            return Route::Unknown("Redis has no dl_default".into());
        }
        let flag = |field: &str| [overrides, own, defaults].into_iter().find_map(|hash| hash.get(field));
        let route = match flag(&self.field) {
            Some(value) if *value == self.old_value => Route::To(Store::Old),
            Some(value) if *value == self.new_value => Route::To(Store::New),
            Some(value) => Route::Unknown(format!("{} is {value:?}", self.field)),
            None => Route::Unknown(format!("no hash has the field {}", self.field)),
        };
        // Applications compare exactly.
        if flag("503_mode").is_some_and(|value| value == "true") { route.blocked() } else { route }
    }
}

type Hash = HashMap<String, String>;

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(fields: &[(&str, &str)]) -> Hash {
        fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn decide(defaults: &[(&str, &str)], own: &[(&str, &str)], overrides: &[(&str, &str)]) -> Route {
        RouteBy::cell().decide(&hash(defaults), &hash(own), &hash(overrides))
    }

    #[test]
    fn the_later_hash_wins() {
        assert_eq!(decide(&[("cell", "old")], &[], &[]), Route::To(Store::Old));
        assert_eq!(decide(&[("cell", "old")], &[("cell", "new")], &[]), Route::To(Store::New));
        assert_eq!(decide(&[("cell", "old")], &[("cell", "new")], &[("cell", "old")]), Route::To(Store::Old));
        assert_eq!(
            decide(&[("cell", "old"), ("503_mode", "true")], &[("503_mode", "false")], &[]),
            Route::To(Store::Old)
        );
    }

    #[test]
    fn only_the_exact_text_true_blocks() {
        assert_eq!(
            decide(&[("cell", "old")], &[("503_mode", "true")], &[]),
            Route::Blocked { store: Some(Store::Old) }
        );
        assert_eq!(decide(&[("x", "y")], &[("503_mode", "true")], &[]), Route::Blocked { store: None });
        assert_eq!(decide(&[("cell", "old")], &[("503_mode", "True")], &[]), Route::To(Store::Old));
    }

    #[test]
    fn nothing_is_guessed() {
        assert!(matches!(decide(&[], &[("cell", "old")], &[]), Route::Unknown(_)));
        assert!(matches!(decide(&[("other", "x")], &[], &[]), Route::Unknown(_)));
        assert!(matches!(decide(&[("cell", "older")], &[], &[]), Route::Unknown(_)));
    }
}
