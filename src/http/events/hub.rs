//! The latest events, for clients that reconnect, and new events, for connected clients.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, broadcast};

/// Limits of the events that are kept for clients that reconnect.
const KEPT_MAX: usize = 4096;
const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A listener that is further behind is disconnected.
const BEHIND_MAX: usize = 1024;
/// The most listeners.
const LISTENERS_MAX: usize = 1000;

/// A change.
#[derive(Debug, Clone)]
pub(super) struct Event {
    number: u64,
    /// The event in its wire format.
    pub(super) frame: Bytes,
}

/// See the module's documentation.
pub(in crate::http) struct Hub {
    kept: Mutex<Kept>,
    sender: broadcast::Sender<Event>,
    listeners: AtomicUsize,
    came: Notify,
}

struct Kept {
    /// A new value after each start and each time that events were dropped, so that earlier ids are not mistaken.
    epoch: String,
    last: u64,
    bytes: usize,
    events: VecDeque<Event>,
    /// The latest event of each kind whose events replace earlier ones.
    current: BTreeMap<&'static str, Event>,
}

/// A connected client. It counts until it is dropped.
pub(super) struct Listener {
    hub: Arc<Hub>,
    /// Events to send at once.
    pub(super) first: Vec<Event>,
    pub(super) later: broadcast::Receiver<Event>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            kept: Mutex::new(Kept::new()),
            sender: broadcast::Sender::new(BEHIND_MAX),
            listeners: AtomicUsize::new(0),
            came: Notify::new(),
        }
    }
}

impl Kept {
    fn new() -> Self {
        let epoch = format!("{:08x}", rand::random::<u32>());
        Self { epoch, last: 0, bytes: 0, events: VecDeque::new(), current: BTreeMap::new() }
    }

    /// The events after one, if they are still kept.
    fn after(&self, last: &str) -> Option<Vec<Event>> {
        let number: u64 = last.strip_prefix(&self.epoch)?.strip_prefix('-')?.parse().ok()?;
        let oldest = self.events.front().map_or(self.last + 1, |event| event.number);
        let is_known = number <= self.last && number + 1 >= oldest;
        is_known.then(|| self.events.iter().filter(|event| event.number > number).cloned().collect())
    }
}

impl Hub {
    /// Publishes an event. `whole`: it replaces earlier events of its kind, so clients that connect later need only the last
    /// one.
    pub(super) fn publish(&self, kind: &'static str, data: &[u8], whole: bool) {
        let mut kept = self.kept();
        kept.last += 1;
        let number = kept.last;
        let mut frame = format!("id: {}-{number}\nevent: {kind}\ndata: ", kept.epoch).into_bytes();
        // JSON has no line breaks of its own.
        frame.extend_from_slice(data);
        frame.extend_from_slice(b"\n\n");
        let event = Event { number, frame: frame.into() };
        if whole {
            kept.current.insert(kind, event.clone());
        }
        kept.bytes += event.frame.len();
        kept.events.push_back(event.clone());
        while kept.events.len() > KEPT_MAX || kept.bytes > KEPT_BYTES_MAX {
            let Some(oldest) = kept.events.pop_front() else { break };
            kept.bytes -= oldest.frame.len();
        }
        // Sent under the lock, so that a client that connects now receives it exactly once.
        let _ = self.sender.send(event);
    }

    /// Adds a client; `last` is the id of the last event that it received. `None`: there are too many.
    pub(super) fn listen(self: &Arc<Self>, last: Option<&str>) -> Option<Listener> {
        if self.listeners.fetch_add(1, Ordering::Relaxed) >= LISTENERS_MAX {
            self.listeners.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let kept = self.kept();
        let first = match last.map(|last| kept.after(last)) {
            Some(Some(missed)) => missed,
            missed => {
                let reset =
                    missed.map(|_| Event { number: 0, frame: Bytes::from_static(b"event: reset\ndata: {}\n\n") });
                reset.into_iter().chain(kept.current.values().cloned()).collect()
            }
        };
        let later = self.sender.subscribe();
        drop(kept);
        self.came.notify_one();
        Some(Listener { hub: self.clone(), first, later })
    }

    /// Drops all events.
    pub(super) fn forget(&self) {
        *self.kept() = Kept::new();
    }

    /// How many clients listen now.
    pub(in crate::http) fn listeners(&self) -> usize {
        self.listeners.load(Ordering::Relaxed)
    }

    /// Waits until a client is connected.
    pub(super) async fn listener_connected(&self) {
        while self.listeners() == 0 {
            self.came.notified().await;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // The lock cannot be poisoned in the middle of a change: nothing panics while it is held.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hub.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn texts(events: &[Event]) -> Vec<String> {
        events.iter().map(|event| String::from_utf8_lossy(&event.frame).into_owned()).collect()
    }

    #[test]
    fn a_client_that_reconnects_gets_missed_events_once() {
        let hub = Arc::new(Hub::default());
        hub.publish("status", b"1", true);
        hub.publish("moves", b"2", false);
        hub.publish("status", b"3", true);
        let back = hub.listen(Some(&format!("{}-1", hub.kept().epoch))).unwrap();
        assert_eq!(back.first.len(), 2, "{:?}", texts(&back.first));
        let new = hub.listen(None).unwrap();
        assert_eq!(texts(&new.first), [format!("id: {}-3\nevent: status\ndata: 3\n\n", hub.kept().epoch)]);
    }

    #[test]
    fn an_id_of_an_earlier_process_or_an_unknown_one_is_a_reset() {
        let hub = Arc::new(Hub::default());
        hub.publish("status", b"1", true);
        let last_of_another = format!("{:08x}-1", u32::from_str_radix(&hub.kept().epoch, 16).unwrap() ^ 1);
        for last in [&last_of_another, "", "x", "-1", &format!("{}-99", hub.kept().epoch)] {
            let first = texts(&hub.listen(Some(last)).unwrap().first);
            assert_eq!(first[0], "event: reset\ndata: {}\n\n", "{last:?}");
            assert!(first[1].contains("event: status"));
        }
    }

    #[test]
    fn what_is_too_long_ago_is_a_reset() {
        let hub = Arc::new(Hub::default());
        for _ in 0..=KEPT_MAX {
            hub.publish("moves", b"1", false);
        }
        let last = |number: u64| format!("{}-{number}", hub.kept().epoch);
        assert_eq!(texts(&hub.listen(Some(&last(0))).unwrap().first)[0], "event: reset\ndata: {}\n\n");
        assert_eq!(hub.listen(Some(&last(1))).unwrap().first.len(), KEPT_MAX);
    }

    #[test]
    fn events_without_a_listener_are_a_reset() {
        let hub = Arc::new(Hub::default());
        hub.publish("moves", b"1", false);
        let last = format!("{}-1", hub.kept().epoch);
        assert!(hub.listen(Some(&last)).unwrap().first.is_empty());
        hub.forget();
        assert_eq!(texts(&hub.listen(Some(&last)).unwrap().first), ["event: reset\ndata: {}\n\n"]);
    }

    #[test]
    fn there_is_an_end_to_listeners() {
        let hub = Arc::new(Hub::default());
        let all: Vec<_> = (0..LISTENERS_MAX).map(|_| hub.listen(None).unwrap()).collect();
        assert!(hub.listen(None).is_none());
        drop(all);
        assert!(hub.listen(None).is_some());
    }
}
