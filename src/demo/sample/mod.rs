//! The sample application: the kind of data that a hosted service for configuring servers keeps.
//!
//! The rows are generated inside the database, by one statement per table; indexes and keys come last.

mod error;
mod plan;
mod seed;
mod shape;

use mover_actors::domain::ids::OrgName;
use tokio_postgres::Client;
use uuid::Uuid;

pub use error::SampleError;
pub use seed::Seeded;
pub use shape::{Shape, Spread};

use crate::demo::postgres::connect;

/// This comment on the schema marks a sample, so that nothing else is ever dropped.
const COMMENT: &str = "Sample data of mover demo: dropped and made again at will";

/// The tables that move with an org, parents first.
pub const MOVED_TABLES: [&str; 10] = [
    "organizations",
    "org_user_associations",
    "org_user_invites",
    "global_groups",
    "groups",
    "group_members",
    "containers",
    "nodes",
    "cookbooks",
    "client_writes",
];

/// An org of the sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleOrg {
    /// Its name, also in its flags.
    pub name: OrgName,
    /// The key of its rows.
    pub id: Uuid,
}

/// The two databases of the sample.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The database in which all orgs live at first.
    pub old_url: String,
    /// The database that they move to.
    pub new_url: String,
}

impl Sample {
    /// Drops the contents of both databases and fills them again; calls `progress` after each table. Refuses a database that
    /// holds anything but an earlier sample.
    pub async fn reset(&self, shape: &Shape, progress: impl FnMut(Seeded)) -> Result<(), SampleError> {
        let (old, new) = (open(&self.old_url, "old").await?, open(&self.new_url, "new").await?);
        refuse_foreign(&old, "old").await?;
        refuse_foreign(&new, "new").await?;
        make_tables(&old, "old").await?;
        make_tables(&new, "new").await?;
        seed::fill(&old, &new, shape, progress).await?;
        for (client, store) in [(&old, "old"), (&new, "new")] {
            batch(client, store, "adding indexes and keys", include_str!("sql/constraints.sql")).await?;
        }
        let far_ahead = include_str!("sql/sequences_far_ahead.sql");
        batch(&new, "new", "setting sequences far ahead", far_ahead).await?;
        // It also sets hint bits, which the first reader would otherwise write.
        batch(&old, "old", "analyzing", "VACUUM ANALYZE").await?;
        batch(&new, "new", "analyzing", "VACUUM ANALYZE").await
    }

    /// All orgs, by name.
    pub async fn orgs(&self) -> Result<Vec<SampleOrg>, SampleError> {
        let old = open(&self.old_url, "old").await?;
        let rows = old.query(include_str!("sql/orgs.sql"), &[]).await;
        let rows = rows.map_err(failed("old", "reading organizations"))?;
        rows.iter().map(|row| Ok(SampleOrg { name: OrgName::new(row.get::<_, String>(0))?, id: row.get(1) })).collect()
    }
}

/// Both databases are checked before the first is changed.
async fn refuse_foreign(client: &Client, store: &'static str) -> Result<(), SampleError> {
    let found = client.query_opt(include_str!("sql/what_is_there.sql"), &[&COMMENT]).await;
    let found = found.map_err(failed(store, "looking what is there"))?;
    let (ours, occupied) = found.map_or((false, false), |row| (row.get(0), row.get(1)));
    if occupied && !ours {
        return Err(SampleError::NotOurs { store });
    }
    if ours {
        // The engine's records of orgs that moved here are not valid for new ones.
        batch(client, store, "dropping what the engine left", "DROP SCHEMA IF EXISTS mover CASCADE").await?;
    }
    Ok(())
}

async fn make_tables(client: &Client, store: &'static str) -> Result<(), SampleError> {
    let anew = format!(
        "SET client_min_messages = warning; DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public; \
         COMMENT ON SCHEMA public IS '{COMMENT}'"
    );
    batch(client, store, "dropping an earlier sample", &anew).await?;
    batch(client, store, "creating tables", include_str!("sql/tables.sql")).await
}

async fn open(url: &str, store: &'static str) -> Result<Client, SampleError> {
    let client = connect(url).await.map_err(failed(store, "connecting"))?;
    // After a power loss the sample is created again.
    let settings =
        "SET synchronous_commit = off; SET maintenance_work_mem = '128MB'; SET client_min_messages = warning";
    batch(&client, store, "preparing the connection", settings).await?;
    Ok(client)
}

async fn batch(client: &Client, store: &'static str, doing: &'static str, sql: &str) -> Result<(), SampleError> {
    client.batch_execute(sql).await.map_err(failed(store, doing))
}

fn failed(store: &'static str, doing: &'static str) -> impl Fn(tokio_postgres::Error) -> SampleError {
    move |source| SampleError::Postgres { store, doing, source }
}
