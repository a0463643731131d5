//! `token list`

use serde_json::json;

use super::answer::{Answer, at, rfc3339, table};
use super::error::OperationError;
use super::world::World;

/// Lists every token, revoked ones too.
pub async fn tokens(world: &World) -> Result<Answer, OperationError> {
    let tokens = world.log.tokens().await?;
    let rows: Vec<_> = tokens
        .iter()
        .map(|token| {
            let until = match (&token.revoked_at, &token.revoked_by, &token.expires_at) {
                (Some(revoked), by, _) => format!("revoked {} by {}", at(*revoked), by.as_deref().unwrap_or("?")),
                (None, _, Some(expires)) if *expires < std::time::SystemTime::now() => {
                    format!("expired {}", at(*expires))
                }
                (None, _, Some(expires)) => format!("until {}", at(*expires)),
                (None, _, None) => "until it is revoked".to_owned(),
            };
            [token.name.clone(), token.role.to_string(), at(token.created_at), token.created_by.clone(), until]
        })
        .collect();
    let text = match rows.is_empty() {
        true => "no token exists; next: mover token create NAME --role viewer".to_owned(),
        false => table(["NAME", "ROLE", "MADE (UTC)", "BY", "VALID"], &rows),
    };
    let json: Vec<_> = tokens
        .iter()
        .map(|token| {
            json!({
                "name": token.name, "role": token.role, "created_at": rfc3339(token.created_at),
                "created_by": token.created_by, "expires_at": token.expires_at.map(rfc3339),
                "revoked_at": token.revoked_at.map(rfc3339), "revoked_by": token.revoked_by,
            })
        })
        .collect();
    Ok(Answer::new(text, json!({ "tokens": json })))
}
