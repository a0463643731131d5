//! Keys of rows as parameters of statements.

use tokio_postgres::types::ToSql;

/// Keys of one table: one array of texts for each column of the primary key.
#[derive(Debug)]
pub(super) struct Arrays(Vec<Vec<String>>);

impl Arrays {
    /// Keys of `columns` columns each.
    pub(super) fn of<'a>(columns: usize, keys: impl IntoIterator<Item = &'a Vec<String>>) -> Self {
        let mut arrays = vec![Vec::new(); columns];
        for key in keys {
            arrays.iter_mut().zip(key).for_each(|(array, value)| array.push(value.clone()));
        }
        Self(arrays)
    }

    /// As parameters of a statement.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &(dyn ToSql + Sync)> {
        self.0.iter().map(|column| column as &(dyn ToSql + Sync))
    }

    /// The orgs' keys, followed by these.
    pub(super) fn after<'a>(&'a self, orgs: &'a Vec<String>) -> Vec<&'a (dyn ToSql + Sync)> {
        std::iter::once(orgs as &(dyn ToSql + Sync)).chain(self.parameters()).collect()
    }
}
