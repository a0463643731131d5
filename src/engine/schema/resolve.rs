//! Which tables the names of a definition resolve to. Mover's sessions have only pg_catalog in their search_path; names of
//! tables are resolved with the search_path of the role.

use mover_actors::ports::EngineError;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Oid;
use tokio_postgres::{Error, SimpleQueryMessage, SimpleQueryRow};

use crate::engine::schema::name::{TableName, literal, quote};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// A table or view in a store.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Resolved {
    pub(in crate::engine) oid: Oid,
    /// In quotes, with its schema.
    pub(in crate::engine) quoted: String,
}

/// The relation that each name resolves to, if any. Must not be called inside a transaction.
pub(in crate::engine) async fn resolve(
    session: &Session,
    names: &[TableName],
    doing: Doing<'_>,
) -> Result<Vec<Option<Resolved>>, EngineError> {
    let mut found = vec![None; names.len()];
    if names.is_empty() {
        return Ok(found);
    }
    let asked = names.iter().enumerate().map(|(number, name)| format!("({number}, {})", literal(&name.quoted())));
    // This qualifies every name, because the role's search_path may lead anywhere.
    let sql = format!(
        "BEGIN READ ONLY; SELECT pg_catalog.set_config('search_path', {}, true);\n\
         SELECT w.number, c.oid, n.nspname, c.relname FROM (VALUES {}) AS w (number, name) \
         JOIN pg_catalog.pg_class AS c \
         ON c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(w.name)::pg_catalog.oid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace;\n\
         COMMIT",
        literal(session.role_path()),
        asked.collect::<Vec<_>>().join(", ")
    );
    let answers = match session.simple_query(&sql).await {
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            return Err(unusable(session, names, doing, error).await);
        }
        answers => answers.map_err(|error| doing.failed(error))?,
    };
    for answer in answers {
        let SimpleQueryMessage::Row(row) = answer else { continue };
        if let Some((number, resolved)) = resolved(&row)
            && let Some(slot) = found.get_mut(number)
        {
            *slot = Some(resolved);
        }
    }
    Ok(found)
}

/// Names the schemas that the role may not use, with the statement that lets it.
async fn unusable(session: &Session, names: &[TableName], doing: Doing<'_>, error: Error) -> EngineError {
    let schemas: Vec<&str> = names.iter().filter_map(TableName::schema).collect();
    let sql = "SELECT quote_ident(n.nspname), quote_ident(current_user) FROM pg_namespace n \
               WHERE n.nspname = ANY ($1) AND NOT has_schema_privilege(n.oid, 'USAGE')";
    let asked = async {
        session.batch_execute("ROLLBACK").await?;
        let rows = session.query(sql, &[&schemas]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<Vec<(String, String)>, Error>>()
    };
    match asked.await {
        Ok(found) if !found.is_empty() => {
            let (schemas, roles): (Vec<String>, Vec<String>) = found.into_iter().unzip();
            let (schemas, role) = (schemas.join(", "), &roles[0]);
            doing.refused(format!(
                "its role may not use schema {schemas}; next: GRANT USAGE ON SCHEMA {schemas} TO {role}"
            ))
        }
        _ => doing.failed(error),
    }
}

/// None for the row that set_config returns.
fn resolved(row: &SimpleQueryRow) -> Option<(usize, Resolved)> {
    let column = |index| row.try_get(index).ok().flatten();
    let (number, oid): (&str, &str) = (column(0)?, column(1)?);
    let quoted = format!("{}.{}", quote(column(2)?), quote(column(3)?));
    Some((number.parse().ok()?, Resolved { oid: oid.parse().ok()?, quoted }))
}

/// The table, quoted, with its schema; as it is written if it does not exist, and then the store reports that.
pub(in crate::engine) async fn qualified(
    session: &Session,
    name: &TableName,
    doing: Doing<'_>,
) -> Result<String, EngineError> {
    let found = resolve(session, std::slice::from_ref(name), doing).await?;
    Ok(found.into_iter().flatten().next().map_or_else(|| name.quoted(), |found| found.quoted))
}
