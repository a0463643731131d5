//! The console in a terminal: a pseudo-terminal whose screen is kept by an emulator.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::pty::{Winsize, openpty};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::still::Still;

const HANGS_AFTER: Duration = Duration::from_secs(60);
const ROWS: NonZero<u16> = NonZero::new(40).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(110).unwrap();
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_R: &str = "\x12";
const TAB: &str = "\t";
const ENTER: &str = "\r";

struct Terminal {
    console: Child,
    keys: Arc<OwnedFd>,
    screen: watch::Receiver<String>,
}

impl Terminal {
    /// A console in the directory of these servers. Its history of lines is in that directory, too.
    fn open(still: &Still) -> Self {
        let size = Winsize { ws_row: ROWS.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        // Ctrl-C is a signal only to whom the terminal controls.
        let mut console = Command::new("setsid");
        console
            .args(["--ctty", env!("CARGO_BIN_EXE_mover"), "console"])
            .current_dir(still.dir())
            .env("HOME", still.dir())
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
        std::thread::spawn(move || {
            let mut output = File::from(terminal.try_clone().unwrap());
            let mut emulator = vt100::Parser::new(ROWS, COLUMNS, 0);
            let mut part = [0; 4096];
            // The end of the console is an error here.
            while let Ok(length @ 1..) = output.read(&mut part) {
                emulator.process(&part[..length]);
                if part[..length].windows(4).any(|asked| asked == b"\x1b[6n") {
                    let (row, column) = emulator.screen().cursor_position();
                    let _ = write!(&output, "\x1b[{};{}R", row + 1, column + 1);
                }
                shown.send_replace(emulator.screen().contents());
            }
        });
        Self { console, keys, screen }
    }

    fn press(&self, keys: &str) {
        File::from(self.keys.try_clone().unwrap()).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen is as it should be.
    async fn until(&mut self, what: &str, is_so: impl FnMut(&String) -> bool) {
        let seen = timeout(HANGS_AFTER, self.screen.wait_for(is_so)).await.is_ok_and(|seen| seen.is_ok());
        assert!(seen, "never {what}, but:\n{}", *self.screen.borrow());
    }

    async fn shows(&mut self, text: &str) {
        self.until(&format!("shown: {text:?}"), |screen| screen.contains(text)).await;
    }

    /// The last line that says anything.
    async fn ends_with(&mut self, text: &str) {
        self.until(&format!("at the end: {text:?}"), |screen| screen.trim_end().ends_with(text)).await;
    }

    async fn prompts(&mut self) {
        self.ends_with("mover>").await;
    }

    async fn leave(mut self) {
        self.press(CTRL_D);
        let ended = timeout(HANGS_AFTER, self.console.wait()).await.expect("the console ends");
        assert_eq!(ended.unwrap().code(), Some(0));
    }
}

async fn ready() -> Still {
    let still = Still::new().await;
    for command in ["orgs capture whole_org_offline", "orgs ready whole_org_offline all"] {
        still.exec(command).await.with_code(0);
    }
    still
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_completes_hints_and_remembers() {
    let still = ready().await;
    let mut terminal = Terminal::open(&still);
    terminal.prompts().await;
    terminal.press(&format!("orgs li{TAB}"));
    // What is left of the syntax is a hint.
    terminal.ends_with("mover> orgs list MIGRATION").await;
    terminal.press(&format!("whole_org_o{TAB}state=rea{TAB}"));
    terminal.ends_with("mover> orgs list whole_org_offline state=ready").await;
    terminal.press(ENTER);
    terminal.shows("org_0006").await;
    terminal.prompts().await;
    terminal.press(&format!("org org_000{TAB}"));
    terminal
        .until("several orgs", |screen| screen.trim_end().ends_with("org_0006") && screen.contains("org org_000"))
        .await;
    terminal.press(CTRL_C);
    terminal.prompts().await;
    terminal.press(&format!("mover_manager:pi{TAB}{ENTER}"));
    terminal.shows("pong").await;
    terminal.press(&format!("mover_manager:migrate(all,{ENTER}"));
    terminal.ends_with(":::").await;
    terminal.press(CTRL_C);
    terminal.prompts().await;
    terminal.leave().await;

    let mut terminal = Terminal::open(&still);
    terminal.prompts().await;
    terminal.press(&format!("{CTRL_R}state"));
    terminal.shows("orgs list whole_org_offline state=ready").await;
    terminal.press(CTRL_C);
    terminal.press(CTRL_C);
    terminal.prompts().await;
    terminal.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_is_shown_steered_left_and_found_again() {
    let still = ready().await;
    let mut terminal = Terminal::open(&still);
    terminal.prompts().await;
    terminal.press(&format!("migrate whole_org_offline all workers=1 sleep=1500{ENTER}"));
    terminal.shows("b background").await;
    terminal.shows(" drain").await;
    terminal.press("p");
    terminal.shows("paused").await;
    terminal.press("p+");
    terminal.until("two orgs at work", |screen| screen.matches(" drain").count() == 2).await;
    terminal.press("b");
    terminal.shows("it goes on in the background").await;
    terminal.prompts().await;
    // What is typed stays whole while log lines come in.
    terminal.press("set sleep");
    terminal.press(&format!("_time 0{ENTER}"));
    terminal.shows("waits 0 ms after each block").await;
    terminal.press("stat");
    terminal.shows("the campaign has ended").await;
    terminal.ends_with("mover> stat").await;
    terminal.press(&format!("us --watch{ENTER}"));
    terminal.shows("100%").await;
    terminal.prompts().await;
    terminal.leave().await;
    assert_eq!(still.states("whole_org_offline").await.get("migrated"), Some(&6));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_halts_what_is_shown_and_a_wrong_answer_changes_nothing() {
    let still = ready().await;
    let mut terminal = Terminal::open(&still);
    terminal.prompts().await;
    terminal.press(&format!("migrate whole_org_offline all workers=1 sleep=700{ENTER}"));
    terminal.shows(" drain").await;
    terminal.press(CTRL_C);
    terminal.shows("campaign 1 ended: 1 migrated, 0 failed").await;
    terminal.prompts().await;
    terminal.press(&format!("darklaunch default cell=new{ENTER}"));
    terminal.shows("Type dl_default to go on:").await;
    terminal.press(&format!("yes{ENTER}"));
    terminal.shows("nothing was done").await;
    terminal.press(&format!("darklaunch default cell=new{ENTER}"));
    terminal.until("asked again", |screen| screen.matches("Type dl_default").count() == 2).await;
    terminal.press(&format!("dl_default{ENTER}"));
    terminal.shows("cell = \"new\"").await;
    terminal.prompts().await;
    terminal.leave().await;
    assert_eq!(still.flags("dl_default").await["cell"], "new");
    assert_eq!(still.states("whole_org_offline").await.get("migrated"), Some(&1));
}
