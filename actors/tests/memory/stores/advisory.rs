//! The locks that writers of an org share and that a switch takes alone.

use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::ports::Side;

use super::super::world::{InjectedBug, WorldGuard};
use super::fault::Fault;
use super::sessions::SessionId;

impl WorldGuard<'_> {
    /// Takes a lock, or stands in line for it.
    pub(in super::super) fn lock_alone(
        &mut self,
        id: SessionId,
        migration: &MigrationName,
        key: &OrgKey,
    ) -> Result<(), Fault> {
        let is_free = self.is_lock_free(id, migration, key)?;
        let session = self.session(id)?;
        let lock = (migration.clone(), key.clone());
        if is_free {
            session.waits_for = None;
            session.locks.insert(lock);
            return Ok(());
        }
        session.waits_for = Some(lock);
        Err(Fault::Locked)
    }

    /// Takes a lock unless somebody has it; answers whether it is ours.
    pub(in super::super) fn lock_if_free(
        &mut self,
        id: SessionId,
        migration: &MigrationName,
        key: &OrgKey,
    ) -> Result<bool, Fault> {
        let is_free = self.is_lock_free(id, migration, key)?;
        if is_free {
            self.session(id)?.locks.insert((migration.clone(), key.clone()));
        }
        Ok(is_free)
    }

    /// Does not wait any longer.
    pub(in super::super) fn stop_waiting(&mut self, id: SessionId) {
        if let Ok(session) = self.session(id) {
            session.waits_for = None;
        }
    }

    pub(in super::super) fn unlock(
        &mut self,
        id: SessionId,
        migration: &MigrationName,
        key: &OrgKey,
    ) -> Result<(), Fault> {
        self.session(id)?.locks.remove(&(migration.clone(), key.clone()));
        Ok(())
    }

    /// The session is ended when nothing is heard for so long; `None` ends that.
    pub(in super::super) fn end_when_idle(
        &mut self,
        id: SessionId,
        idle_max: Option<std::time::Duration>,
    ) -> Result<(), Fault> {
        self.session(id)?.ends_when_idle_for(idle_max);
        Ok(())
    }

    fn is_lock_free(&mut self, id: SessionId, migration: &MigrationName, key: &OrgKey) -> Result<bool, Fault> {
        let side = self.session(id)?.side;
        let impatient = self.facts.has_injected_bug(InjectedBug::SkipWriters);
        let stores = &self.facts.stores;
        let lock = (migration.clone(), key.clone());
        let mut others = stores.sessions.iter().filter(|(other, session)| **other != id && session.side == side);
        let is_held = others.any(|(_, session)| session.locks.contains(&lock));
        let mut writers = stores.writers.values();
        let is_shared = !impatient && writers.any(|writer| writer.shares_lock(migration, side, key));
        Ok(!is_held && !is_shared)
    }

    /// Whether a writer can share the lock now: nobody has it alone, and nobody waits for that.
    pub(super) fn can_share_lock(&self, migration: &MigrationName, side: Side, key: &OrgKey) -> bool {
        let lock = (migration.clone(), key.clone());
        let mut sessions = self.facts.stores.sessions.values().filter(|session| session.side == side);
        !sessions.any(|session| session.locks.contains(&lock) || session.waits_for.as_ref() == Some(&lock))
    }
}
