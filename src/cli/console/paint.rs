//! Colours of a line while it is typed.

use nu_ansi_term::{Color, Style};
use reedline::{Highlighter, StyledText};

use crate::command::{self, erlang, specs};

/// Command words are bold, values of options blue, quoted texts green; wrong words are red, once the cursor is past them.
pub(super) struct Paint;

impl Highlighter for Paint {
    fn highlight(&self, line: &str, _: usize) -> StyledText {
        let mut styled = StyledText::new();
        if erlang::is_erlang(line) {
            styled.push((Style::new(), line.to_owned()));
            return styled;
        }
        let wrong_from = command::parse(line).err().map(|error| error.column() - 1);
        let words: Vec<&str> = line.split_whitespace().collect();
        let of_command = specs().filter(|spec| words.starts_with(spec.words)).map(|spec| spec.words.len()).max();
        let (mut at, mut number) = (0, 0);
        for part in line.split_inclusive(char::is_whitespace) {
            let is_word = !part.trim().is_empty();
            let end = at + part.chars().count();
            // The last word may only be unfinished.
            let is_wrong = is_word && wrong_from.is_some_and(|wrong| (at..end).contains(&wrong)) && part.ends_with(' ');
            let style = match part {
                _ if is_wrong => Style::new().fg(Color::Red),
                _ if number < of_command.unwrap_or(0) => Style::new().bold(),
                _ if part.starts_with('"') => Style::new().fg(Color::Green),
                _ if part.contains('=') => Style::new().fg(Color::Blue),
                _ => Style::new(),
            };
            styled.push((style, part.to_owned()));
            number += usize::from(is_word);
            at = end;
        }
        styled
    }
}
