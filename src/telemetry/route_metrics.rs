//! Where flags lead, compared with where orgs live.

use crate::operations::World;

use super::page::{Page, count};

/// Writes the figures of the last comparison, which is made again when it is too old. If Redis or the move log does not answer,
/// nothing is said.
pub(super) async fn write(world: &World, page: &mut Page) {
    let Some(survey) = world.routes.recent(world).await else { return };
    let mut misrouted = page.gauge("mover_orgs_misrouted", "Orgs whose flags do not lead to where they live");
    for definition in world.definitions.iter() {
        let orgs = survey.counts.get(&definition.name).copied().unwrap_or_default();
        misrouted.sample(&[("migration", definition.name.as_str())], count(orgs));
    }
}
