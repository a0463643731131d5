//! A command as separate words, for programs: no name needs quotes, and a name cannot be mistaken for a keyword.

use serde::Deserialize;

use super::line::{quoted, written};

/// One word of a command.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Word {
    /// A keyword, a name, a selection such as `5%`, or an option such as `workers=8`.
    One(String),
    /// Names of orgs. A keyword, such as `all`, is a name here.
    Names(Vec<String>),
}

/// The equivalent line.
pub fn line_of(words: &[Word]) -> String {
    let words = words.iter().map(|word| match word {
        Word::One(text) if is_said_plainly(text) => text.clone(),
        Word::One(text) => written(text, &[]),
        Word::Names(names) => names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(","),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether the word needs no quotes: keywords, numbers, percentages and options.
fn is_said_plainly(text: &str) -> bool {
    let wordlike = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '%'))
    };
    match text.split_once('=') {
        Some((key, value)) => wordlike(key) && wordlike(value),
        None => wordlike(text),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::command::parse;

    fn one(text: &str) -> Word {
        Word::One(text.into())
    }

    #[test]
    fn words_mean_what_the_line_means() {
        let words = [one("migrate"), one("whole_org"), one("5%"), one("workers=8")];
        assert_eq!(parse(&line_of(&words)).unwrap(), parse("migrate whole_org 5% workers=8").unwrap());
    }

    #[test]
    fn a_name_is_never_anything_else() {
        for name in ["acme, inc", "a b", "@/etc/passwd", "\"", "#", "all x", "x=\"y", "\n", "acme; halt"] {
            let words = [one("org"), one(name)];
            let line = line_of(&words);
            let Ok(Some(super::super::Command::Org { org, .. })) = parse(&line) else { panic!("{line}") };
            assert_eq!(org.as_str(), name);
        }
        let words = [one("orgs"), one("ready"), one("whole_org"), Word::Names(vec!["all".into(), "5%".into()])];
        assert_eq!(parse(&line_of(&words)).unwrap(), parse(r#"orgs ready whole_org "all","5%""#).unwrap());
    }
}
