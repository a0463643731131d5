//! Single keys in the live view of a campaign.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use nix::unistd::read;
use tokio::sync::mpsc;

/// Puts the terminal into a mode that delivers each key at once and echoes none, until this is dropped. Ctrl-C stays a signal.
pub(super) struct Keys {
    before: Termios,
    is_over: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    keys: mpsc::Receiver<u8>,
}

impl Keys {
    /// Listens on the terminal, if standard input is one.
    pub(super) fn listen() -> Option<Self> {
        let terminal = std::io::stdin();
        if !terminal.is_terminal() {
            return None;
        }
        let before = tcgetattr(terminal.as_fd()).ok()?;
        let mut single = before.clone();
        single.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        // A read ends after a tenth of a second without a key, so that the reader notices the end.
        single.control_chars[SpecialCharacterIndices::VMIN as usize] = 0;
        single.control_chars[SpecialCharacterIndices::VTIME as usize] = 1;
        tcsetattr(terminal.as_fd(), SetArg::TCSANOW, &single).ok()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (pressed, keys) = mpsc::channel(16);
        let stop = Arc::clone(&is_over);
        let reader = thread::spawn(move || {
            let mut key = [0];
            while !stop.load(Ordering::Relaxed) {
                match read(std::io::stdin(), &mut key) {
                    Ok(1) => {
                        // Keys beyond the capacity of the channel are dropped.
                        let _ = pressed.try_send(key[0]);
                    }
                    Ok(_) => {}
                    Err(nix::errno::Errno::EINTR) => {}
                    Err(_) => return,
                }
            }
        });
        Some(Self { before, is_over, reader: Some(reader), keys })
    }

    /// The next key.
    pub(super) async fn next(&mut self) -> Option<u8> {
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
        // A terminal that is gone needs no settings.
        let _ = tcsetattr(std::io::stdin().as_fd(), SetArg::TCSANOW, &self.before);
    }
}
