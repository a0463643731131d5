//! `{{variable}}` -> its value.

use super::blocks::Place;
use super::{Mistake, Values};

/// Fills in the variables of a text. Values are not scanned again.
pub(super) fn fill(text: &str, (line, column): Place, values: &Values, mistakes: &mut Vec<Mistake>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let at = text[..text.len() - rest.len() + before.len()].chars().count();
        let mut wrong = |problem| mistakes.push(Mistake { line, column: column + at, problem });
        let Some((name, after)) = after.split_once("}}") else {
            wrong("{{ without }}: a variable is written {{name}}".to_owned());
            return filled;
        };
        match values.get(name.trim()) {
            Some(value) => filled.push_str(value),
            None => wrong(format!("variable {name:?} is unknown; the front matter lists variables under [vars]")),
        }
        rest = after;
    }
    filled + rest
}
