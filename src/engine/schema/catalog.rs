//! What one store knows about the tables of a migration, read from its catalog.

use std::collections::HashMap;

use mover_actors::ports::EngineError;
use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use crate::engine::schema::fingerprint::Taken;
use crate::engine::schema::hazard::Hazard;
use crate::engine::schema::name::{TableName, quote};
use crate::engine::schema::resolve::{Resolved, resolve};
use crate::engine::schema::shape::Types;
use crate::engine::store::Store;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// One store, as far as a migration is concerned.
#[derive(Debug)]
pub(in crate::engine) struct Catalog {
    /// Taken in the same snapshot as everything else here.
    pub(in crate::engine) fingerprint: Taken,
    pub(in crate::engine) server: Server,
    /// The tables of the definition, each with the relation that its name resolves to, if any.
    pub(in crate::engine) tables: HashMap<TableName, Table>,
    pub(in crate::engine) references: Vec<Reference>,
    pub(in crate::engine) deferred_keys: Vec<DeferredKey>,
    pub(in crate::engine) hazards: Vec<Hazard>,
    pub(in crate::engine) types: Types,
}

/// The server and our rights in it.
#[derive(Debug)]
pub(in crate::engine) struct Server {
    pub(in crate::engine) version_number: i32,
    pub(in crate::engine) version: String,
    pub(in crate::engine) encoding: String,
    pub(in crate::engine) is_standby: bool,
    /// Our role, quoted where it needs to be.
    pub(in crate::engine) role: String,
    pub(in crate::engine) may_create_schema: bool,
    pub(in crate::engine) may_make_temporary: bool,
    /// The database, quoted where it needs to be.
    pub(in crate::engine) database: String,
    pub(in crate::engine) has_guard: bool,
    pub(in crate::engine) has_schema: bool,
    pub(in crate::engine) may_use_schema: bool,
    /// Whether our sessions write without triggers.
    pub(in crate::engine) skips_triggers: bool,
}

#[derive(Debug, Clone)]
pub(in crate::engine) struct Table {
    pub(in crate::engine) oid: Oid,
    /// Quoted, with its schema, and with ONLY to exclude inheritance children.
    pub(in crate::engine) from: String,
    /// Quoted, with its schema.
    pub(in crate::engine) quoted: String,
    pub(in crate::engine) kind: String,
    pub(in crate::engine) has_heirs: bool,
    pub(in crate::engine) may_select: bool,
    pub(in crate::engine) may_insert: bool,
    pub(in crate::engine) may_delete: bool,
    pub(in crate::engine) row_security: bool,
    /// Whether each row has the number of the transaction that wrote it.
    pub(in crate::engine) numbers_writers: bool,
    pub(in crate::engine) columns: Vec<Column>,
    pub(in crate::engine) sequences: Vec<Sequence>,
}

#[derive(Debug, Clone)]
pub(in crate::engine) struct Column {
    pub(in crate::engine) name: String,
    pub(in crate::engine) type_oid: Oid,
    /// The type as Postgres displays it, with its modifier.
    pub(in crate::engine) written: String,
    pub(in crate::engine) modifier: i32,
    pub(in crate::engine) not_null: bool,
    pub(in crate::engine) has_default: bool,
    /// The default expression, or the expression of a generated column.
    pub(in crate::engine) default_value: Option<String>,
    pub(in crate::engine) generated: bool,
    /// Its collation, quoted, if it treats differently written texts as equal.
    pub(in crate::engine) inexact_collation: Option<String>,
    pub(in crate::engine) leads_an_index: bool,
    /// Its place in the primary key.
    pub(in crate::engine) key_position: Option<i32>,
}

/// A sequence that fills a column.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Sequence {
    pub(in crate::engine) column: String,
    /// Quoted, with its schema.
    pub(in crate::engine) quoted: String,
    pub(in crate::engine) increment: i64,
    pub(in crate::engine) least: i64,
    pub(in crate::engine) greatest: i64,
    pub(in crate::engine) cycles: bool,
    /// Whether the column holds the numbers as they are: then a copied value shows how far they have got.
    pub(in crate::engine) fills_integers: bool,
    pub(in crate::engine) may_use: bool,
    pub(in crate::engine) may_select: bool,
}

/// A foreign key.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Reference {
    pub(in crate::engine) name: String,
    /// The table of the definition that it belongs to, or that its partition belongs to.
    pub(in crate::engine) child_root: Oid,
    pub(in crate::engine) child_from: String,
    pub(in crate::engine) child_columns: Vec<String>,
    pub(in crate::engine) parent_oid: Oid,
    /// The table of the definition that the parent is or is a partition of, else the parent.
    pub(in crate::engine) parent_root: Oid,
    pub(in crate::engine) parent_from: String,
    pub(in crate::engine) parent_columns: Vec<String>,
    /// For each pair of columns the operator that compares the parent's with the child's.
    pub(in crate::engine) equalities: Vec<String>,
    pub(in crate::engine) may_select_parent: bool,
    pub(in crate::engine) deferrable: bool,
}

/// A unique constraint that is DEFERRABLE: a trigger enforces it, which does not fire for rows that Mover writes.
#[derive(Debug, Clone)]
pub(in crate::engine) struct DeferredKey {
    pub(in crate::engine) name: String,
    /// The table of the definition that it belongs to, or that its partition belongs to.
    pub(in crate::engine) table_oid: Oid,
    pub(in crate::engine) from: String,
    pub(in crate::engine) columns: Vec<String>,
    /// For each column the operator that compares two values.
    pub(in crate::engine) equalities: Vec<String>,
}

impl Server {
    /// Whether it stores bytes of which no one knows the encoding.
    pub(in crate::engine) fn is_sql_ascii(&self) -> bool {
        self.encoding == "SQL_ASCII"
    }
}

impl Table {
    pub(in crate::engine) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns of the primary key, in its order.
    pub(in crate::engine) fn primary_key(&self) -> Vec<&Column> {
        let mut key: Vec<&Column> = self.columns.iter().filter(|column| column.key_position.is_some()).collect();
        key.sort_by_key(|column| column.key_position);
        key
    }

    /// Whether it is a relation that can be read and written like a table.
    pub(in crate::engine) fn is_table(&self) -> bool {
        matches!(self.kind.as_str(), "r" | "p")
    }
}

impl Catalog {
    /// The operator, in full, that compares two columns.
    pub(in crate::engine) fn equality(&self, left: (&Table, &str), right: (&Table, &str)) -> Result<&str, String> {
        let type_of = |(table, name): (&Table, &str)| match table.column(name) {
            Some(column) => Ok(column.type_oid),
            None => Err(format!("table {} has no column {name}", table.quoted)),
        };
        Ok(self.types.equality(type_of(left)?, type_of(right)?))
    }

    /// Reads the catalog entries of `names`.
    pub(in crate::engine) async fn read(store: &Store, names: &[TableName]) -> Result<Self, EngineError> {
        let session = store.session().await?;
        let doing = Doing::new(store.name(), "reading the catalog");
        let resolved = resolve(&session, names, doing).await?;
        session.batch_execute(SNAPSHOT).await.map_err(|error| doing.failed(error))?;
        let catalog = read_catalog(&session, names, &resolved, doing).await?;
        session.batch_execute("COMMIT").await.map_err(|error| doing.failed(error))?;
        session.release();
        Ok(catalog)
    }
}

async fn read_catalog(
    session: &Session,
    names: &[TableName],
    resolved: &[Option<Resolved>],
    doing: Doing<'_>,
) -> Result<Catalog, EngineError> {
    let failed = |error| doing.failed(error);
    let server = read_server(session, doing).await?;
    let qualified = resolved.iter().flatten().map(|found| found.quoted.clone()).collect();
    let fingerprint = Taken::read(session, qualified, doing).await?;
    let oids: Vec<Option<Oid>> = resolved.iter().map(|found| found.as_ref().map(|found| found.oid)).collect();
    let rows = session.query(include_str!("sql/tables.sql"), &[&oids]).await.map_err(failed)?;
    let mut tables = HashMap::new();
    for (name, row) in names.iter().zip(&rows) {
        if let Some(table) = table_of(row).map_err(failed)? {
            tables.insert(name.clone(), table);
        }
    }
    let oids: Vec<Oid> = tables.values().map(|table| table.oid).collect();
    let columns = session.query(include_str!("sql/columns.sql"), &[&oids]).await.map_err(failed)?;
    let sequences = session.query(include_str!("sql/sequences.sql"), &[&oids]).await.map_err(failed)?;
    for table in tables.values_mut() {
        table.columns = of_table(&columns, table.oid, column_of).map_err(failed)?;
        table.sequences = of_table(&sequences, table.oid, sequence_of).map_err(failed)?;
    }
    let type_oids: Vec<Oid> = tables.values().flat_map(|table| &table.columns).map(|column| column.type_oid).collect();
    let types = session.query(include_str!("sql/types.sql"), &[&type_oids]).await.map_err(failed)?;
    let references = session.query(include_str!("sql/references.sql"), &[&oids]).await.map_err(failed)?;
    let references = references.iter().map(reference_of).collect::<Result<_, _>>().map_err(failed)?;
    let deferred_keys = session.query(include_str!("sql/deferred_keys.sql"), &[&oids]).await.map_err(failed)?;
    let deferred_keys = deferred_keys.iter().map(deferred_key_of).collect::<Result<_, _>>().map_err(failed)?;
    let hazards = session.query(include_str!("sql/hazards.sql"), &[&oids]).await.map_err(failed)?;
    let hazards = hazards.iter().map(Hazard::of_row).collect::<Result<_, _>>().map_err(failed)?;
    let types = Types::of_rows(&types).map_err(failed)?;
    Ok(Catalog { fingerprint, server, tables, references, deferred_keys, hazards, types })
}

async fn read_server(session: &Session, doing: Doing<'_>) -> Result<Server, EngineError> {
    let failed = |error| doing.failed(error);
    let row = session.query_one(include_str!("sql/server.sql"), &[]).await.map_err(failed)?;
    server_of(&row).map_err(failed)
}

fn server_of(row: &Row) -> Result<Server, tokio_postgres::Error> {
    Ok(Server {
        version_number: row.try_get("version_number")?,
        version: row.try_get("version")?,
        encoding: row.try_get("encoding")?,
        is_standby: row.try_get("is_standby")?,
        role: row.try_get("role")?,
        skips_triggers: row.try_get("skips_triggers")?,
        may_create_schema: row.try_get("may_create_schema")?,
        may_make_temporary: row.try_get("may_make_temporary")?,
        database: row.try_get("database")?,
        has_guard: row.try_get("has_guard")?,
        has_schema: row.try_get("has_schema")?,
        may_use_schema: row.try_get("may_use_schema")?,
    })
}

fn of_table<T>(
    rows: &[Row],
    oid: Oid,
    read: fn(&Row) -> Result<T, tokio_postgres::Error>,
) -> Result<Vec<T>, tokio_postgres::Error> {
    let mut found = Vec::new();
    for row in rows {
        if row.try_get::<_, Oid>("table_oid")? == oid {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

fn table_of(row: &Row) -> Result<Option<Table>, tokio_postgres::Error> {
    let Some(oid) = row.try_get::<_, Option<Oid>>("oid")? else { return Ok(None) };
    let kind: String = row.try_get("kind")?;
    let quoted = qualified(row, "schema", "name")?;
    Ok(Some(Table {
        oid,
        from: from_clause(&quoted, &kind),
        quoted,
        kind,
        has_heirs: row.try_get("has_heirs")?,
        may_select: row.try_get("may_select")?,
        may_insert: row.try_get("may_insert")?,
        may_delete: row.try_get("may_delete")?,
        row_security: row.try_get("row_security")?,
        numbers_writers: row.try_get("numbers_writers")?,
        columns: Vec::new(),
        sequences: Vec::new(),
    }))
}

fn column_of(row: &Row) -> Result<Column, tokio_postgres::Error> {
    Ok(Column {
        name: row.try_get("name")?,
        type_oid: row.try_get("type_oid")?,
        written: row.try_get("written")?,
        modifier: row.try_get("modifier")?,
        not_null: row.try_get("not_null")?,
        has_default: row.try_get("has_default")?,
        default_value: row.try_get("default_value")?,
        generated: row.try_get("generated")?,
        inexact_collation: row.try_get("inexact_collation")?,
        leads_an_index: row.try_get("leads_an_index")?,
        key_position: row.try_get("key_position")?,
    })
}

fn sequence_of(row: &Row) -> Result<Sequence, tokio_postgres::Error> {
    Ok(Sequence {
        column: row.try_get("column_name")?,
        quoted: qualified(row, "schema", "name")?,
        increment: row.try_get("increment")?,
        least: row.try_get("least")?,
        greatest: row.try_get("greatest")?,
        cycles: row.try_get("cycles")?,
        fills_integers: row.try_get("fills_integers")?,
        may_use: row.try_get("may_use")?,
        may_select: row.try_get("may_select")?,
    })
}

fn reference_of(row: &Row) -> Result<Reference, tokio_postgres::Error> {
    let child = qualified(row, "child_schema", "child_name")?;
    let parent = qualified(row, "parent_schema", "parent_name")?;
    Ok(Reference {
        name: row.try_get("name")?,
        child_root: row.try_get("child_root")?,
        child_from: from_clause(&child, row.try_get("child_kind")?),
        child_columns: row.try_get("child_columns")?,
        parent_oid: row.try_get("parent_oid")?,
        parent_root: row.try_get("parent_root")?,
        parent_from: from_clause(&parent, row.try_get("parent_kind")?),
        parent_columns: row.try_get("parent_columns")?,
        equalities: row.try_get("equalities")?,
        may_select_parent: row.try_get("may_select_parent")?,
        deferrable: row.try_get("deferrable")?,
    })
}

fn deferred_key_of(row: &Row) -> Result<DeferredKey, tokio_postgres::Error> {
    Ok(DeferredKey {
        name: row.try_get("name")?,
        table_oid: row.try_get("table_oid")?,
        from: from_clause(&qualified(row, "schema", "table_name")?, row.try_get("kind")?),
        columns: row.try_get("columns")?,
        equalities: row.try_get("equalities")?,
    })
}

fn qualified(row: &Row, schema: &str, name: &str) -> Result<String, tokio_postgres::Error> {
    Ok(format!("{}.{}", quote(row.try_get(schema)?), quote(row.try_get(name)?)))
}

/// Inheritance children of a plain table are tables of their own; a partitioned table is its partitions.
fn from_clause(quoted: &str, kind: &str) -> String {
    if kind == "r" { format!("ONLY {quoted}") } else { quoted.into() }
}
