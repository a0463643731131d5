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
    /// Other names under which commands may call it.
    pub aliases: Vec<String>,
    /// How an org is moved.
    pub strategy: Strategy,
    /// The store that orgs come from.
    pub from: StoreName,
    /// The store that orgs go to.
    pub to: StoreName,
    /// The parts of the application that the moved tables belong to.
    pub components: Vec<String>,
    /// Where the source lists its orgs.
    pub org: OrgDirectory,
    /// The tables that hold an org's rows. None at all: an org moves by its flags alone.
    pub tables: Vec<TableRule>,
    /// What is carried out for each org in the store `to`, where no rows are moved.
    pub steps: Vec<SqlStep>,
    /// How orgs are routed.
    pub routing: Routing,
    /// How patient an online move is.
    pub limits: Limits,
}

/// A statement that is carried out for each org. `$1` is the org's key, as a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlStep {
    /// What it is called when it fails.
    pub name: String,
    /// The statement.
    pub sql: String,
    /// A query that must answer `true` after it.
    pub check: Option<String>,
    /// What takes it back.
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

/// How the rows of an org are found in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenancy {
    /// This column holds the org's key.
    Key(ColumnName),
    /// A row belongs to the org of the row it points to. Hop after hop leads to a table of the same definition,
    /// whose own tenancy decides.
    Via(Vec<Via>),
}

/// One hop from a table to its parent, written `group_id -> groups.id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The column that points to the parent.
    pub column: ColumnName,
    /// The parent.
    pub parent: TableName,
    /// The column of the parent that is pointed to.
    pub parent_column: ColumnName,
}
