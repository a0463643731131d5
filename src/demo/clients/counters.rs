//! What happened to the clients' requests, counted as it happens.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::demo::quantiles::Quantiles;
use crate::demo::route::Store;

/// What happened to the clients' requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClientFigures {
    /// Writes that the old store acknowledged.
    pub acknowledged_old: u64,
    /// Writes that the new store acknowledged.
    pub acknowledged_new: u64,
    /// Requests refused because the org was in 503 mode; every retry counts.
    pub refused_503: u64,
    /// How long writes that were refused with 503 had to wait, from the first refusal to their acknowledgement.
    pub waited: Quantiles,
    /// Requests that a store refused because the org lives in the other one (`MV001`) or is not there yet (`MV002`).
    pub moved: u64,
    /// Writes that had to be sent more than once for that reason.
    pub moved_more_than_once: u64,
    /// How long writes took that were refused for that reason, from the beginning of the first try to their acknowledgement.
    pub moved_waited: Quantiles,
    /// Requests refused because the flags could not be read, or did not route the org.
    pub refused_no_route: u64,
    /// Requests that reached the store after their deadline and so wrote nothing.
    pub too_late: u64,
    /// Requests that failed before COMMIT, because a store was unreachable or refused.
    pub failed: u64,
    /// Requests whose connection was lost during COMMIT.
    pub uncertain: u64,
    /// The error of the last request that failed, or found no route.
    pub last_trouble: Option<String>,
}

impl ClientFigures {
    /// Writes that were committed.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged_old + self.acknowledged_new
    }
}

/// The same while clients run.
#[derive(Debug, Default)]
pub(super) struct Counters {
    acknowledged_old: AtomicU64,
    acknowledged_new: AtomicU64,
    pub(super) refused_503: AtomicU64,
    pub(super) moved: AtomicU64,
    moved_more_than_once: AtomicU64,
    moved_waits_ms: Mutex<Vec<u64>>,
    pub(super) refused_no_route: AtomicU64,
    pub(super) too_late: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) uncertain: AtomicU64,
    waits_ms: Mutex<Vec<u64>>,
    last_trouble: Mutex<Option<String>>,
}

impl Counters {
    pub(super) fn acknowledged(&self, store: Store, waited: Option<Duration>) {
        match store {
            Store::Old => self.acknowledged_old.fetch_add(1, Relaxed),
            Store::New => self.acknowledged_new.fetch_add(1, Relaxed),
        };
        if let Some(waited) = waited {
            let mut waits = self.waits_ms.lock().unwrap_or_else(PoisonError::into_inner);
            waits.push(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
        }
    }

    /// A write that was refused `times` because its org had moved is acknowledged now.
    pub(super) fn came_through(&self, waited: Duration, times: u64) {
        if times > 1 {
            self.moved_more_than_once.fetch_add(1, Relaxed);
        }
        let mut waits = self.moved_waits_ms.lock().unwrap_or_else(PoisonError::into_inner);
        waits.push(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
    }

    pub(super) fn trouble(&self, counter: &AtomicU64, reason: String) {
        counter.fetch_add(1, Relaxed);
        tracing::debug!(%reason, "a simulated client has trouble");
        *self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    pub(super) fn figures(&self) -> ClientFigures {
        let waits = self.waits_ms.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ClientFigures {
            acknowledged_old: self.acknowledged_old.load(Relaxed),
            acknowledged_new: self.acknowledged_new.load(Relaxed),
            refused_503: self.refused_503.load(Relaxed),
            moved: self.moved.load(Relaxed),
            moved_more_than_once: self.moved_more_than_once.load(Relaxed),
            moved_waited: Quantiles::of(self.moved_waits_ms.lock().unwrap_or_else(PoisonError::into_inner).clone()),
            waited: Quantiles::of(waits),
            refused_no_route: self.refused_no_route.load(Relaxed),
            too_late: self.too_late.load(Relaxed),
            failed: self.failed.load(Relaxed),
            uncertain: self.uncertain.load(Relaxed),
            last_trouble: self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
