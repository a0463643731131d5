//! Local files that a remote command reads and writes.

use std::borrow::Cow;

use serde_json::json;

use crate::command::{Command, Which};
use crate::operations::{Answer, OperationError, selection};

/// The command without local files, and the file for its answer.
pub(super) fn without_files(command: &Command) -> Result<(Cow<'_, Command>, Option<String>), OperationError> {
    if command.file().is_none() {
        return Ok((Cow::Borrowed(command), None));
    }
    let mut command = command.clone();
    match &mut command {
        Command::OrgsReady { which, .. }
        | Command::Migrate { which, .. }
        | Command::Verify { which, .. }
        | Command::Retry { which, .. } => *which = Which::Orgs(selection(which)?),
        Command::Report { out, .. } => {
            let out = out.take();
            return Ok((Cow::Owned(command), out));
        }
        _ => {}
    }
    Ok((Cow::Owned(command), None))
}

/// Writes a report to the requested file, and returns an answer with its path.
pub(super) fn written(answer: &Answer, path: &str) -> Result<Answer, OperationError> {
    let report = answer.json["report"].as_str().unwrap_or(&answer.text);
    std::fs::write(path, report).map_err(|error| OperationError::File {
        path: path.into(),
        line: None,
        problem: error.to_string(),
    })?;
    Ok(Answer::new(format!("written to {path}"), json!({ "written_to": path })))
}
