//! A command that came as words from a shell, which has taken the quotes away.

/// The command as one line of the command language. One word is the line itself. Names with spaces, alone or in lists, get quotes again.
pub(super) fn joined(words: &[String]) -> String {
    match words {
        [line] => line.clone(),
        words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    }
}

fn quoted(word: &str) -> String {
    let has_space = |text: &str| text.contains(char::is_whitespace);
    if word.contains('"') || !has_space(word) {
        return word.to_owned();
    }
    let name = |name: &str| if has_space(name) { format!("\"{name}\"") } else { name.to_owned() };
    word.split(',').map(name).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_the_quotes_that_a_shell_took_away() {
        for (words, line) in [
            (&["migrate whole_org all"] as &[&str], "migrate whole_org all"),
            (&["migrate", "whole_org", "all", "workers=8"], "migrate whole_org all workers=8"),
            (&["orgs", "add", "acme,Glob Ex", "phase_2"], "orgs add acme,\"Glob Ex\" phase_2"),
            (&["org", "Glob Ex"], "org \"Glob Ex\""),
            (&["org", "\"Glob, Ex\""], "org \"Glob, Ex\""),
        ] {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            assert_eq!(joined(&words), line);
        }
    }
}
