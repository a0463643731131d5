//! What is typed or pasted on the terminal, in order, whoever reads it: the line editor, a question, or the live view.
//!
//! All of them read the terminal as events, from the same queue, and none in lines: what is left of a line that one of them has read would
//! be lost to the others. Between two reads the terminal keeps what is typed as it came: not echoed, and with its carriage returns.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use nix::sys::termios::{InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};

/// The pieces of a paste follow one another faster than this.
const PASTE_GAP: Duration = Duration::from_millis(100);

static AHEAD: Mutex<Ahead> = Mutex::new(Ahead { lines: VecDeque::new(), begun: String::new() });
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Lines that were typed while nobody read lines.
struct Ahead {
    lines: VecDeque<String>,
    /// The beginning of the next one.
    begun: String,
}

fn ahead() -> MutexGuard<'static, Ahead> {
    AHEAD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The terminal as it should be between two reads; as it was before when this is dropped.
pub(super) struct Unread {
    before: Option<Termios>,
}

impl Unread {
    /// Keeps what is typed from now on; does nothing without a terminal.
    pub(super) fn keep() -> Self {
        let terminal = io::stdin();
        let before = terminal.is_terminal().then(|| tcgetattr(terminal.as_fd()).ok()).flatten();
        if let Some(before) = &before {
            let mut unread = before.clone();
            unread.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
            unread.input_flags.remove(InputFlags::ICRNL);
            unread.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
            unread.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
            // A terminal that is gone needs no settings.
            let _ = tcsetattr(terminal.as_fd(), SetArg::TCSANOW, &unread);
            BEFORE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| before.clone());
        }
        Self { before }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, before);
        }
    }
}

/// The terminal as it was at first, for a process that ends at once.
pub(super) fn restore() {
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, before);
    }
}

/// The next whole line that was typed ahead.
pub(super) fn next_line() -> Option<String> {
    ahead().lines.pop_front()
}

/// The line that was begun and not ended.
pub(super) fn begun() -> String {
    std::mem::take(&mut ahead().begun)
}

/// A key that was pressed alone, for the live view; whatever else was typed is kept. `None`: nothing within the time.
pub(super) fn keys(within: Duration, steering: &str) -> io::Result<Vec<char>> {
    if !event::poll(within)? {
        return Ok(Vec::new());
    }
    let mut pressed = Vec::new();
    loop {
        if let Event::Key(key) = event::read()? {
            pressed.push(key);
        }
        if !event::poll(Duration::ZERO)? {
            break;
        }
    }
    let is_steering = |key: &KeyEvent| matches!(character(key), Some(c) if steering.contains(c));
    if ahead().begun.is_empty() && pressed.iter().all(is_steering) {
        return Ok(pressed.iter().filter_map(character).collect());
    }
    let mut ahead = ahead();
    pressed.iter().for_each(|key| ahead.take(key));
    Ok(Vec::new())
}

/// The next key, if one comes within the time: a letter, or a space for any other.
pub(super) fn key(within: Duration) -> io::Result<Option<char>> {
    if !event::poll(within)? {
        return Ok(None);
    }
    match event::read()? {
        Event::Key(KeyEvent { code: KeyCode::Char('c' | 'd'), modifiers: KeyModifiers::CONTROL, .. }) => Ok(Some('q')),
        Event::Key(key) => Ok(Some(character(&key).unwrap_or(' '))),
        _ => Ok(None),
    }
}

/// Whether something was typed that nobody has read.
pub(super) fn is_pending() -> bool {
    let has_lines = {
        let ahead = ahead();
        !ahead.lines.is_empty() || !ahead.begun.is_empty()
    };
    has_lines || event::poll(Duration::ZERO).unwrap_or(false)
}

/// Reads a line, and shows it while it is typed; `None` when `is_over` says so.
pub(super) fn line(is_over: impl Fn() -> bool) -> io::Result<Option<String>> {
    if let Some(line) = next_line() {
        println!("{line}");
        return Ok(Some(line));
    }
    let _unread = Unread::keep();
    let mut line = begun();
    show(&line)?;
    while !is_over() {
        // Nobody else reads what this reads: it must not read on after its end.
        if !event::poll(PASTE_GAP)? || is_over() {
            continue;
        }
        let Event::Key(key) = event::read()? else { continue };
        match (key.code, character(&key)) {
            (KeyCode::Enter, _) => {
                println!();
                return Ok(Some(line));
            }
            (KeyCode::Backspace, _) if line.pop().is_some() => show("\u{8} \u{8}")?,
            (KeyCode::Char('d'), _) if key.modifiers == KeyModifiers::CONTROL && line.is_empty() => return Ok(None),
            (_, Some(c)) => {
                line.push(c);
                show(c.encode_utf8(&mut [0; 4]))?;
            }
            _ => {}
        }
    }
    Ok(None)
}

fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Forgets what was typed or pasted ahead; returns how many lines that were.
pub(super) fn forget() -> usize {
    let mut ahead = ahead();
    while event::poll(PASTE_GAP).unwrap_or(false) {
        match event::read() {
            Ok(Event::Key(key)) => ahead.take(&key),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    let lines = ahead.lines.len() + usize::from(!ahead.begun.is_empty());
    ahead.lines.clear();
    ahead.begun.clear();
    lines
}

impl Ahead {
    fn take(&mut self, key: &KeyEvent) {
        match (key.code, character(key)) {
            (KeyCode::Enter, _) => self.lines.push_back(std::mem::take(&mut self.begun)),
            (KeyCode::Backspace, _) => {
                self.begun.pop();
            }
            (_, Some(c)) => self.begun.push(c),
            _ => {}
        }
    }
}

/// The character that a key writes.
fn character(key: &KeyEvent) -> Option<char> {
    let plain = (key.modifiers - KeyModifiers::SHIFT).is_empty() && key.kind != KeyEventKind::Release;
    match key.code {
        KeyCode::Char(c) if plain => Some(c),
        KeyCode::Tab if plain => Some(' '),
        _ => None,
    }
}
