//! Decides how many rows of each table every org gets.

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::shape::{Shape, Spread};

/// One row of every table except those of the clients.
const ROWS_PER_ORG_MIN: u64 = 10;
/// The size of a row that is no node, or of a node with an empty body.
const SMALL_ROW_BYTES: u32 = 195;
const NODE_SHARE: f64 = 0.30;
/// Enough users that the members of a large org are a random part of them.
const USERS_MIN: i32 = 500;

/// Rows per table, one entry for each org. The fields have the names of the columns.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) associations: Vec<i32>,
    pub(super) invites: Vec<i32>,
    pub(super) groups: Vec<i32>,
    pub(super) members: Vec<i32>,
    pub(super) containers: Vec<i32>,
    pub(super) nodes: Vec<i32>,
    pub(super) cookbooks: Vec<i32>,
    pub(super) users: i32,
    pub(super) body_bytes: i32,
}

impl Plan {
    pub(super) fn of(shape: &Shape) -> Self {
        let mut plan = Self { users: USERS_MIN, ..Self::default() };
        plan.body_bytes = body_bytes(shape.bytes_per_row);
        for rows in rows_per_org(shape) {
            plan.add_org(rows);
        }
        plan
    }

    fn add_org(&mut self, rows: u64) {
        let share = |of: f64| ((rows as f64 * of) as i32).max(1);
        let (associations, groups, members) = (share(0.12), share(0.05), share(0.15));
        let (invites, containers, cookbooks) = (share(0.08), share(0.12), share(0.18));
        let others = 1 + associations + groups + members + invites + containers + cookbooks;
        self.associations.push(associations);
        self.groups.push(groups);
        self.members.push(members);
        self.invites.push(invites);
        self.containers.push(containers);
        self.cookbooks.push(cookbooks);
        self.nodes.push((rows as i32 - others).max(1));
        // No pair of org and user may occur twice.
        self.users = self.users.max(associations).max(members / groups + 1);
    }
}

/// Only nodes have a body, so their bodies compensate for all the small rows.
fn body_bytes(bytes_per_row: u32) -> i32 {
    let missing = bytes_per_row.saturating_sub(SMALL_ROW_BYTES);
    (f64::from(missing) / NODE_SHARE) as i32
}

fn rows_per_org(shape: &Shape) -> Vec<u64> {
    let weight = |rank: u32| match shape.spread {
        Spread::Even => 1.0,
        Spread::Zipf { exponent } => f64::from(rank).powf(-exponent),
    };
    let sum: f64 = (1..=shape.orgs).map(weight).sum();
    let share = |rank| (shape.rows_total as f64 * weight(rank) / sum) as u64;
    let mut rows: Vec<u64> = (1..=shape.orgs).map(|rank| share(rank).max(ROWS_PER_ORG_MIN)).collect();
    // The first org should not always be the largest.
    rows.shuffle(&mut StdRng::seed_from_u64(shape.seed.cast_unsigned()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_spread_gives_every_org_the_same() {
        let rows = rows_per_org(&Shape::bench_small());
        assert_eq!(rows.len(), 20_000);
        assert!(rows.iter().all(|rows| *rows == 100));
    }

    #[test]
    fn zipf_makes_one_org_large_and_keeps_the_total() {
        let mut rows = rows_per_org(&Shape::bench_uneven());
        let total: u64 = rows.iter().sum();
        assert!((1_990_000..=2_010_000).contains(&total), "{total}");
        rows.sort_unstable();
        assert!(rows[1_999] > 200_000 && rows[1_000] < 500, "{} {}", rows[1_999], rows[1_000]);
    }
}
