//! The terminal, shared by log lines, progress bars and a prompt, none of which may garble another.

use std::io::{self, Write};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::MultiProgress;
use tracing_subscriber::fmt::MakeWriter;

/// What the screen shows now; clones share it.
#[derive(Clone, Default)]
pub(super) struct Screen(Arc<Mutex<Shown>>);

#[derive(Default)]
enum Shown {
    /// Nothing that a line could garble.
    #[default]
    Nothing,
    /// Bars that are redrawn below every line.
    Bars(MultiProgress),
    /// A prompt, whose editor prints lines above it.
    Prompt(SyncSender<String>),
}

impl Screen {
    /// Prints lines above these bars from now on.
    pub(super) fn show_bars(&self, bars: MultiProgress) {
        *self.lock() = Shown::Bars(bars);
    }

    /// Hands lines to the editor of the prompt from now on.
    pub(super) fn show_prompt(&self, lines: SyncSender<String>) {
        *self.lock() = Shown::Prompt(lines);
    }

    /// While something else is shown, lines are not handed to the prompt, which comes back afterwards.
    pub(super) async fn without_prompt<T>(&self, showing: impl Future<Output = T>) -> T {
        let before = std::mem::take(&mut *self.lock());
        let shown = showing.await;
        *self.lock() = before;
        shown
    }

    /// Prints lines straight to standard error again.
    pub(super) fn clear(&self) {
        *self.lock() = Shown::Nothing;
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print(&self, text: &[u8]) -> io::Result<()> {
        match &*self.lock() {
            Shown::Nothing => io::stderr().write_all(text),
            Shown::Bars(bars) => bars.suspend(|| io::stderr().write_all(text)),
            Shown::Prompt(lines) => {
                let line = String::from_utf8_lossy(text).trim_end().to_owned();
                // A flooded prompt loses lines, so that it does not block the work that writes them.
                let _ = lines.try_send(line);
                Ok(())
            }
        }
    }
}

/// One log line on its way to the screen.
pub(super) struct Line {
    screen: Screen,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // There is no better place to report that the terminal is gone.
        let _ = self.screen.print(&self.text);
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { screen: self.clone(), text: Vec::new() }
    }
}
