//! A migration definition: source, target, tables, and how the rows of an org are found.

use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::{MigrationName, StoreName};
use mover_actors::domain::state::Strategy;
use mover_actors::ports::Limits;

use crate::engine::{ColumnName, TableName};

/// A migration as its file defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: MigrationName,
    /// Aliases for use in commands.
    pub aliases: Vec<String>,
    /// The strategy.
    pub strategy: Strategy,
    /// The store that orgs come from.
    pub from: StoreName,
    /// The store that orgs go to.
    pub to: StoreName,
    /// The parts of the application that the moved tables belong to.
    pub components: Vec<String>,
    /// The list of orgs in the source.
    pub org: OrgDirectory,
    /// The tables that hold an org's rows. Without tables an org moves by its flags alone.
    pub tables: Vec<TableRule>,
    /// Tables that belong to no org: both stores have their rows, and they stay.
    pub shared_tables: Vec<TableName>,
    /// Tables of which this migration knows that it leaves them where they are.
    pub ignored_tables: Vec<TableName>,
    /// Statements for each org in the store `to`, for migrations that move no rows.
    pub steps: Vec<SqlStep>,
    /// How orgs are routed.
    pub routing: Routing,
    /// The limits of online moves.
    pub limits: Limits,
}

/// A statement that runs for each org. `$1` is the org's key, as a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlStep {
    /// Its name in errors.
    pub name: String,
    /// The statement.
    pub sql: String,
    /// A query that must return `true` after it.
    pub check: Option<String>,
    /// The statement that undoes it.
    pub undo: Option<String>,
}

/// The table of the source that lists the orgs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgDirectory {
    /// The table.
    pub table: TableName,
    /// The column with an org's name.
    pub name: ColumnName,
    /// The column with the key by which an org's rows are found.
    pub key: ColumnName,
}

/// A table to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRule {
    /// The table.
    pub name: TableName,
    /// Which of its rows belong to an org.
    pub tenancy: Tenancy,
}

/// How to find the rows of an org in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenancy {
    /// This column holds the org's key.
    Key(ColumnName),
    /// A row belongs to the org of the row that it references. Each hop leads to a table of the same definition, whose own
    /// tenancy decides.
    Via(Vec<Via>),
}

/// One hop from a table to its parent, written `group_id -> groups.id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The referencing column.
    pub column: ColumnName,
    /// The parent.
    pub parent: TableName,
    /// The referenced column of the parent.
    pub parent_column: ColumnName,
}
