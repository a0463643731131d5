//! How a directory lists orgs that are about to move: their rows are found by key and their flags by name.

use std::collections::HashMap;

use mover_actors::domain::record::Lease;
use mover_actors::ports::{EngineError, Listing};

use super::directory;
use crate::config::Definition;
use crate::engine::plan::org_keys::KeyForms;
use crate::engine::schema::resolve::qualified;
use crate::engine::store::Store;
use crate::engine::store::error::Failed;

/// The listing of each org, in order. The forms of keys are only asked for if the directory writes keys otherwise than the tables.
pub(in crate::engine) async fn listings(
    definition: &Definition,
    store: &Store,
    forms: impl Future<Output = Result<KeyForms, EngineError>>,
    leases: &[Lease],
) -> Result<Vec<Listing>, EngineError> {
    let doing = directory(definition);
    // Almost always every org is found by its name, which an index can do.
    let named = lines(definition, store, leases, By::Name).await?;
    let found = Lines::of(&named, named.iter().map(|(_, key)| key.clone()).collect());
    if leases.iter().all(|lease| found.listing(lease) == Listing::Same) {
        return Ok(vec![Listing::Same; leases.len()]);
    }
    let lines = lines(definition, store, leases, By::NameOrKey).await?;
    let written: Vec<String> = lines.iter().map(|(_, key)| key.clone()).collect();
    let forms = forms.await?;
    let session = store.session().await?;
    let canonical = forms.canonical(&session, &written, doing).await?;
    session.release();
    let canonical = canonical.into_iter().zip(written).map(|(canonical, written)| canonical.unwrap_or(written));
    let found = Lines::of(&lines, canonical.collect());
    Ok(leases.iter().map(|lease| found.listing(lease)).collect())
}

/// How lines are found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Name,
    /// Reads the whole directory.
    NameOrKey,
}

/// The lines of the directory with the name, or with the name or the key, of one of these orgs.
async fn lines(
    definition: &Definition,
    store: &Store,
    leases: &[Lease],
    by: By,
) -> Result<Vec<(Option<String>, String)>, EngineError> {
    let session = store.session().await?;
    let doing = directory(definition);
    let failed = |error| doing.failed(error);
    let table = qualified(&session, &definition.org.table, doing).await?;
    let (name, key) = (definition.org.name.quoted(), definition.org.key.quoted());
    let (names, keys): (Vec<&str>, Vec<&str>) =
        leases.iter().map(|lease| (lease.org.as_str(), lease.key.as_str())).unzip();
    let lines = format!("SELECT {name}::text, {key}::text FROM {table} WHERE {key} IS NOT NULL");
    let is_named = format!("{name}::text = ANY ($1::text[])");
    let rows = match by {
        By::Name => {
            let statement = session.prepared(&format!("{lines} AND {is_named}")).await.map_err(failed)?;
            session.query(&statement, &[&names]).await
        }
        By::NameOrKey => {
            let sql = format!("{lines} AND ({is_named} OR {key}::text = ANY ($2::text[]))");
            session.query(&sql, &[&names, &keys]).await
        }
    };
    let rows = rows.map_err(failed)?;
    session.release();
    rows.iter().map(|row| Ok((row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?))).collect()
}

/// Lines by name and by key.
struct Lines<'a> {
    by_name: HashMap<&'a str, Vec<String>>,
    by_key: HashMap<String, &'a str>,
}

impl<'a> Lines<'a> {
    fn of(lines: &'a [(Option<String>, String)], keys: Vec<String>) -> Self {
        let (mut by_name, mut by_key) = (HashMap::<_, Vec<String>>::new(), HashMap::new());
        for ((name, _), key) in lines.iter().zip(keys) {
            let name = name.as_deref().unwrap_or_default();
            by_key.insert(key.clone(), name);
            by_name.entry(name).or_default().push(key);
        }
        Self { by_name, by_key }
    }

    fn listing(&self, lease: &Lease) -> Listing {
        match self.by_name.get(lease.org.as_str()).map(Vec::as_slice) {
            Some([key]) if *key == lease.key.as_str() => Listing::Same,
            Some([key]) => Listing::Taken(key.clone()),
            Some(_) => Listing::Twice,
            None => {
                let renamed = self.by_key.get(lease.key.as_str());
                renamed.map_or(Listing::Gone, |name| Listing::Renamed((*name).to_owned()))
            }
        }
    }
}
