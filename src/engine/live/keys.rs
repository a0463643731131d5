//! Keys of rows that were written, table by table.

use std::collections::HashMap;

use tokio_postgres::types::ToSql;

/// Keys of rows by the number of their table.
#[derive(Debug)]
pub(super) struct Keys {
    /// Each key with whether rows that hang on the row are meant as well.
    tables: Vec<HashMap<Vec<String>, bool>>,
}

impl Keys {
    /// None, for so many tables.
    pub(super) fn none(tables: usize) -> Self {
        Self { tables: vec![HashMap::new(); tables] }
    }

    pub(super) fn add(&mut self, table: usize, key: Vec<String>, subtree: bool) {
        if let Some(keys) = self.tables.get_mut(table) {
            *keys.entry(key).or_default() |= subtree;
        }
    }

    /// Adds all of another collection, for the same tables.
    pub(super) fn add_all(&mut self, others: Keys) {
        for (table, keys) in others.tables.into_iter().enumerate() {
            for (key, subtree) in keys {
                self.add(table, key, subtree);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.iter().all(HashMap::is_empty)
    }

    pub(super) fn count(&self) -> i64 {
        self.tables.iter().map(|keys| i64::try_from(keys.len()).unwrap_or(i64::MAX)).sum()
    }

    /// The tables that have any, in the order of the plan.
    pub(super) fn tables(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.tables.iter().enumerate().filter(|(_, keys)| !keys.is_empty()).map(|(number, _)| number)
    }

    /// All keys of a table.
    pub(super) fn of(&self, table: usize) -> Arrays {
        Arrays::of(self.tables.get(table).into_iter().flat_map(HashMap::keys))
    }

    /// Those keys of a table whose rows others hang on.
    pub(super) fn parents(&self, table: usize) -> Arrays {
        let marked = self.tables.get(table).into_iter().flatten().filter(|(_, subtree)| **subtree);
        Arrays::of(marked.map(|(key, _)| key))
    }
}

/// Keys of one table as statements take them: one array of texts for each column of the primary key.
#[derive(Debug)]
pub(super) struct Arrays(Vec<Vec<String>>);

impl Arrays {
    /// No keys of so many columns.
    pub(super) fn none(columns: usize) -> Self {
        Self(vec![Vec::new(); columns])
    }

    fn of<'a>(keys: impl Iterator<Item = &'a Vec<String>>) -> Self {
        let mut columns: Vec<Vec<String>> = Vec::new();
        for key in keys {
            columns.resize_with(key.len(), Vec::new);
            columns.iter_mut().zip(key).for_each(|(column, value)| column.push(value.clone()));
        }
        Self(columns)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As parameters of a statement.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &(dyn ToSql + Sync)> {
        self.0.iter().map(|column| column as &(dyn ToSql + Sync))
    }
}
