//! The line editor. It runs in a thread of its own, because waiting for a key would stall the runtime.

use std::path::PathBuf;
use std::thread;

use nu_ansi_term::{Color, Style};
use reedline::{
    ColumnarMenu, Completer, CompletionResult, DefaultHinter, DefaultPrompt, DefaultPromptSegment, EditCommand, Emacs,
    ExternalPrinter, FileBackedHistory, Hinter, History, KeyCode, KeyModifiers, MenuBuilder, Prompt, Reedline,
    ReedlineEvent, ReedlineMenu, Signal, Span, Suggestion, ValidationResult, Validator, default_emacs_keybindings,
};
use tokio::sync::mpsc;

use crate::app::PRIVATE_DIR;
use crate::cli::screen::Screen;
use crate::cli::typed;

use super::paint::Paint;
use super::words::{Names, complete, rest_of_syntax};
use super::{Typed, hand_over, is_whole};

const HISTORY_LINES: usize = 10_000;
const PRINTER_LINES: usize = 10_000;
const MENU: &str = "completion_menu";

/// Starts the editor, whose prompt says which Mover it is; lines arrive in `lines` until Ctrl-D.
pub(super) fn start(place: &str, names: Box<dyn Names + Send>, screen: &Screen, lines: mpsc::Sender<Typed>) {
    let printer = ExternalPrinter::new(PRINTER_LINES);
    screen.show_prompt(printer.sender());
    let mut keys = default_emacs_keybindings();
    let next = ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(MENU.into()), ReedlineEvent::MenuNext]);
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, next);
    keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
    let colours = std::env::var_os("NO_COLOR").is_none();
    let mut editor = Reedline::create()
        .with_external_printer(printer)
        .with_completer(Box::new(Known(names)))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(ColumnarMenu::default().with_name(MENU))))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_hinter(Box::new(Hint::new()))
        .with_highlighter(Box::new(Paint))
        .with_validator(Box::new(UntilTheDot))
        .with_ansi_colors(colours);
    if let Ok(history) = FileBackedHistory::with_file(HISTORY_LINES, history_file()) {
        editor = editor.with_history(Box::new(history));
    }
    let prompt = format!("{place} mover");
    thread::spawn(move || edit(editor, prompt, &lines));
}

fn edit(mut editor: Reedline, prompt: String, lines: &mpsc::Sender<Typed>) {
    let prompt = DefaultPrompt::new(DefaultPromptSegment::Basic(prompt), DefaultPromptSegment::Empty);
    loop {
        // Lines that were typed while a command ran come first, in their order.
        if let Some(line) = typed::next_line() {
            println!("{}> {line}", prompt.render_prompt_left());
            if !hand_over(lines, line, 1) {
                return;
            }
            continue;
        }
        editor.run_edit_commands(&[EditCommand::InsertString(typed::begun())]);
        match editor.read_line(&prompt) {
            Ok(Signal::Success(line)) => {
                if !hand_over(lines, line, 1) {
                    return;
                }
            }
            // Ctrl-C discards the line, as in shells.
            Ok(Signal::CtrlC) => {}
            // The end of the input, or of the terminal.
            _ => return,
        }
    }
}

fn history_file() -> PathBuf {
    match std::env::var_os("HOME") {
        Some(home) => PathBuf::from(home).join(".mover_history"),
        None => PathBuf::from(PRIVATE_DIR).join("history"),
    }
}

/// Completes with known names.
struct Known(Box<dyn Names + Send>);

impl Completer for Known {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let completion = complete(line.get(..pos).unwrap_or(line), self.0.as_ref());
        let suggestions: Vec<Suggestion> = completion
            .words
            .into_iter()
            .map(|value| Suggestion {
                append_whitespace: !value.ends_with(['=', '/', '@', '(', '.']),
                span: Span::new(completion.start, pos),
                value,
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

/// An earlier line with this beginning; otherwise the rest of the syntax, which is shown and not inserted.
struct Hint {
    of_history: DefaultHinter,
    style: Style,
}

impl Hint {
    fn new() -> Self {
        let style = Style::new().fg(Color::DarkGray);
        Self { of_history: DefaultHinter::default().with_style(style), style }
    }
}

impl Hinter for Hint {
    fn handle(&mut self, line: &str, pos: usize, history: &dyn History, colours: bool, cwd: &str) -> String {
        let known = self.of_history.handle(line, pos, history, colours, cwd);
        match rest_of_syntax(line) {
            Some(rest) if known.is_empty() && colours => self.style.paint(rest).to_string(),
            _ => known,
        }
    }

    fn complete_hint(&self) -> String {
        self.of_history.complete_hint()
    }

    fn next_hint_token(&self) -> String {
        self.of_history.next_hint_token()
    }
}

/// An Erlang expression continues in the next line until its final dot.
struct UntilTheDot;

impl Validator for UntilTheDot {
    fn validate(&self, line: &str) -> ValidationResult {
        if is_whole(line) { ValidationResult::Complete } else { ValidationResult::Incomplete }
    }
}
