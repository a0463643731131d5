//! Backups: the key that they are signed with, and what the history has of each.

use mover_actors::domain::ids::{Epoch, MoveId};

use super::decode::Columns;
use super::{PgMoveLog, StateError};

const DOING: &str = "reading the key that backups are signed with";

/// A backup as the history has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupEntry {
    /// Rows over all tables; `None` if the history does not say.
    pub rows: Option<i64>,
    /// What identifies its contents; `None` if an earlier version wrote it.
    pub sum: Option<String>,
}

impl PgMoveLog {
    /// The key that backups are signed with; made if there is none yet.
    pub async fn backup_key(&self) -> Result<[u8; 32], StateError> {
        if let Some(key) = self.find_backup_key().await? {
            return Ok(key);
        }
        let new: [u8; 32] = rand::random();
        self.query(DOING, include_str!("sql/backup_key_make.sql"), &[&new.as_slice()]).await?;
        // Another process may have been first.
        self.find_backup_key().await?.ok_or_else(|| StateError::invalid(DOING, "it was removed at once".to_owned()))
    }

    async fn find_backup_key(&self) -> Result<Option<[u8; 32]>, StateError> {
        let rows = self.query(DOING, include_str!("sql/backup_key.sql"), &[]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let secret: &[u8] = Columns::new(DOING, row).get("secret")?;
        let key = secret.try_into().map_err(|_| StateError::invalid(DOING, "it has another length".to_owned()))?;
        Ok(Some(key))
    }

    /// What the history has of the backup that a move made under this epoch.
    pub async fn backup_of(&self, id: MoveId, epoch: Epoch) -> Result<Option<BackupEntry>, StateError> {
        let doing = "looking for a backup in the history";
        let rows = self.query(doing, include_str!("sql/backup_of.sql"), &[&id.0, &epoch.0]).await?;
        let entry = |row| {
            let columns = Columns::new(doing, row);
            Ok(BackupEntry { rows: columns.get("rows")?, sum: columns.get("sum")? })
        };
        rows.first().map(entry).transpose()
    }
}
