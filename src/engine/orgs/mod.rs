//! The orgs that a source lists.

pub(in crate::engine) mod listing;
pub(in crate::engine) mod survey;

use std::collections::{HashSet, VecDeque, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};

use futures_util::{Stream, stream};
use mover_actors::domain::flags::NO_ORG;
use mover_actors::domain::ids::{OrgKey, OrgName};
use mover_actors::domain::state::Strategy;
use mover_actors::ports::EngineError;
use tokio_postgres::Row;

use crate::config::{Definition, OrgDirectory};
use crate::engine::plan::org_keys::KeyForms;
use crate::engine::schema::resolve::qualified;
use crate::engine::store::Store;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed, shortened};

/// An org as the directory lists it.
pub type Listed = (OrgName, OrgKey);

/// Reads this many rows at once.
const PAGE: &str = "FETCH FORWARD 2000 FROM mover_orgs";

/// All orgs of the directory, in the best order for moving them, with their keys as the tables write them. A row that names no
/// org, or more than one, is an error item ([`names_no_org`]); the stream goes on after it. It ends after an error of the
/// store.
pub(in crate::engine) async fn orgs<'a>(
    definition: &'a Definition,
    source: &Store,
    forms: KeyForms,
) -> Result<impl Stream<Item = Result<Listed, EngineError>> + Send + use<'a>, EngineError> {
    let session = source.session().await?;
    let walk = Walk::begin(&session, definition, forms).await?;
    let reading = Reading { session: Some(session), walk, page: VecDeque::new() };
    Ok(stream::unfold(reading, |mut reading| async move { reading.next().await.map(|item| (item, reading)) }))
}

/// Whether an error of the stream is about one row of the directory.
pub fn names_no_org(error: &EngineError) -> bool {
    !error.transient && error.place.row.is_some()
}

/// The org with this name, if the directory lists it.
pub(in crate::engine) async fn find(
    definition: &Definition,
    source: &Store,
    forms: KeyForms,
    name: &OrgName,
) -> Result<Option<OrgKey>, EngineError> {
    let session = source.session().await?;
    let doing = directory(definition);
    let failed = |error| doing.failed(error);
    let table = qualified(&session, &definition.org.table, doing).await?;
    let (name_column, key_column) = (definition.org.name.quoted(), definition.org.key.quoted());
    let sql = format!(
        "SELECT {name_column}::text, {key_column}::text, pg_typeof({key_column})::oid AS type_oid, \
         (SELECT count(*) FROM {table} AS d WHERE d.{key_column}::text = o.{key_column}::text) AS same_key \
         FROM {table} AS o WHERE {name_column}::text = $1 LIMIT 2"
    );
    let rows = session.query(&sql, &[&name.as_str()]).await.map_err(failed)?;
    let row = match rows.as_slice() {
        [] => {
            session.release();
            return Ok(None);
        }
        [row] => row,
        _ => return Err(doing.refused(format!("the directory lists org {} more than once", shortened(name.as_str())))),
    };
    let (line, type_oid) = (Line::of(row, doing)?, row.try_get("type_oid").map_err(failed)?);
    let same_key: i64 = row.try_get("same_key").map_err(failed)?;
    let canonical = forms.canonical(&session, std::slice::from_ref(&line.key), doing).await?;
    let canonical = canonical.into_iter().next().unwrap_or_else(|| Ok(line.key.clone()));
    let is_shared = match &canonical {
        // Keys that the directory writes differently may be the same key in the tables.
        Ok(canonical) if !forms.are_of(type_oid) => {
            let walk = Walk::begin(&session, definition, forms).await?;
            walk.close(&session).await?;
            walk.shared.contains(&hash(canonical))
        }
        _ => same_key > 1,
    };
    session.release();
    line.listed(canonical, is_shared, doing).map(|(_, key)| Some(key))
}

/// A listing under way; it ends when its session is gone.
struct Reading<'a> {
    session: Option<Session>,
    walk: Walk<'a>,
    page: VecDeque<Result<Listed, EngineError>>,
}

impl Reading<'_> {
    async fn next(&mut self) -> Option<Result<Listed, EngineError>> {
        if self.page.is_empty() {
            let session = self.session.take()?;
            match self.walk.page(&session).await {
                // The listing ends with its session.
                Err(error) => return Some(Err(error)),
                Ok(page) if page.is_empty() => {
                    session.release();
                    return None;
                }
                Ok(page) => self.page = page.into(),
            }
            self.session = Some(session);
        }
        self.page.pop_front()
    }
}

/// A cursor over the directory, held by the session until it is closed or read to its end.
pub(in crate::engine) struct Walk<'a> {
    doing: Doing<'a>,
    forms: KeyForms,
    /// Hashes of keys that more than one row has.
    shared: HashSet<u64>,
}

impl<'a> Walk<'a> {
    /// Reads the directory once for keys that several orgs share, then stands at its beginning.
    pub(in crate::engine) async fn begin(
        session: &Session,
        definition: &'a Definition,
        forms: KeyForms,
    ) -> Result<Self, EngineError> {
        let doing = directory(definition);
        let failed = |error| doing.failed(error);
        let OrgDirectory { table, name, key } = &definition.org;
        let table = qualified(session, table, doing).await?;
        // Orgs that share a bit of the guard move together, so the triggers look up fewer other orgs in vain.
        let together = match definition.strategy {
            Strategy::Online => {
                include_str!("sql/watched_together.sql").trim_end().replace("{key}", &key.quoted()) + ", "
            }
            Strategy::Offline | Strategy::Window => String::new(),
        };
        // WITH HOLD: a slow reader keeps no snapshot open.
        let declare = format!(
            "CLOSE ALL; DECLARE mover_orgs SCROLL CURSOR WITH HOLD FOR SELECT {name}::text, {key}::text, \
             count(*) OVER (PARTITION BY {name}::text) FROM {table} ORDER BY {together}{name}::text COLLATE \"C\"",
            name = name.quoted(),
            key = key.quoted(),
        );
        session.batch_execute(&declare).await.map_err(failed)?;
        let mut walk = Self { doing, forms, shared: HashSet::new() };
        let mut seen = HashSet::new();
        loop {
            let lines = walk.lines(session).await?;
            if lines.is_empty() {
                break;
            }
            for (_, canonical) in lines {
                if let Ok(key) = canonical
                    && !seen.insert(hash(&key))
                {
                    walk.shared.insert(hash(&key));
                }
            }
        }
        session.batch_execute("MOVE ABSOLUTE 0 IN mover_orgs").await.map_err(failed)?;
        Ok(walk)
    }

    /// The next orgs; none at the end, where the cursor is closed.
    pub(in crate::engine) async fn page(
        &self,
        session: &Session,
    ) -> Result<Vec<Result<Listed, EngineError>>, EngineError> {
        let lines = self.lines(session).await?;
        if lines.is_empty() {
            self.close(session).await?;
        }
        let listed = lines.into_iter().map(|(line, canonical)| {
            let line = line?;
            let is_shared = canonical.as_ref().is_ok_and(|key| self.shared.contains(&hash(key)));
            line.listed(canonical, is_shared, self.doing)
        });
        Ok(listed.collect())
    }

    async fn close(&self, session: &Session) -> Result<(), EngineError> {
        session.batch_execute("CLOSE mover_orgs").await.map_err(|error| self.doing.failed(error))
    }

    /// The next rows, each with its key as the tables write it.
    async fn lines(&self, session: &Session) -> Result<Lines, EngineError> {
        let rows = session.query(PAGE, &[]).await.map_err(|error| self.doing.failed(error))?;
        let lines: Vec<Result<Line, EngineError>> = rows.iter().map(|row| Line::of(row, self.doing)).collect();
        let keys: Vec<String> = lines.iter().flatten().map(|line| line.key.clone()).collect();
        let mut canonical = self.forms.canonical(session, &keys, self.doing).await?.into_iter();
        let with_key = lines.into_iter().map(|line| {
            let canonical = match &line {
                Ok(_) => canonical.next().unwrap_or_else(|| Err("its key is unknown".into())),
                Err(_) => Err(String::new()),
            };
            (line, canonical)
        });
        Ok(with_key.collect())
    }
}

/// Rows, each with its key as the tables write it.
type Lines = Vec<(Result<Line, EngineError>, Result<String, String>)>;

/// A row of the directory that has a name and a key.
struct Line {
    name: String,
    key: String,
    /// How many rows have this name.
    same_name: i64,
}

impl Line {
    fn of(row: &Row, doing: Doing<'_>) -> Result<Self, EngineError> {
        let failed = |error| doing.failed(error);
        let (name, key): (Option<String>, Option<String>) =
            (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        match (name, key) {
            (Some(name), Some(key)) => Ok(Self { name, key, same_name: row.try_get(2).unwrap_or(1) }),
            (name, key) => Err(refused(doing, (name.as_deref(), key.as_deref()), "an org without a name or key")),
        }
    }

    fn listed(
        self,
        canonical: Result<String, String>,
        is_shared: bool,
        doing: Doing<'_>,
    ) -> Result<Listed, EngineError> {
        let wrong = |problem: &str| refused(doing, (Some(&self.name), Some(&self.key)), problem);
        let name = OrgName::new(self.name.as_str()).map_err(|error| wrong(&error.to_string()))?;
        if name.as_str() == NO_ORG {
            return Err(wrong(&format!(
                "{NO_ORG} is the name under which requests without an org look up their flags"
            )));
        }
        let key = canonical.map_err(|problem| wrong(&format!("org {}: {problem}", shortened(name.as_str()))))?;
        let key = OrgKey::new(key).map_err(|error| wrong(&error.to_string()))?;
        if self.same_name > 1 {
            return Err(wrong(&format!("the directory lists org {} more than once", shortened(name.as_str()))));
        }
        if is_shared {
            let problem = format!(
                "org {}: its key {key} is also the key of another org; give each its own",
                shortened(name.as_str())
            );
            return Err(wrong(&problem));
        }
        Ok((name, key))
    }
}

fn directory(definition: &Definition) -> Doing<'_> {
    Doing::new(&definition.from, "reading the org directory")
}

fn refused(doing: Doing<'_>, (name, key): (Option<&str>, Option<&str>), problem: &str) -> EngineError {
    let shown = |column: Option<&str>| column.map_or("NULL".into(), |text| format!("{text:?}"));
    let mut error = doing.refused(problem);
    error.place.row = Some(shortened(&format!("(name, key)=({}, {})", shown(name), shown(key))));
    error
}

/// `SELECT …` of the names and keys that the directory lists.
pub(in crate::engine) async fn select(
    org: &OrgDirectory,
    session: &Session,
    doing: Doing<'_>,
) -> Result<String, EngineError> {
    let table = qualified(session, &org.table, doing).await?;
    Ok(format!("SELECT {}::text, {}::text FROM {table}", org.name.quoted(), org.key.quoted()))
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
