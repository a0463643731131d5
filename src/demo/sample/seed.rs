//! Fills the tables, each by one statement inside the database.

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio_postgres::{Client, types::ToSql};

use super::{SampleError, batch, failed, plan::Plan, shape::Shape};

/// Bodies are cut from noise of this size, at any offset.
const NOISE_BYTES: usize = 128 * 1024;

/// A table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeded {
    /// Its name.
    pub table: &'static str,
    /// Its rows in the old store.
    pub rows: u64,
}

type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

pub(super) async fn fill(
    old: &Client,
    new: &Client,
    shape: &Shape,
    mut progress: impl FnMut(Seeded),
) -> Result<(), SampleError> {
    let plan = Plan::of(shape);
    let (seed, users) = (&shape.seed, &plan.users);
    let mut noise = vec![0; NOISE_BYTES];
    StdRng::seed_from_u64(shape.seed.cast_unsigned()).fill_bytes(&mut noise);
    send_plan(old, seed, &plan).await?;

    let users_sql = include_str!("sql/seed_users.sql");
    run(new, "new", "filling users", users_sql, &[seed, users]).await?;
    let tables: [(&str, &str, Parameters<'_>); 10] = [
        ("users", users_sql, &[seed, users]),
        ("organizations", include_str!("sql/seed_organizations.sql"), &[seed]),
        ("org_user_associations", include_str!("sql/seed_org_user_associations.sql"), &[seed, users]),
        ("org_user_invites", include_str!("sql/seed_org_user_invites.sql"), &[seed]),
        ("global_groups", include_str!("sql/seed_global_groups.sql"), &[]),
        ("groups", include_str!("sql/seed_groups.sql"), &[seed]),
        ("group_members", include_str!("sql/seed_group_members.sql"), &[seed, users]),
        ("containers", include_str!("sql/seed_containers.sql"), &[seed]),
        ("nodes", include_str!("sql/seed_nodes.sql"), &[seed, &noise, &plan.body_bytes]),
        ("cookbooks", include_str!("sql/seed_cookbooks.sql"), &[seed]),
    ];
    for (table, sql, parameters) in tables {
        let rows = run(old, "old", "filling the tables", sql, parameters).await?;
        progress(Seeded { table, rows });
    }
    Ok(())
}

async fn send_plan(old: &Client, seed: &i64, plan: &Plan) -> Result<(), SampleError> {
    batch(old, "old", "planning", include_str!("sql/seed_plan.sql")).await?;
    let Plan { associations, invites, groups, members, containers, nodes, cookbooks, .. } = plan;
    let columns: Parameters<'_> = &[seed, associations, invites, groups, members, containers, nodes, cookbooks];
    run(old, "old", "planning", include_str!("sql/seed_plan_rows.sql"), columns).await?;
    batch(old, "old", "planning", "ANALYZE seed_plan").await
}

async fn run(
    client: &Client,
    store: &'static str,
    doing: &'static str,
    sql: &str,
    parameters: Parameters<'_>,
) -> Result<u64, SampleError> {
    client.execute(sql, parameters).await.map_err(failed(store, doing))
}
