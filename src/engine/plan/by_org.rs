//! Rows of many orgs in one statement, grouped by org.
//!
//! If a table has the org's key in a column of a plain type, one scan of the index finds the rows of all keys, and they are grouped by
//! that column. Otherwise a lateral join leads from each org to its rows: one scan per org.

use crate::engine::guard::Kind;

/// An org with more rows in a table is large; the count stops there.
const COUNTED_MAX: u32 = 50_000;

/// How the rows of orgs are told apart in one table of one store.
#[derive(Debug)]
pub(in crate::engine) struct ByOrg {
    /// `FROM … AS t WHERE …`: the rows of the orgs with the keys `$1`.
    pub(in crate::engine) rows: String,
    /// The same for the org with the key `o.key`.
    pub(in crate::engine) rows_of_one: String,
    pub(in crate::engine) key: Option<PlainKey>,
}

/// A column that holds the org's key, of a type whose values have one text each.
#[derive(Debug, Clone)]
pub(in crate::engine) struct PlainKey {
    /// The column of `t`.
    pub(in crate::engine) column: String,
    /// The column's name, as it is.
    pub(in crate::engine) name: String,
    /// The keys `$1` as an array of the column's type.
    pub(in crate::engine) keys: String,
    pub(in crate::engine) kind: Kind,
}

const LATERAL: &str = "unnest($1::text[]) WITH ORDINALITY AS o (key, number) CROSS JOIN LATERAL";

impl ByOrg {
    /// What follows the table's number in a [`super::union`]: the org's place among the keys, from 1, and aggregates over
    /// `value` of each of its rows, which they call `r.value`.
    pub(in crate::engine) fn grouped(&self, value: &str, aggregates: &[&str]) -> String {
        match &self.key {
            None => {
                let rows = self.of_each(value);
                format!(", o.number, {} {rows} GROUP BY o.number", aggregates.join(", "))
            }
            Some(PlainKey { column, keys, .. }) => {
                let named: Vec<String> = aggregates.iter().enumerate().map(|(i, it)| format!("{it} AS a{i}")).collect();
                let names: Vec<String> = (0..aggregates.len()).map(|i| format!("g.a{i}")).collect();
                format!(
                    ", pg_catalog.array_position((SELECT {keys}), g.key)::int8, {} \
                     FROM (SELECT r.key, {} FROM (SELECT {column} AS key, {value} AS value {}) AS r GROUP BY r.key) AS g",
                    names.join(", "),
                    named.join(", "),
                    self.rows
                )
            }
        }
    }

    /// The same for the number of rows; it stops early in large orgs where rows are counted one by one.
    pub(in crate::engine) fn counted(&self) -> String {
        match &self.key {
            None => format!(
                ", o.number, count(*) FROM {LATERAL} (SELECT 1 {} LIMIT {COUNTED_MAX}) AS r GROUP BY o.number",
                self.rows_of_one
            ),
            Some(_) => self.grouped("1", &["count(*)"]),
        }
    }

    /// Selects columns of `t`, org after org; if the key is not among them, with the org's place in one more column.
    pub(in crate::engine) fn select(&self, columns: &str) -> String {
        match &self.key {
            None => {
                format!("SELECT r.*, o.number FROM {LATERAL} (SELECT {columns} {} OFFSET 0) AS r", self.rows_of_one)
            }
            Some(_) => format!("SELECT {columns} {}", self.rows),
        }
    }

    /// `FROM …` for an expression over each row of the orgs with the keys `$1`, as `r.value`, beside the org's place among
    /// them, `o.number`. LATERAL with OFFSET forces a path from each org to its rows, whatever the planner's statistics say.
    pub(in crate::engine) fn of_each(&self, value: &str) -> String {
        format!("FROM {LATERAL} (SELECT {value} AS value {} OFFSET 0) AS r", self.rows_of_one)
    }
}

impl PlainKey {
    /// The text of a key in binary form; `None` if it is not of this kind.
    pub(in crate::engine) fn text(kind: Kind, raw: &[u8]) -> Option<String> {
        match kind {
            Kind::Text => String::from_utf8(raw.to_vec()).ok(),
            Kind::Integer => crate::engine::rows::reframe::integer(raw).map(|number| number.to_string()),
            Kind::Uuid => {
                let bytes: [u8; 16] = raw.try_into().ok()?;
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Some([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_text_that_postgres_writes() {
        assert_eq!(PlainKey::text(Kind::Integer, &[0, 0, 0, 7]).as_deref(), Some("7"));
        assert_eq!(PlainKey::text(Kind::Integer, &(-3_i64).to_be_bytes()).as_deref(), Some("-3"));
        assert_eq!(PlainKey::text(Kind::Text, "org ä".as_bytes()).as_deref(), Some("org ä"));
        let uuid: [u8; 16] = std::array::from_fn(|byte| 0x10 * u8::try_from(byte).unwrap_or_default() + 5);
        let text = PlainKey::text(Kind::Uuid, &uuid);
        assert_eq!(text.as_deref(), Some("05152535-4555-6575-8595-a5b5c5d5e5f5"));
        assert_eq!(PlainKey::text(Kind::Uuid, b"short"), None);
    }
}
