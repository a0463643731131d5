//! Files of org names: one on each line, or the answer of `orgs list`, as a table or as JSON.

use serde::Deserialize;

/// The header of the first two columns of `orgs list`.
const ORG: &str = "ORG";
const STATE: &str = "STATE";
/// The end of a name that the table has shortened.
const SHORTENED: char = '…';

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The line, from 1.
    pub(super) line: Option<usize>,
    pub(super) problem: String,
}

/// A name, and its line if it has one of its own.
type Named = (Option<usize>, String);

#[derive(Deserialize)]
struct Listed {
    orgs: Vec<Org>,
}

#[derive(Deserialize)]
struct Org {
    org: String,
}

/// The names in a file, in order.
pub(super) fn names(text: &str) -> Result<Vec<Named>, Mistake> {
    if text.trim_start().starts_with('{') {
        let listed: Result<Listed, _> = serde_json::from_str(text.trim());
        let problem = |error| Mistake { line: None, problem: format!("no answer of `orgs list`: {error}") };
        return Ok(listed.map_err(problem)?.orgs.into_iter().map(|one| (None, one.org)).collect());
    }
    match text.lines().next().and_then(state_column) {
        Some(width) => of_table(text, width),
        None => Ok(plain(text)),
    }
}

/// Where the second column of a table begins, if this line is its header.
fn state_column(line: &str) -> Option<usize> {
    let mut words = line.split_whitespace();
    let is_header = (words.next(), words.next()) == (Some(ORG), Some(STATE));
    line.find(STATE).filter(|_| is_header)
}

fn of_table(text: &str, width: usize) -> Result<Vec<Named>, Mistake> {
    let mut names = Vec::new();
    for (at, line) in text.lines().enumerate().skip(1) {
        let name: String = line.chars().take(width).collect();
        // A line below the table says that there are more.
        let has_state = line.chars().nth(width).is_some_and(char::is_alphabetic) && name.ends_with(' ');
        if !has_state {
            continue;
        }
        let name = name.trim_end().to_owned();
        if name.ends_with(SHORTENED) {
            let problem = format!(
                "{name} is shortened; write the list with its whole names: mover exec --json 'orgs list …' > FILE"
            );
            return Err(Mistake { line: Some(at + 1), problem });
        }
        names.push((Some(at + 1), name));
    }
    Ok(names)
}

fn plain(text: &str) -> Vec<Named> {
    let lines = text.lines().map(str::trim).enumerate();
    let named = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    named.map(|(at, line)| (Some(at + 1), line.to_owned())).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::names;

    fn found(text: &str) -> Vec<String> {
        names(text).unwrap().into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn a_file_has_names_or_what_orgs_list_answered() {
        assert_eq!(found("# the first\nacme\n\n  glob ex \n"), ["acme", "glob ex"]);
        let table = "ORG        STATE   ROWS  CHANGED (UTC)        REASON\n\
                     acme, inc  failed  12    2026-11-30 19:00:00  a row\n\
                     b          failed        2026-11-30 19:00:00\n\
                     there are more: limit=500 shows more of them\n";
        assert_eq!(found(table), ["acme, inc", "b"]);
        assert_eq!(found(r#"{"orgs":[{"org":"50%","state":"ready"}],"more":false}"#), ["50%"]);
    }

    #[test]
    fn a_name_that_was_shortened_is_refused() {
        let mistake = names("ORG     STATE\nlong…   ready\n").unwrap_err();
        assert_eq!(mistake.line, Some(2));
        assert!(mistake.problem.contains("--json"), "{}", mistake.problem);
    }
}
