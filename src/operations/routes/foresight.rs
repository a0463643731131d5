//! Which orgs a command would route away from their rows.

use std::fmt;

use futures_util::TryStreamExt;
use mover_actors::domain::effective::{Destination, fields_read};
use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::OrgName;
use mover_actors::domain::record::MoveRecord;

use crate::config::Definition;
use crate::engine::names_no_org;
use crate::operations::answer::short;
use crate::operations::error::OperationError;
use crate::operations::world::World;

use super::deciding::{deciding, routes};
use super::flags::{Change, Shared, own_after, own_fields};
use super::survey::{PAGE_ORGS, Pages};
use super::verdict::{Misroute, misroute};

/// What a change of a hash would do to orgs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Foresight {
    /// Orgs that would be routed away from their rows, or nowhere.
    away: Orgs,
    /// Orgs in flight whose 503 would end while they are copied offline.
    let_in: Orgs,
    /// Orgs that no migration has captured and that would be routed to another store than now.
    uncaptured: Orgs,
    /// Why the uncaptured ones could not be counted.
    not_counted: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Orgs {
    count: u64,
    first: Option<String>,
}

impl Orgs {
    fn add(&mut self, org: &OrgName) {
        self.count += 1;
        self.first.get_or_insert_with(|| short(org.as_str(), 60));
    }
}

impl Foresight {
    /// Whether an org would be routed away from its rows, or opened while it is copied.
    pub(crate) fn is_harmful(&self) -> bool {
        self.away.count + self.let_in.count + self.uncaptured.count > 0
    }
}

impl fmt::Display for Foresight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |orgs: &Orgs, one: &str, many: &str| match (orgs.count, orgs.first.as_deref()) {
            (0, _) | (_, None) => String::new(),
            (1, Some(first)) => format!(" 1 org {one}: {first}."),
            (count, Some(first)) => format!(" {count} orgs {many}, e.g. {first}."),
        };
        f.write_str(&of(&self.away, "would be routed away from its rows", "would be routed away from their rows"))?;
        f.write_str(&of(
            &self.uncaptured,
            "that no migration has captured would be routed to another store than now",
            "that no migration has captured would be routed to another store than now",
        ))?;
        f.write_str(&of(
            &self.let_in,
            "would be let in while it is copied offline",
            "would be let in while they are copied offline",
        ))?;
        if !self.is_harmful() {
            f.write_str(" No captured org would be routed away from its rows.")?;
        }
        match &self.not_counted {
            Some(why) => write!(f, " Orgs that are not captured could not be counted: {why}."),
            None => Ok(()),
        }
    }
}

/// What a change would do; `None` if no migration has a say in its fields.
pub(crate) async fn foresee(world: &World, change: &Change) -> Result<Option<Foresight>, OperationError> {
    let touches = |definition: &&Definition| {
        routes(definition) && fields_read(&definition.routing).iter().any(|field| change.fields.contains_key(field))
    };
    let definitions: Vec<&Definition> = world.definitions.iter().filter(touches).collect();
    if definitions.is_empty() || change.key == FlagKey::no_org() {
        return Ok(None);
    }
    let mut foresight = Foresight::default();
    let before = Shared::read(world).await?;
    let after = before.after(change);
    for definition in definitions {
        let view = View { world, definition, change, before: &before, after: &after };
        if change.key.is_of_all() {
            let mut pages = Pages::of(definition);
            while let Some(records) = pages.next(world).await? {
                view.of_captured(&records, &mut foresight).await?;
            }
            view.of_all_uncaptured(&mut foresight).await?;
        } else if let Some(org) = change.key.org_name() {
            let records = world.log.moves_by_name(&definition.name, std::slice::from_ref(&org)).await?;
            view.of_captured(&records, &mut foresight).await?;
            if records.is_empty() && is_uncaptured(world, &org).await? {
                match world.engine.find_org(&definition.name, &org).await {
                    Ok(Some(_)) => view.of_uncaptured(&[org], &mut foresight).await?,
                    Ok(None) => {}
                    Err(error) => foresight.not_counted = Some(error.to_string()),
                }
            }
        }
    }
    Ok(Some(foresight))
}

/// Whether no migration knows the org.
async fn is_uncaptured(world: &World, org: &OrgName) -> Result<bool, OperationError> {
    for definition in world.definitions.iter() {
        if !world.log.moves_by_name(&definition.name, std::slice::from_ref(org)).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Flags before and after a change, as a migration reads them.
struct View<'a> {
    world: &'a World,
    definition: &'a Definition,
    change: &'a Change,
    before: &'a Shared,
    after: &'a Shared,
}

impl View<'_> {
    async fn of_captured(&self, records: &[MoveRecord], foresight: &mut Foresight) -> Result<(), OperationError> {
        let routing = &self.definition.routing;
        let own = own_fields(self.world, routing, records.iter().map(|record| &record.org)).await?;
        let mut worse = Vec::new();
        for (record, own) in records.iter().zip(&own) {
            let now = misroute(record, &self.before.route(routing, own));
            let then = misroute(record, &self.after.route(routing, &own_after(&record.org, own, self.change)));
            if let Some(then) = then.filter(|then| now != Some(*then)) {
                worse.push((record, then));
            }
        }
        let decided = deciding(self.world, self.definition, worse.iter().map(|(record, _)| *record).collect()).await?;
        let decided: Vec<_> = decided.into_iter().map(|record| record.id).collect();
        for (record, then) in worse.into_iter().filter(|(record, _)| decided.contains(&record.id)) {
            match then {
                // What a move lays over an org's own hash stays there.
                Misroute::LetIn if !self.change.key.is_of_all() => {}
                Misroute::LetIn => foresight.let_in.add(&record.org),
                Misroute::Elsewhere | Misroute::Partly | Misroute::Nowhere => foresight.away.add(&record.org),
            }
        }
        Ok(())
    }

    /// Orgs of the directory that the move log does not know. They live where they are routed now.
    async fn of_all_uncaptured(&self, foresight: &mut Foresight) -> Result<(), OperationError> {
        if let Err(error) = self.walk_directory(foresight).await {
            let OperationError::Engine(error) = error else { return Err(error) };
            foresight.not_counted = Some(error.to_string());
        }
        Ok(())
    }

    async fn walk_directory(&self, foresight: &mut Foresight) -> Result<(), OperationError> {
        let listed = self.world.engine.orgs(&self.definition.name).await?;
        let names = listed.try_filter_map(|(name, _)| std::future::ready(Ok(Some(name))));
        let mut names = std::pin::pin!(names);
        let mut page = Vec::with_capacity(PAGE_ORGS as usize);
        loop {
            let next = match names.try_next().await {
                Err(error) if names_no_org(&error) => continue,
                next => next?,
            };
            let is_end = next.is_none();
            page.extend(next);
            if page.len() >= PAGE_ORGS as usize || is_end {
                self.of_unknown(&page, foresight).await?;
                page.clear();
            }
            if is_end {
                return Ok(());
            }
        }
    }

    async fn of_unknown(&self, names: &[OrgName], foresight: &mut Foresight) -> Result<(), OperationError> {
        let mut unknown: Vec<OrgName> = names.to_vec();
        for definition in self.world.definitions.iter() {
            if unknown.is_empty() {
                return Ok(());
            }
            let known = self.world.log.moves_by_name(&definition.name, &unknown).await?;
            let known: std::collections::HashSet<OrgName> = known.into_iter().map(|record| record.org).collect();
            unknown.retain(|name| !known.contains(name));
        }
        self.of_uncaptured(&unknown, foresight).await
    }

    async fn of_uncaptured(&self, names: &[OrgName], foresight: &mut Foresight) -> Result<(), OperationError> {
        let routing = &self.definition.routing;
        let own = own_fields(self.world, routing, names.iter()).await?;
        for (name, own) in names.iter().zip(&own) {
            let now = self.before.route(routing, own).destination;
            let then = self.after.route(routing, &own_after(name, own, self.change)).destination;
            if now != then && matches!(now, Destination::Source | Destination::Target) {
                foresight.uncaptured.add(name);
            }
        }
        Ok(())
    }
}
