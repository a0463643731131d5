//! Keys of rows that were written, table by table.

use std::collections::HashMap;

/// Keys of rows by the number of their table in the outline of the route. A key is the texts of the columns of the primary key.
#[derive(Debug, Clone)]
pub struct RowKeys {
    /// Each key, with whether it stands for the rows below it as well.
    tables: Vec<HashMap<Vec<String>, bool>>,
}

impl RowKeys {
    /// No keys, for so many tables.
    pub fn none(tables: usize) -> Self {
        Self { tables: vec![HashMap::new(); tables] }
    }

    /// Adds a key; with `subtree`, it stands for rows that are found through this one as well.
    pub fn add(&mut self, table: usize, key: Vec<String>, subtree: bool) {
        if let Some(keys) = self.tables.get_mut(table) {
            *keys.entry(key).or_default() |= subtree;
        }
    }

    /// Adds all of another collection, for the same tables.
    pub fn add_all(&mut self, others: RowKeys) {
        for (table, keys) in others.tables.into_iter().enumerate() {
            for (key, subtree) in keys {
                self.add(table, key, subtree);
            }
        }
    }

    /// Whether it has no keys.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(HashMap::is_empty)
    }

    /// The number of keys over all tables.
    pub fn count(&self) -> i64 {
        self.tables.iter().map(|keys| i64::try_from(keys.len()).unwrap_or(i64::MAX)).sum()
    }

    /// The tables that have keys, in the order of the outline.
    pub fn tables(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.tables.iter().enumerate().filter(|(_, keys)| !keys.is_empty()).map(|(number, _)| number)
    }

    /// All keys of a table.
    pub fn of(&self, table: usize) -> impl Iterator<Item = &Vec<String>> {
        self.tables.get(table).into_iter().flat_map(HashMap::keys)
    }

    /// The keys of a table that stand for rows below them as well.
    pub fn parents(&self, table: usize) -> Vec<Vec<String>> {
        let marked = self.tables.get(table).into_iter().flatten().filter(|(_, subtree)| **subtree);
        marked.map(|(key, _)| key.clone()).collect()
    }
}
