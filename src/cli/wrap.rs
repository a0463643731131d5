//! Wraps answers that are wider than the terminal.

use std::io::IsTerminal;

/// The indentation of a continued line.
const INDENT: &str = "      ";
/// Narrower terminals wrap lines themselves.
const WIDTH_MIN: usize = 30;

/// Wraps the text at the width of the terminal; without a terminal it stays as it is.
pub(super) fn for_stdout(text: &str) -> String {
    let is_terminal = std::io::stdout().is_terminal();
    match terminal_size::terminal_size() {
        Some((width, _)) if is_terminal => wrap(text, usize::from(width.0)),
        _ => text.to_owned(),
    }
}

/// Lines that are too long continue below, indented, so that the beginnings of lines stay aligned.
fn wrap(text: &str, width: usize) -> String {
    if width < WIDTH_MIN {
        return text.to_owned();
    }
    let options = textwrap::Options::new(width).subsequent_indent(INDENT);
    let lines = text.lines().map(|line| textwrap::fill(line, &options));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn long_lines_go_on_below_and_short_ones_stay_as_they_are() {
        let table = "ORG       STATE     REASON\nacme      failed    a row of nodes points to a group that is not there\nb         ready";
        let folded = wrap(table, 40);
        assert!(folded.lines().all(|line| line.chars().count() <= 40), "{folded}");
        assert!(
            folded.starts_with("ORG       STATE     REASON\nacme      failed    a row of nodes\n      points to"),
            "{folded}"
        );
        assert!(folded.ends_with("\nb         ready"), "{folded}");
        assert_eq!(wrap(table, 200), table);
    }
}
