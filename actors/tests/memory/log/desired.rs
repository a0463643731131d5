//! What flag hashes should look like: a base, and what is laid over it while an org is blocked.

use mover_actors::domain::flags::{Fields, FlagImage, FlagKey};
use mover_actors::domain::ids::Epoch;
use mover_actors::domain::state::State;
use mover_actors::ports::{Desire, LogError};

use super::super::world::{InjectedBug, WorldGuard};
use super::{DesiredRow, LogFacts};

impl LogFacts {
    /// What a hash should look like, if Mover manages it.
    pub fn image(&self, key: &FlagKey) -> Option<FlagImage> {
        let row = self.desired.get(key)?;
        let mut fields = row.base.clone();
        fields.extend(row.overlay.clone());
        Some(FlagImage { key: key.clone(), epoch: row.epoch, fields })
    }

    /// All hashes that Mover manages.
    pub fn images(&self) -> Vec<FlagImage> {
        self.desired.keys().filter_map(|key| self.image(key)).collect()
    }

    pub(super) fn desired_page(&self, after: Option<&FlagKey>, limit: u32) -> Vec<FlagImage> {
        let after = after.map(turn);
        let mut images = self.images();
        images.sort_by_key(|image| turn(&image.key));
        images.retain(|image| after.as_ref().is_none_or(|after| turn(&image.key) > *after));
        images.truncate(limit as usize);
        images
    }
}

/// Orgs first, `dl_override`, and `dl_default` last.
fn turn(key: &FlagKey) -> (u8, FlagKey) {
    let place = if *key == FlagKey::default_hash() {
        2
    } else if *key == FlagKey::override_hash() {
        1
    } else {
        0
    };
    (place, key.clone())
}

impl WorldGuard<'_> {
    pub(super) fn desire(&mut self, desires: &[Desire]) -> Vec<Result<FlagImage, LogError>> {
        desires.iter().map(|desire| self.desire_one(desire)).collect()
    }

    fn desire_one(&mut self, desire: &Desire) -> Result<FlagImage, LogError> {
        if let Some((id, ours)) = desire.lease {
            let record = &self.facts.log.row(id)?.record;
            let held = record.epoch == ours && matches!(record.state, State::Started(_));
            if !held && !self.facts.has_injected_bug(InjectedBug::NoFencing) {
                return Err(LogError::Fenced { id, ours });
            }
        }
        let keeps_blocked = self.facts.has_injected_bug(InjectedBug::KeepBlocked);
        let forgets = self.facts.has_injected_bug(InjectedBug::ForgetFound);
        let epoch = self.facts.log.next_epoch();
        let known = self.facts.log.desired.get(&desire.key);
        let base = new_base(desire, known, forgets);
        let before = known.map(|row| row.overlay.clone()).unwrap_or_default();
        let overlay = match &desire.overlay {
            Some(overlay) if overlay.is_empty() && keeps_blocked => before,
            Some(overlay) => overlay.clone(),
            None => before,
        };
        self.facts.log.desired.insert(desire.key.clone(), DesiredRow { epoch, base, overlay });
        Ok(self.facts.log.image(&desire.key).unwrap())
    }

    /// What is desired of a hash is desired of another one from now on.
    pub(super) fn move_desired(&mut self, from: &FlagKey, to: &FlagKey) {
        if from == to {
            return;
        }
        let Some(former) = self.facts.log.desired.get(from) else { return };
        let (base, overlay) = (former.base.clone(), former.overlay.clone());
        let none: Fields = base.keys().chain(overlay.keys()).map(|field| (field.clone(), None)).collect();
        let epoch = self.facts.log.next_epoch();
        self.facts.log.desired.insert(to.clone(), DesiredRow { epoch, base, overlay });
        let epoch = self.facts.log.next_epoch();
        self.facts.log.desired.insert(from.clone(), DesiredRow { epoch, base: none, overlay: Fields::new() });
    }

    pub(super) fn raise_epoch(&mut self, above: Epoch) {
        let log = &mut self.facts.log;
        log.epoch = log.epoch.max(above.0);
    }
}

/// From the bottom: every field of the overlay must not exist; the base so far; what was found, where that can be an
/// operator's own value; what was asked for.
fn new_base(desire: &Desire, known: Option<&DesiredRow>, forgets_found: bool) -> Fields {
    let overlaid = || desire.overlay.iter().flatten().map(|(field, _)| field);
    let mut base: Fields = overlaid().map(|field| (field.clone(), None)).collect();
    let found_counts = match known {
        None => true,
        Some(row) => row.overlay.is_empty() && desire.found.epoch == Some(row.epoch),
    };
    base.extend(known.map(|row| row.base.clone()).unwrap_or_default());
    if found_counts && !forgets_found {
        let found = overlaid().filter_map(|field| desire.found.fields.get_key_value(field));
        base.extend(found.map(|(field, value)| (field.clone(), value.clone())));
    }
    base.extend(desire.base.clone());
    base
}
