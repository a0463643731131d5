//! `check`: orgs that another migration over the same tables holds, so that this one cannot move them.

use std::collections::{BTreeMap, BTreeSet};

use mover_actors::domain::ids::StoreName;
use mover_actors::ports::EngineError;
use mover_actors::protocol::{Mode, next_step};

use crate::config::Definition;
use crate::engine::check::report::Report;
use crate::engine::guard::{gone, held_by_others, holding};
use crate::engine::orgs::Walk;
use crate::engine::plan::oids;
use crate::engine::plan::org_keys::KeyForms;
use crate::engine::schema::catalog::Catalog;
use crate::engine::store::Store;

/// How many orgs another migration holds in the same way: what it says of them in the stores.
type Counts<'a> = BTreeMap<(String, Vec<(&'a StoreName, &'static str)>), usize>;

/// Warns of orgs of the directory that another migration holds in one of the stores, unless this one has moved them already.
pub(in crate::engine) async fn check_held(
    report: &mut Report,
    definition: &Definition,
    stores: [(&Store, &Catalog); 2],
) -> Result<(), EngineError> {
    let name = definition.name.as_str();
    let mut are_held = false;
    for (store, catalog) in stores {
        are_held |= !holding(store, name, &oids(definition, catalog)).await?.is_empty();
    }
    if !are_held {
        return Ok(());
    }
    for ((migration, said), orgs) in counts(definition, stores).await? {
        let places: Vec<String> = said.iter().map(|(store, mode)| format!("{mode} in {store}")).collect();
        let text = format!(
            "{orgs} orgs are {} by migration {migration}, which guards some of the same tables; they are not moved until that is \
             brought to an end",
            places.join(" and ")
        );
        let said: Vec<(&StoreName, Mode)> =
            said.iter().filter_map(|(store, mode)| Some((*store, mode.parse().ok()?))).collect();
        report.warning(format!("migration {migration}"), text, next_step(&migration, "all", &said));
    }
    Ok(())
}

async fn counts<'a>(definition: &Definition, stores: [(&'a Store, &Catalog); 2]) -> Result<Counts<'a>, EngineError> {
    let [(source, from), _] = stores;
    let name = definition.name.as_str();
    let session = source.session().await?;
    let walk = Walk::begin(&session, definition, KeyForms::of(definition, from)).await?;
    let mut counts = Counts::new();
    loop {
        let page = walk.page(&session).await?;
        if page.is_empty() {
            break;
        }
        // Capturing the orgs reports rows of the directory that name no org.
        let keys: Vec<String> = page.into_iter().flatten().map(|(_, key)| key.to_string()).collect();
        let gone: BTreeSet<String> = gone(source, name, &keys).await?;
        let mut by_org: BTreeMap<(String, String), Vec<(&StoreName, &'static str)>> = BTreeMap::new();
        for (store, catalog) in stores {
            for holder in held_by_others(store, name, &keys, &oids(definition, catalog)).await? {
                let org = (holder.key.to_string(), holder.migration);
                by_org.entry(org).or_default().push((store.name(), holder.mode.as_str()));
            }
        }
        for ((key, migration), said) in by_org {
            if !gone.contains(&key) {
                *counts.entry((migration, said)).or_default() += 1;
            }
        }
    }
    session.release();
    Ok(counts)
}
