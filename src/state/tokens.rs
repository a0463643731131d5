//! Tokens of HTTP clients. Only hashes are stored.

use std::time::SystemTime;

use strum::VariantNames;

use super::decode::Columns;
use super::{PgMoveLog, StateError};

const DOING: &str = "keeping tokens";

/// SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// The role of a token; each role includes those before it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    utoipa::ToSchema,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantNames,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_fn = unknown_role, parse_err_ty = StateError)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Runs campaigns.
    Operator,
    /// Also does what cannot be undone, and what concerns all orgs.
    Admin,
}

impl Role {
    /// The name of the role.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

fn unknown_role(text: &str) -> StateError {
    let known = Role::VARIANTS.join(", ");
    StateError::invalid(DOING, format!("{text:?} is no role; there are {known}"))
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenEntry {
    /// Its number.
    pub id: i32,
    /// The name of its holder; the audit has this name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// When it was created.
    pub created_at: SystemTime,
    /// The user who created it.
    pub created_by: String,
    /// When it expires.
    pub expires_at: Option<SystemTime>,
    /// When it was revoked.
    pub revoked_at: Option<SystemTime>,
    /// The user who revoked it.
    pub revoked_by: Option<String>,
}

impl PgMoveLog {
    /// Stores a new token, which is valid for so many days, or until it is revoked. `None` if the name was used before.
    pub async fn create_token(
        &self,
        name: &str,
        hash: &TokenHash,
        role: Role,
        days: Option<u16>,
    ) -> Result<Option<TokenEntry>, StateError> {
        let days = days.map(i32::from);
        let sql = include_str!("sql/token_create.sql");
        let rows = self.query(DOING, sql, &[&name, &hash.as_slice(), &role.as_str(), &self.actor, &days]).await?;
        rows.first().map(|row| entry(&Columns::new(DOING, row))).transpose()
    }

    /// Every token, revoked ones too, in the order of creation.
    pub async fn tokens(&self) -> Result<Vec<TokenEntry>, StateError> {
        let rows = self.query(DOING, include_str!("sql/token_list.sql"), &[]).await?;
        rows.iter().map(|row| entry(&Columns::new(DOING, row))).collect()
    }

    /// The valid tokens, with their hashes.
    pub async fn valid_tokens(&self) -> Result<Vec<(TokenHash, TokenEntry)>, StateError> {
        let rows = self.query(DOING, include_str!("sql/token_valid.sql"), &[]).await?;
        let valid = |row| {
            let columns = Columns::new(DOING, row);
            let hash = columns.get::<&[u8]>("hash")?.try_into();
            let hash = hash.map_err(|_| StateError::invalid(DOING, "a stored hash has not 32 bytes"))?;
            Ok((hash, entry(&columns)?))
        };
        rows.iter().map(valid).collect()
    }

    /// Revokes a token; false if no valid token has this name.
    pub async fn revoke_token(&self, name: &str) -> Result<bool, StateError> {
        let rows = self.query(DOING, include_str!("sql/token_revoke.sql"), &[&name, &self.actor]).await?;
        Ok(!rows.is_empty())
    }
}

fn entry(columns: &Columns<'_>) -> Result<TokenEntry, StateError> {
    Ok(TokenEntry {
        id: columns.get("id")?,
        name: columns.get("name")?,
        role: columns.get::<&str>("role")?.parse()?,
        created_at: columns.get("created_at")?,
        created_by: columns.get("created_by")?,
        expires_at: columns.get("expires_at")?,
        revoked_at: columns.get("revoked_at")?,
        revoked_by: columns.get("revoked_by")?,
    })
}
