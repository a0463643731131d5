//! Tokens of HTTP clients. Only hashes are stored.

use std::time::SystemTime;

use strum::VariantNames;

use super::decode::Columns;
use super::{PgMoveLog, StateError};

const DOING: &str = "keeping tokens";

/// SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// What the holder of a token may do; each role may do what those before it may.
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
    /// Look.
    Viewer,
    /// Run campaigns.
    Operator,
    /// Also what cannot be taken back, and what concerns all orgs.
    Admin,
}

impl Role {
    /// As it is written.
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
    /// Whose it is; the audit has this name.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// When it was made.
    pub created_at: SystemTime,
    /// By whom.
    pub created_by: String,
    /// From when on it opens nothing.
    pub expires_at: Option<SystemTime>,
    /// When it was taken back.
    pub revoked_at: Option<SystemTime>,
    /// By whom.
    pub revoked_by: Option<String>,
}

impl PgMoveLog {
    /// Keeps a new token, which is valid for so many days, or until it is taken back. `None` if the name was given before.
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

    /// Every token there ever was, in the order in which they were made.
    pub async fn tokens(&self) -> Result<Vec<TokenEntry>, StateError> {
        let rows = self.query(DOING, include_str!("sql/token_list.sql"), &[]).await?;
        rows.iter().map(|row| entry(&Columns::new(DOING, row))).collect()
    }

    /// The tokens that open something now, with their hashes.
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

    /// Takes a token back; false if no valid token has this name.
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
