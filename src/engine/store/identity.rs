//! What is behind the address of a store: which server, on which timeline, and which database.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

/// A database that has not lost a commit since has the same identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreIdentity {
    /// The system identifier; empty if Mover's role may not read it.
    pub system: String,
    /// The timeline; 0 on a standby.
    pub timeline: i64,
    /// The number of the database.
    pub database: i64,
}

impl StoreIdentity {
    pub(in crate::engine) async fn read(client: &Client) -> Result<Self, Error> {
        let with = |system: &str| format!("SELECT {system} AS system, {}", include_str!("sql/identity.sql"));
        let all = with("(SELECT s.system_identifier::text FROM pg_control_system() s)");
        let row = match client.query_one(&all, &[]).await {
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                client.query_one(&with("''"), &[]).await?
            }
            row => row?,
        };
        Ok(Self {
            system: row.try_get("system")?,
            timeline: row.try_get("timeline")?,
            database: row.try_get("database_oid")?,
        })
    }

    /// What has changed since, as a sentence about the store; `None` if nothing has.
    pub fn changes(&self, now: &Self) -> Option<String> {
        let Self { system, timeline, database } = self;
        match () {
            () if !system.is_empty() && !now.system.is_empty() && *system != now.system => {
                Some(format!("it is another server than before (system identifier {system}, now {})", now.system))
            }
            () if *timeline != now.timeline => Some(format!(
                "another server has taken over, or a backup was replayed (timeline {timeline}, now {}): commits that had not \
                 reached it are lost",
                now.timeline
            )),
            () if *database != now.database => Some(format!(
                "its database was created anew, from a dump perhaps (number {database}, now {})",
                now.database
            )),
            () => None,
        }
    }
}
