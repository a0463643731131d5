//! The tables and columns of a backup, held against the definition and the store that they are to be loaded into.

use std::collections::HashSet;

use mover_actors::ports::EngineError;

use crate::config::Definition;
use crate::engine::live::backup_file::HeaderTable;
use crate::engine::live::restore::OpenedBackup;
use crate::engine::plan::{Plan, TablePlan};
use crate::engine::schema::catalog::{Catalog, Table};
use crate::engine::schema::name::quote;
use crate::engine::store::error::Doing;

/// A table of the file with its counterparts.
pub(super) struct Matched<'a> {
    pub(super) file: &'a HeaderTable,
    pub(super) plan: &'a TablePlan,
    /// The table, quoted.
    pub(super) table: String,
    /// The columns of the file, quoted.
    pub(super) columns: String,
}

impl Matched<'_> {
    /// Writes the columns of the file.
    pub(super) fn copy(&self) -> String {
        format!("COPY {} ({}) FROM STDIN (FORMAT binary)", self.table, self.columns)
    }
}

/// The tables of a file in their order, and columns of the store that the file lacks.
pub(super) struct AllMatched<'a> {
    pub(super) matched: Vec<Matched<'a>>,
    pub(super) defaulted: Vec<String>,
}

/// The tables of a file, held against the definition and the store.
pub(super) struct Tables<'a> {
    pub(super) backup: &'a OpenedBackup,
    pub(super) definition: &'a Definition,
    pub(super) plan: &'a Plan,
    pub(super) catalog: &'a Catalog,
    pub(super) doing: Doing<'a>,
}

impl<'a> Tables<'a> {
    /// Each table of the file with its counterparts; refused if tables or columns are others than those of the definition and the store.
    pub(super) fn matched(&self) -> Result<AllMatched<'a>, EngineError> {
        let Tables { backup, definition, plan, .. } = *self;
        let mut all = AllMatched { matched: Vec::new(), defaulted: Vec::new() };
        let mut seen = HashSet::new();
        for table in &backup.header.tables {
            let known = plan.table(&table.name).filter(|_| seen.insert(&table.name));
            let migration = &definition.name;
            let missing = || {
                backup.failed(format!(
                    "it has rows of table {}, which migration {migration} does not move; nothing was loaded; next: add the table to \
                     the definition again, or use the right file",
                    table.name
                ))
            };
            let known = known.ok_or_else(missing)?;
            self.match_columns(table, known, &mut all)?;
        }
        if let Some(lacking) = plan.tables.iter().find(|table| !seen.contains(&table.label)) {
            return Err(backup.failed(format!(
                "it has nothing of table {}, which migration {} moves by now; nothing was loaded; next: take the table out of the \
                 definition for this restore",
                lacking.label, definition.name
            )));
        }
        let counted = backup.contents.rows.keys().find(|table| !seen.contains(*table));
        let uncounted = backup.header.tables.iter().find(|table| !backup.contents.rows.contains_key(&table.name));
        match counted.or(uncounted.map(|table| &table.name)) {
            Some(table) => Err(backup.failed(format!(
                "its rows of table {table} are counted, or are there, but not both; nothing was loaded"
            ))),
            None => Ok(all),
        }
    }

    fn match_columns(
        &self,
        table: &'a HeaderTable,
        plan: &'a TablePlan,
        all: &mut AllMatched<'a>,
    ) -> Result<(), EngineError> {
        let doing = self.doing.on(&plan.label);
        let found = self.found(&plan.label).ok_or_else(|| doing.refused("the table does not exist"))?;
        let mut seen = HashSet::new();
        for (number, name) in table.columns.iter().enumerate() {
            let written = table.types.get(number).map_or("<type>", String::as_str);
            match found.column(name) {
                Some(column) if column.generated => {
                    let problem =
                        format!("column {name} is generated here, and the backup has values of it; nothing was loaded");
                    return Err(doing.refused(problem));
                }
                Some(_) if seen.insert(name) => {}
                Some(_) => return Err(self.backup.failed(format!("it has column {}.{name} twice", plan.label))),
                None => {
                    return Err(doing.refused(format!(
                        "the table has no column {name}, of which the backup has values; nothing was loaded; next: run in {}: ALTER \
                         TABLE {} ADD COLUMN {} {written}",
                        doing.store,
                        found.quoted,
                        quote(name)
                    )));
                }
            }
        }
        for column in found.columns.iter().filter(|column| !column.generated && !seen.contains(&column.name)) {
            if column.not_null && !column.has_default {
                return Err(doing.refused(format!(
                    "column {} was added since the backup was written; it must not be NULL and has no default; nothing was loaded; \
                     next: run in {}: ALTER TABLE {} ALTER COLUMN {} SET DEFAULT <value>",
                    column.name,
                    doing.store,
                    found.quoted,
                    quote(&column.name)
                )));
            }
            all.defaulted.push(format!("{}.{}", plan.label, column.name));
        }
        let columns: Vec<String> = table.columns.iter().map(|column| quote(column)).collect();
        all.matched.push(Matched { file: table, plan, table: found.quoted.clone(), columns: columns.join(", ") });
        Ok(())
    }

    fn found(&self, label: &str) -> Option<&'a Table> {
        let rule = self.definition.tables.iter().find(|rule| rule.name.to_string() == label)?;
        self.catalog.tables.get(&rule.name)
    }
}
