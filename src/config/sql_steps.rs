//! The statements of a migration that moves no rows.

use std::collections::BTreeSet;

use super::definition::SqlStep;
use super::reader::Section;

/// Reads `[[step]]`; at least one.
pub(super) fn read(document: &mut Section<'_>) -> Vec<SqlStep> {
    let sections = document.sections("step");
    if sections.is_empty() {
        document.missing("[[step]]", "what is carried out for each org: name and sql, and perhaps check and undo");
    }
    let mut names = BTreeSet::new();
    let mut steps = Vec::new();
    for mut section in sections {
        let name = section.required_text("name", "what the step is called when it fails");
        let sql = section.required_text("sql", "a statement; $1 is the org's key as a text");
        let check = section.text("check").map(|check| check.value);
        let undo = section.text("undo").map(|undo| undo.value);
        if let Some(name) = name.as_ref().filter(|name| !names.insert(name.value.clone())) {
            section.wrong(&name.place, format!("step {:?} is listed twice", name.value));
        }
        section.finish();
        if let (Some(name), Some(sql)) = (name, sql) {
            steps.push(SqlStep { name: name.value, sql: sql.value, check, undo });
        }
    }
    steps
}
