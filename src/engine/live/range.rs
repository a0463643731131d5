//! A table cut into ranges of its key.

use crate::config::{TableRule, Tenancy};
use crate::engine::live::keyed::KeyColumn;
use crate::engine::schema::catalog::Table;

/// Types whose values sort the same way in every store, and whose index can be walked.
const PLAIN_TYPES: [&str; 10] =
    ["int2", "int4", "int8", "uuid", "date", "timestamp", "timestamptz", "numeric", "bytea", "oid"];
/// The largest number of ranges if each range has to read all rows of the org.
const RANGES_MAX_WITHOUT_INDEX: i64 = 16;

/// How the rows of one table are cut into ranges: `above < key <= upto`.
#[derive(Debug)]
pub(super) struct Ranging {
    leaving: Vec<Ordered>,
    receiving: Vec<Ordered>,
    /// Whether the primary key begins with the org, so that its index finds each range of an org's rows.
    by_index: bool,
}

/// A column of the key as it is sorted.
#[derive(Debug)]
struct Ordered {
    /// The column of `t`.
    column: String,
    /// The cast that turns a text into a value: appended to a parameter.
    cast: String,
    is_plain: bool,
}

impl Ordered {
    fn of(column: &KeyColumn) -> Self {
        let is = |name: &&str| column.cast == format!("\"pg_catalog\".\"{name}\"");
        // Stores may sort text differently; byte by byte all sort it the same way.
        match PLAIN_TYPES.iter().any(is) {
            true => Self { column: format!("t.{}", column.quoted), cast: format!("::{}", column.cast), is_plain: true },
            false => Self {
                column: format!("t.{}::text COLLATE \"C\"", column.quoted),
                cast: " COLLATE \"C\"".into(),
                is_plain: false,
            },
        }
    }
}

impl Ranging {
    pub(super) fn of(rule: &TableRule, (table, leaving): (&Table, &[KeyColumn]), receiving: &[KeyColumn]) -> Self {
        let ordered = |key: &[KeyColumn]| key.iter().map(Ordered::of).collect::<Vec<_>>();
        let leaving = ordered(leaving);
        let begins_with_org = match &rule.tenancy {
            Tenancy::Key(column) => table.primary_key().first().is_some_and(|first| first.name == column.as_str()),
            Tenancy::Via(_) => false,
        };
        Self {
            by_index: begins_with_org && leaving.iter().all(|column| column.is_plain),
            leaving,
            receiving: ordered(receiving),
        }
    }

    /// How many rows a range should have.
    pub(super) fn rows_in_each(&self, rows: i64, wanted: i64) -> i64 {
        let wanted = wanted.max(1);
        match self.by_index {
            true => wanted,
            false => wanted.max(rows / RANGES_MAX_WITHOUT_INDEX + 1),
        }
    }

    /// The keys at the ends of ranges of `$2` rows each.
    pub(super) fn ends(&self, rows: &str) -> String {
        let columns: Vec<String> = self.leaving.iter().map(|ordered| ordered.column.clone()).collect();
        let named: Vec<String> = columns.iter().enumerate().map(|(i, column)| format!("{column} AS k{i}")).collect();
        let texts: Vec<String> = (0..columns.len()).map(|index| format!("k{index}::text")).collect();
        format!(
            "SELECT {} FROM (SELECT {}, row_number() OVER (ORDER BY {}) AS n {rows}) AS s WHERE n % $2::int8 = 0 ORDER BY n",
            texts.join(", "),
            named.join(", "),
            columns.join(", ")
        )
    }

    /// The condition for a range of the leaving store; its ends are parameters from `$2` on.
    pub(super) fn on_leaving(&self, above: bool, upto: bool) -> String {
        self.condition(&self.leaving, above, upto)
    }

    /// The same for the receiving store.
    pub(super) fn on_receiving(&self, above: bool, upto: bool) -> String {
        self.condition(&self.receiving, above, upto)
    }

    fn condition(&self, key: &[Ordered], above: bool, upto: bool) -> String {
        let row = key.iter().map(|ordered| ordered.column.clone()).collect::<Vec<_>>().join(", ");
        let end = |first: usize| {
            let value = |(index, ordered): (usize, &Ordered)| format!("${}::text{}", index + first, ordered.cast);
            key.iter().enumerate().map(value).collect::<Vec<_>>().join(", ")
        };
        let mut parts = Vec::new();
        if above {
            parts.push(format!("ROW({row}) > ROW({})", end(2)));
        }
        if upto {
            parts.push(format!("ROW({row}) <= ROW({})", end(if above { 2 + key.len() } else { 2 })));
        }
        // If the index of the key does not begin with the org, it would scan the rows of all orgs: the expression hides the
        // column from it.
        let written =
            |part: String| if self.by_index { format!(" AND {part}") } else { format!(" AND ({part}) IS TRUE") };
        parts.into_iter().map(written).collect()
    }
}
