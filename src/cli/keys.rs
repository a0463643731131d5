//! Single keys in the live view of a campaign.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;

use super::typed::{self, Unread};

/// The keys that steer a campaign or leave its view.
const STEERING: &str = "bqp+-";
/// The reader notices its end after this time.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Delivers each steering key at once, until this is dropped; other input is kept for the next line. Ctrl-C stays a signal.
pub(super) struct Keys {
    _unread: Unread,
    is_over: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    keys: mpsc::Receiver<char>,
}

impl Keys {
    /// Listens on the terminal, if standard input is one.
    pub(super) fn listen() -> Option<Self> {
        if !std::io::stdin().is_terminal() {
            return None;
        }
        let unread = Unread::keep();
        let is_over = Arc::new(AtomicBool::new(false));
        let (pressed, keys) = mpsc::channel(16);
        let stop = Arc::clone(&is_over);
        let reader = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let Ok(read) = typed::keys(LOOK_EVERY, STEERING) else { return };
                for key in read {
                    // Keys beyond the capacity of the channel are dropped.
                    let _ = pressed.try_send(key);
                }
            }
        });
        Some(Self { _unread: unread, is_over, reader: Some(reader), keys })
    }

    /// The next key.
    pub(super) async fn next(&mut self) -> Option<char> {
        self.keys.recv().await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            // It only reads; its result does not matter.
            let _ = reader.join();
        }
    }
}
