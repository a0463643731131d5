//! A pseudo-terminal whose screen is kept by an emulator.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::pty::{Winsize, openpty};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

const HANGS_AFTER: Duration = Duration::from_secs(60);
const ROWS: NonZero<u16> = NonZero::new(40).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(110).unwrap();
pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_D: &str = "\x04";
pub(crate) const TAB: &str = "\t";
pub(crate) const ENTER: &str = "\r";

/// A console in a terminal.
pub(crate) struct Terminal {
    console: Child,
    /// Its other end.
    pub(crate) keys: Arc<OwnedFd>,
    screen: watch::Receiver<String>,
}

impl Terminal {
    /// A console with these arguments in a directory. Its history of lines is in that directory, too.
    pub(crate) fn open(dir: &Path, arguments: &[&str]) -> Self {
        Self::sized(dir, arguments, (ROWS.get(), COLUMNS.get()))
    }

    /// The same in a terminal of so many rows and columns.
    pub(crate) fn sized(dir: &Path, arguments: &[&str], (rows, columns): (u16, u16)) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        // Ctrl-C is a signal only to the process group that the terminal controls.
        let mut console = Command::new("setsid");
        console
            .args(["--ctty", env!("CARGO_BIN_EXE_mover"), "console"])
            .args(arguments)
            .current_dir(dir)
            .env("HOME", dir)
            .env("TERM", "xterm-256color");
        console.env_remove("NO_COLOR").env_remove("MOVER_LOG").kill_on_drop(true);
        for set in [Command::stdin, Command::stdout, Command::stderr] {
            set(&mut console, Stdio::from(pty.slave.try_clone().unwrap()));
        }
        let console = console.spawn().unwrap();
        drop(pty.slave);
        let keys = Arc::new(pty.master);
        let (shown, screen) = watch::channel(String::new());
        let terminal = Arc::clone(&keys);
        let some = |number| NonZero::new(number).unwrap();
        std::thread::spawn(move || {
            let mut output = File::from(terminal.try_clone().unwrap());
            let mut emulator = vt100::Parser::new(some(rows), some(columns), 0);
            let mut size = (rows, columns);
            let mut part = [0; 4096];
            // The end of the console is an error here.
            while let Ok(length @ 1..) = output.read(&mut part) {
                // A person may have given it another size.
                let now = rustix::termios::tcgetwinsize(&output).map_or(size, |now| (now.ws_row, now.ws_col));
                if std::mem::replace(&mut size, now) != now {
                    emulator.screen_mut().set_size(some(now.0), some(now.1));
                }
                emulator.process(&part[..length]);
                if part[..length].windows(4).any(|asked| asked == b"\x1b[6n") {
                    let (row, column) = emulator.screen().cursor_position();
                    // At once, so that no key comes into the middle of it.
                    let _ = (&output).write_all(format!("\x1b[{};{}R", row + 1, column + 1).as_bytes());
                }
                shown.send_replace(emulator.screen().contents());
            }
        });
        Self { console, keys, screen }
    }

    pub(crate) fn press(&self, keys: &str) {
        File::from(self.keys.try_clone().unwrap()).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen is as expected.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl FnMut(&String) -> bool) {
        let seen = timeout(HANGS_AFTER, self.screen.wait_for(is_so)).await.is_ok_and(|seen| seen.is_ok());
        assert!(seen, "never {what}, but:\n{}", *self.screen.borrow());
    }

    pub(crate) async fn shows(&mut self, text: &str) {
        self.until(&format!("shown: {text:?}"), |screen| screen.contains(text)).await;
    }

    /// The last line that says anything.
    pub(crate) async fn ends_with(&mut self, text: &str) {
        self.until(&format!("at the end: {text:?}"), |screen| screen.trim_end().ends_with(text)).await;
    }

    pub(crate) async fn prompts(&mut self) {
        self.ends_with("mover>").await;
    }

    pub(crate) async fn leave(mut self) {
        self.press(CTRL_D);
        let ended = timeout(HANGS_AFTER, self.console.wait()).await.expect("the console ends");
        assert_eq!(ended.unwrap().code(), Some(0));
    }
}
