//! Completion of a line, and the rest of its syntax as a hint.

use std::path::Path;

use crate::command::{Spec, erlang, specs, written_name};

/// The known names.
pub(in crate::cli) trait Names {
    /// The names of migrations.
    fn migrations(&self) -> Vec<String>;
    /// The names of orgs with this prefix, a screenful at most.
    fn orgs(&self, begin: &str) -> Vec<String>;
}

/// How the last word of a line can continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Completion {
    /// Where that word begins, in bytes.
    pub(super) start: usize,
    /// The possible words.
    pub(super) words: Vec<String>,
}

/// Completes the end of a line.
pub(super) fn complete(line: &str, names: &dyn Names) -> Completion {
    if erlang::is_erlang(line) || line.starts_with("mover_") || line.starts_with("moser_") || line.starts_with("appl") {
        return Completion {
            start: 0,
            words: erlang::calls().into_iter().filter(|call| call.starts_with(line)).collect(),
        };
    }
    let start = last_word(line);
    let (before, begin) = line.split_at(start);
    // A name that is typed in quotes is looked up without them.
    let bare = begin.strip_prefix('"').map(|rest| rest.replace("\\\"", "\"").replace("\\\\", "\\"));
    let mut found = candidates(before, bare.as_deref().unwrap_or(begin), names);
    match &bare {
        // Only a name stands in quotes.
        Some(name) => found.retain(|one| one.is_name && one.text.starts_with(name.as_str())),
        None => found.retain(|one| one.text.starts_with(begin)),
    }
    let mut words: Vec<String> = found.into_iter().map(Candidate::written).collect();
    words.dedup();
    Completion { start, words }
}

/// Where the last word of a line begins, in bytes; what is in quotes is one word.
fn last_word(line: &str) -> usize {
    let (mut start, mut in_quotes, mut escaped) = (0, false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            _ if !in_quotes && (c.is_whitespace() || c == ',') => start = at + c.len_utf8(),
            _ => {}
        }
    }
    start
}

/// What a word can become.
struct Candidate {
    text: String,
    /// Whether it is the name of an org: it is quoted if it would be read as something else.
    is_name: bool,
}

impl Candidate {
    fn word(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_name: false }
    }

    fn name(text: String) -> Self {
        Self { text, is_name: true }
    }

    fn written(self) -> String {
        if self.is_name { written_name(&self.text) } else { self.text }
    }
}

/// The rest of a command's syntax, once its words are typed.
pub(super) fn rest_of_syntax(line: &str) -> Option<String> {
    let typed = line.split_whitespace().count();
    let spec = spec_of(line)?;
    if !line.ends_with(' ') || typed < spec.words.len() {
        return None;
    }
    let left: Vec<String> =
        slots(spec).into_iter().skip(typed - spec.words.len()).map(|slot| slot.join(" | ")).collect();
    (!left.is_empty()).then(|| left.join(" "))
}

fn spec_of(line: &str) -> Option<&'static Spec> {
    let words: Vec<&str> = line.split_whitespace().collect();
    specs().find(|spec| words.starts_with(spec.words))
}

fn candidates(before: &str, begin: &str, names: &dyn Names) -> Vec<Candidate> {
    let words = |words: Vec<String>| words.into_iter().map(Candidate::word).collect::<Vec<_>>();
    let typed: Vec<&str> = before.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    if typed.first() == Some(&"help") {
        return words(next_words(&typed[1..]));
    }
    let Some(spec) = specs().find(|spec| typed.starts_with(spec.words)) else {
        return words(next_words(&typed));
    };
    if let Some(path) = begin.strip_prefix('@') {
        return files(path).into_iter().map(|path| Candidate::word(format!("@{path}"))).collect();
    }
    let arguments = &typed[spec.words.len()..];
    if let Some((option, _)) = begin.split_once('=') {
        let values = values(spec, option).into_iter();
        return values.map(|value| Candidate::word(format!("{option}={value}"))).collect();
    }
    // In a list the part after the last comma continues.
    let is_list = before.ends_with(',');
    let place = arguments.iter().filter(|word| !word.contains('=')).count() - usize::from(is_list);
    let mut found = Vec::new();
    for kind in slots(spec).get(place).into_iter().flatten() {
        match kind.trim_end_matches(",…").trim_matches(['[', ']']) {
            "MIGRATION" => found.extend(words(names.migrations())),
            "NAME" => found.extend(names.orgs(begin).into_iter().map(Candidate::name)),
            "FILE" => found.extend(words(files(begin))),
            "@FILE" => found.push(Candidate::word("@")),
            word if word.starts_with(|c: char| c.is_lowercase() || c == '-' || c == '5') && !is_list => {
                found.push(Candidate::word(word))
            }
            _ => {}
        }
    }
    if !is_list {
        let is_flag = |option: &str| spec.syntax.contains(&format!("--{option}"));
        found.extend(spec.options.iter().map(|option| match is_flag(option) {
            true => Candidate::word(format!("--{option}")),
            false => Candidate::word(format!("{option}=")),
        }));
    }
    found
}

fn next_words(typed: &[&str]) -> Vec<String> {
    let mut words: Vec<_> =
        specs().filter(|spec| spec.words.starts_with(typed)).filter_map(|spec| spec.words.get(typed.len())).collect();
    words.dedup();
    words.into_iter().map(|word| (*word).to_owned()).collect()
}

/// The alternatives at each place of a command's syntax, without its options.
fn slots(spec: &Spec) -> Vec<Vec<String>> {
    let mut slots: Vec<Vec<String>> = Vec::new();
    let mut goes_on = false;
    for part in spec.syntax.split_whitespace().skip(spec.words.len()) {
        match part {
            "|" => goes_on = true,
            _ if part.contains('=') && part.starts_with('[') => {}
            _ => {
                let alternatives = part.split('|').map(|word| word.trim_matches(['[', ']']).to_owned());
                match slots.last_mut().filter(|_| goes_on) {
                    Some(slot) => slot.extend(alternatives),
                    None => slots.push(alternatives.collect()),
                }
                goes_on = false;
            }
        }
    }
    slots
}

/// The possible values of an option.
fn values(spec: &Spec, option: &str) -> Vec<String> {
    let written = spec.syntax.split_whitespace().find_map(|part| part.strip_prefix(&format!("[{option}=")));
    let values = written.map(|values| values.trim_end_matches(']').split('|')).into_iter().flatten();
    values.filter(|value| value.starts_with(char::is_lowercase)).map(str::to_owned).collect()
}

/// Files and directories whose path begins like this.
fn files(begin: &str) -> Vec<String> {
    let at = begin.rfind('/').map_or(0, |at| at + 1);
    let (dir, name) = begin.split_at(at);
    let entries = std::fs::read_dir(if dir.is_empty() { Path::new(".") } else { Path::new(dir) });
    let mut found = Vec::new();
    for entry in entries.into_iter().flatten().flatten() {
        let Ok(entry_name) = entry.file_name().into_string() else { continue };
        let is_hidden = entry_name.starts_with('.') && !name.starts_with('.');
        if entry_name.starts_with(name) && !is_hidden {
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            found.push(format!("{dir}{entry_name}{}", if is_dir { "/" } else { "" }));
        }
    }
    found.sort();
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Few;

    impl Names for Few {
        fn migrations(&self) -> Vec<String> {
            vec!["phase_2".into(), "whole_org".into()]
        }

        fn orgs(&self, begin: &str) -> Vec<String> {
            ["acme", "acorn", "globex", "50%", "o'neil & sons", "failed"]
                .into_iter()
                .filter(|org| org.starts_with(begin))
                .map(str::to_owned)
                .collect()
        }
    }

    fn words(line: &str) -> Vec<String> {
        complete(line, &Few).words
    }

    #[test]
    fn commands_complete_word_by_word() {
        assert_eq!(words("mig"), ["migrate"]);
        assert_eq!(words("orgs "), ["capture", "add", "ready", "force-old", "list"]);
        assert_eq!(words("help orgs c"), ["capture"]);
        assert_eq!(words("set s"), ["sleep_time"]);
        assert_eq!(words("darklaunch orgs-503 o"), ["on", "off"]);
    }

    #[test]
    fn names_of_migrations_and_orgs_complete_where_they_belong() {
        assert_eq!(words("migrate ph"), ["phase_2"]);
        assert_eq!(words("migrate phase_2 a"), ["all", "acme", "acorn"]);
        assert_eq!(words("migrate phase_2 acme,ac"), ["acme", "acorn"]);
        assert_eq!(complete("migrate phase_2 acme,ac", &Few).start, "migrate phase_2 acme,".len());
        assert_eq!(words("org gl"), ["globex"]);
        assert_eq!(words("darklaunch org acme 5"), ["503"]);
    }

    /// An org that is called like a percentage must not become half of all orgs.
    #[test]
    fn names_that_would_mean_something_else_are_quoted() {
        assert_eq!(words("rollback phase_2 50"), ["\"50%\""]);
        assert_eq!(words("org o'"), ["\"o'neil & sons\""]);
        assert_eq!(words("retry phase_2 fa"), ["failed", "\"failed\""]);
        let quoted = complete("migrate phase_2 acme,\"o'neil &", &Few);
        assert_eq!((quoted.start, quoted.words), ("migrate phase_2 acme,".len(), vec!["\"o'neil & sons\"".to_owned()]));
        assert_eq!(words("migrate phase_2 \"al"), Vec::<String>::new());
    }

    #[test]
    fn options_and_their_values_complete() {
        assert_eq!(words("migrate phase_2 all w"), ["workers="]);
        assert_eq!(words("orgs list phase_2 state=f"), ["state=failed", "state=finalized"]);
        assert_eq!(words("status --"), ["--watch"]);
    }

    #[test]
    fn calls_of_the_original_system_complete() {
        assert_eq!(words("mover_manager:hal"), ["mover_manager:halt_actions()."]);
    }

    #[test]
    fn the_rest_of_the_syntax_is_a_hint() {
        assert_eq!(rest_of_syntax("orgs capture ").unwrap(), "MIGRATION");
        assert_eq!(rest_of_syntax("orgs ready phase_2 ").unwrap(), "all | N | N% | NAME,… | @FILE");
        assert_eq!(rest_of_syntax("orgs ready phase_2 all "), None);
        assert_eq!(rest_of_syntax("nonsense "), None);
    }
}
