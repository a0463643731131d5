//! `mover token`: manages the tokens of HTTP clients.

use std::process::ExitCode;

use serde_json::json;

use crate::app::App;
use crate::http::access::Secret;
use crate::operations::{Answer, tokens};
use crate::state::Role;

use super::args::TokenCommand;
use super::error::CliError;
use super::exec::print;

const NAME_CHARS_MAX: usize = 60;

/// Creates, lists or revokes tokens.
pub(super) async fn token(app: &App, command: &TokenCommand) -> Result<ExitCode, CliError> {
    match command {
        TokenCommand::Create { name, role, days, json } => create(app, name, *role, *days, *json).await,
        TokenCommand::List { json } => {
            print(&tokens(&app.world).await?, *json);
            Ok(ExitCode::SUCCESS)
        }
        TokenCommand::Revoke { name, json } => {
            if !app.world.log.revoke_token(name).await? {
                return Err(CliError::NoToken { name: name.clone() });
            }
            let text = format!("the token of {name} opens nothing any more");
            print(&Answer::new(text, json!({ "revoked": name })), *json);
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn create(app: &App, name: &str, role: Role, days: Option<u16>, as_json: bool) -> Result<ExitCode, CliError> {
    let secret = Secret::generate();
    let Some(entry) = app.world.log.create_token(name, &secret.hash(), role, days).await? else {
        return Err(CliError::TokenName { name: name.to_owned() });
    };
    if !as_json {
        // On standard error, so that `mover token create … > file` keeps only the token.
        eprintln!("The token of {name}, with the role {role}. It is shown this once; Mover keeps a hash of it.");
    }
    let json = json!({ "name": entry.name, "role": role, "token": secret.expose() });
    print(&Answer::new(secret.expose(), json), as_json);
    Ok(ExitCode::SUCCESS)
}

/// The name appears in headers, logs and the audit.
pub(super) fn name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | ' ');
    match text.chars().find(|c| !allowed(*c)) {
        _ if text.trim().is_empty() => Err("whose is it? a name is needed".to_owned()),
        _ if text.chars().count() > NAME_CHARS_MAX => Err(format!("a name has at most {NAME_CHARS_MAX} characters")),
        Some(c) => Err(format!("a name has letters, digits, spaces and . - _ @, not {c:?}")),
        None => Ok(text.to_owned()),
    }
}
