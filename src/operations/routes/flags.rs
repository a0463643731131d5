//! The flags of orgs in Redis, as applications read them; perhaps as they would be after a command.

use mover_actors::domain::effective::{EffectiveRoute, Hashes, effective_route, fields_read};
use mover_actors::domain::flags::{Fields, FlagKey, Routing, present};
use mover_actors::domain::ids::OrgName;
use mover_actors::ports::Flags;

use crate::operations::error::OperationError;
use crate::operations::world::World;

/// A change of one hash that has not been made.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The hash.
    pub(crate) key: FlagKey,
    /// The fields that would be set; `None` removes one.
    pub(crate) fields: Fields,
}

/// The hashes that hold for all orgs.
pub(super) struct Shared {
    default: Fields,
    over: Fields,
}

impl Shared {
    pub(super) async fn read(world: &World) -> Result<Self, OperationError> {
        Ok(Self {
            default: present(&world.flags.hash(&FlagKey::default_hash()).await?),
            over: present(&world.flags.hash(&FlagKey::override_hash()).await?),
        })
    }

    /// The same after a change, if it is about one of these hashes.
    pub(super) fn after(&self, change: &Change) -> Self {
        let of = |key: FlagKey, hash: &Fields| if key == change.key { changed(hash, change) } else { hash.clone() };
        Self { default: of(FlagKey::default_hash(), &self.default), over: of(FlagKey::override_hash(), &self.over) }
    }

    pub(super) fn route(&self, routing: &Routing, own: &Fields) -> EffectiveRoute {
        effective_route(routing, Hashes { default: &self.default, own, over: &self.over })
    }
}

/// An org's own hash after a change, if it is about that.
pub(super) fn own_after(org: &OrgName, own: &Fields, change: &Change) -> Fields {
    if FlagKey::org(org) == change.key { changed(own, change) } else { own.clone() }
}

fn changed(hash: &Fields, change: &Change) -> Fields {
    let mut hash = hash.clone();
    hash.extend(change.fields.iter().map(|(field, value)| (field.clone(), value.clone())));
    hash
}

/// The fields of each org's own hash that matter to a migration, in order.
pub(super) async fn own_fields<'a>(
    world: &World,
    routing: &Routing,
    orgs: impl Iterator<Item = &'a OrgName>,
) -> Result<Vec<Fields>, OperationError> {
    let fields = fields_read(routing);
    let wanted: Vec<_> = orgs.map(|org| (FlagKey::org(org), fields.clone())).collect();
    Ok(world.flags.read(&wanted).await?.into_iter().map(|found| found.fields).collect())
}
