//! Releases orgs for operators, and looks up their names.

use deadpool_postgres::GenericClient;
use mover_actors::domain::campaign::Selection;
use mover_actors::domain::ids::{MigrationName, OrgName};
use mover_actors::domain::state::State;

use super::campaigns::distinct;
use super::decode::Columns;
use super::query::{begin, commit, only, query};
use super::{PgMoveLog, StateError};

/// How many similar names an error suggests.
const NEAR_MAX: usize = 3;

impl PgMoveLog {
    /// Makes orgs ready that are in `from`: `holding`, `failed` or `rolled_back`.
    pub(super) async fn release(
        &self,
        doing: &str,
        from: State,
        migration: &MigrationName,
        selection: &Selection,
    ) -> Result<u64, StateError> {
        let mut client = self.client(doing).await?;
        let transaction = begin(&mut client, doing).await?;
        let limit = self.limit(&transaction, doing, migration, selection).await?.unwrap_or(i64::MAX);
        let (migration, from) = (migration.as_str(), from.as_str());
        let rows = match selection {
            Selection::Names(names) => {
                let names = distinct(names);
                let sql = include_str!("sql/move_release_named.sql");
                query(&transaction, doing, sql, &[&migration, &from, &names, &self.actor]).await?
            }
            Selection::All | Selection::First(_) | Selection::Percent(_) => {
                let sql = include_str!("sql/move_release.sql");
                query(&transaction, doing, sql, &[&migration, &from, &limit, &self.actor]).await?
            }
        };
        let released = Columns::new(doing, &only(doing, rows)?).count("count")?;
        commit(transaction, doing).await?;
        drop(client);
        self.vacuum_moves(released).await;
        Ok(released)
    }

    /// Makes rolled back orgs ready again.
    pub async fn retry_rolled_back(&self, migration: &MigrationName, selection: &Selection) -> Result<u64, StateError> {
        self.release("retrying orgs that were rolled back", State::RolledBack, migration, selection).await
    }

    /// An error that names the first org which the migration does not know, with similar names.
    pub(super) async fn check_names(
        &self,
        client: &impl GenericClient,
        doing: &str,
        migration: &MigrationName,
        names: &[OrgName],
    ) -> Result<(), StateError> {
        let names = distinct(names);
        let sql = include_str!("sql/move_unknown_name.sql");
        let rows = query(client, doing, sql, &[&migration.as_str(), &names]).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let org: String = Columns::new(doing, row).get("name")?;
        let near = near_names(client, doing, migration, &org).await?;
        Err(StateError::UnknownOrg { migration: migration.clone(), org, near })
    }
}

/// Names of the migration that are similar to this one: its neighbours in the index, the most similar first.
pub(super) async fn near_names(
    client: &impl GenericClient,
    doing: &str,
    migration: &MigrationName,
    org: &str,
) -> Result<Vec<OrgName>, StateError> {
    let sql = include_str!("sql/move_near_names.sql");
    let rows = query(client, doing, sql, &[&migration.as_str(), &org]).await?;
    let mut near: Vec<(usize, OrgName)> = Vec::new();
    for row in &rows {
        let name: OrgName = Columns::new(doing, row).id("org_name")?;
        let edits = edits(org, name.as_str());
        if edits <= org.chars().count().div_ceil(3) {
            near.push((edits, name));
        }
    }
    near.sort();
    Ok(near.into_iter().take(NEAR_MAX).map(|(_, name)| name).collect())
}

/// How many characters must be changed, added or removed to turn one text into the other.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut costs: Vec<usize> = (0..=right.len()).collect();
    for (row, l) in left.chars().enumerate() {
        let mut diagonal = row;
        costs[0] = row + 1;
        for (column, r) in right.iter().enumerate() {
            let change = diagonal + usize::from(l != *r);
            diagonal = costs[column + 1];
            costs[column + 1] = change.min(diagonal + 1).min(costs[column] + 1);
        }
    }
    costs[right.len()]
}

#[cfg(test)]
mod tests {
    use super::edits;

    #[test]
    fn counts_the_edits_between_two_names() {
        assert_eq!(edits("acme", "acme"), 0);
        assert_eq!(edits("acmee", "acme"), 1);
        assert_eq!(edits("amce", "acme"), 2);
        assert_eq!(edits("", "acme"), 4);
    }
}
