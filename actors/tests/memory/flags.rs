//! [`Flags`] over the Redis in memory.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use mover_actors::domain::flags::{EPOCH_FIELD, FlagImage, FlagKey, FoundFlags, WITNESS_FIELD};
use mover_actors::domain::ids::Epoch;
use mover_actors::ports::{Flags, FlagsError, Written};

use super::fate::{Call, Port};
use super::process::{Process, Trouble};
use super::world::{InjectedBug, WorldGuard};

/// One process's connection to Redis.
pub struct MemoryFlags {
    process: Process,
    /// The note it left when it was told that Redis is not whole.
    note: Mutex<Option<u64>>,
}

impl MemoryFlags {
    /// The connection of this process.
    pub fn new(process: &Process) -> Self {
        Self { process: process.clone(), note: Mutex::default() }
    }

    fn note(&self) -> Option<u64> {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask<T: Send + 'static>(
        &self,
        method: &'static str,
        ask: impl FnOnce(&mut WorldGuard<'_>) -> T + Send + 'static,
    ) -> Result<T, FlagsError> {
        let unless_down = |scene: &mut WorldGuard<'_>| if scene.facts.redis.down { None } else { Some(ask(scene)) };
        let unreachable = || FlagsError::Unreachable { doing: method.into(), cause: "no answer".into() };
        match self.process.call(Call { port: Port::Flags, method }, unless_down).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) | Err(Trouble::Unreachable) => Err(unreachable()),
            Err(Trouble::Refused) => {
                Err(FlagsError::Rejected { doing: method.into(), cause: "OOM command not allowed".into() })
            }
        }
    }
}

#[async_trait]
impl Flags for MemoryFlags {
    async fn read(&self, wanted: &[(FlagKey, Vec<String>)]) -> Result<Vec<FoundFlags>, FlagsError> {
        let wanted = wanted.to_vec();
        self.ask("read", move |scene| wanted.into_iter().map(|(key, names)| read(scene, &key, names)).collect()).await
    }

    async fn write(&self, images: &[FlagImage]) -> Result<Vec<Written>, FlagsError> {
        let (images, note) = (images.to_vec(), self.note());
        self.ask("write", move |scene| {
            let count = if scene.half { images.len() / 2 } else { images.len() };
            images.iter().take(count).map(|image| write(scene, image, note)).collect()
        })
        .await
    }

    async fn is_whole(&self) -> Result<bool, FlagsError> {
        let note = self.ask("is_whole", move |scene| {
            let hidden = scene.facts.has_injected_bug(InjectedBug::HideLostMemory);
            let redis = &mut scene.facts.redis;
            if redis.whole || hidden { None } else { Some(redis.leave_note()) }
        });
        let note = note.await?;
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = note;
        Ok(note.is_none())
    }

    async fn mark_whole(&self) -> Result<(), FlagsError> {
        let note = self.note();
        self.ask("mark_whole", move |scene| {
            let careless = note.is_none() && scene.facts.has_injected_bug(InjectedBug::MarkWithoutNote);
            let redis = &mut scene.facts.redis;
            redis.whole |= careless || note.is_some_and(|note| redis.refilling.remove(&note));
        })
        .await
    }

    async fn try_write(&self) -> Result<(), FlagsError> {
        self.ask("try_write", |_| ()).await
    }

    async fn witness(&self, hashes: &[(FlagKey, Epoch)]) -> Result<Vec<bool>, FlagsError> {
        let hashes = hashes.to_vec();
        self.ask("witness", move |scene| {
            let mark = |(key, epoch): (FlagKey, Epoch)| {
                let is_there = scene.facts.redis.epoch(&key) == Some(epoch);
                if is_there {
                    scene.write_hash(&key, |hash| drop(hash.insert(WITNESS_FIELD.into(), epoch.to_string())));
                }
                is_there
            };
            hashes.into_iter().map(mark).collect()
        })
        .await
    }

    async fn is_witnessed(&self, hashes: &[(FlagKey, Epoch)]) -> Result<Vec<bool>, FlagsError> {
        let hashes = hashes.to_vec();
        self.ask("is_witnessed", move |scene| {
            let redis = &scene.facts.redis;
            let kept = |(key, epoch): &(FlagKey, Epoch)| {
                let mark = redis.hashes.get(key).and_then(|hash| hash.get(WITNESS_FIELD));
                mark.is_some_and(|mark| *mark == epoch.to_string()) && redis.epoch(key) == Some(*epoch)
            };
            hashes.iter().map(kept).collect()
        })
        .await
    }
}

fn read(scene: &WorldGuard<'_>, key: &FlagKey, names: Vec<String>) -> FoundFlags {
    let redis = &scene.facts.redis;
    let value = |name: &String| redis.hashes.get(key).and_then(|hash| hash.get(name).cloned());
    FoundFlags { epoch: redis.epoch(key), fields: names.into_iter().map(|name| (name.clone(), value(&name))).collect() }
}

fn write(scene: &mut WorldGuard<'_>, image: &FlagImage, note: Option<u64>) -> Written {
    let redis = &scene.facts.redis;
    let filled = redis.whole || note.is_some_and(|note| redis.refilling.contains(&note));
    if image.key == FlagKey::default_hash() && !filled && !scene.facts.has_injected_bug(InjectedBug::HideLostMemory) {
        return Written::Withheld;
    }
    let found = scene.facts.redis.epoch(&image.key);
    if let Some(found) = found.filter(|found| *found > image.epoch)
        && !scene.facts.has_injected_bug(InjectedBug::IgnoreFlagEpochs)
    {
        return Written::Stale { found };
    }
    scene.write_hash(&image.key, |hash| {
        hash.insert(EPOCH_FIELD.into(), image.epoch.to_string());
        hash.remove(WITNESS_FIELD);
        for (name, value) in &image.fields {
            match value {
                Some(value) => hash.insert(name.clone(), value.clone()),
                None => hash.remove(name),
            };
        }
    });
    Written::Applied
}
