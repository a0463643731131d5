//! Migrations and lists of their orgs.

use actix_web::{HttpResponse, get, web};
use mover_actors::domain::ids::{MigrationName, MoveId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::json;
use super::overview::of_definition;
use super::paging::{Page, limited, number};
use super::views::{Map, Migration, Move, Pace, PaceBucket, letter};
use crate::http::problem::{Problem, Refusals};
use crate::http::shared::Shared;
use crate::operations::{MigrationStatus, World, rfc3339};
use crate::state::read::StateName;

/// About how many buckets a chart has.
const BUCKETS: u32 = 60;
const MINUTES_MAX: u16 = 24 * 60;

/// Every migration
#[utoipa::path(tag = "migrations", responses((status = 200, body = Page<Migration>), Refusals))]
#[get("/migrations")]
pub(super) async fn get_migrations(shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let all = async {
        let mut migrations = Vec::new();
        for definition in shared.world.definitions.iter() {
            migrations.push(read(&shared.world, &definition.name).await?);
        }
        Ok(Page::whole(migrations))
    };
    shared.migrations.get(all).await.map(json)
}

/// One migration, with its progress
#[utoipa::path(tag = "migrations", responses((status = 200, body = Migration), Refusals))]
#[get("/migrations/{migration}")]
pub(super) async fn get_migration(
    shared: web::Data<Shared>,
    name: web::Path<String>,
) -> Result<web::Json<Migration>, Problem> {
    let name = found(&shared.world, &name)?;
    Ok(web::Json(read(&shared.world, &name).await?))
}

async fn read(world: &World, name: &MigrationName) -> Result<Migration, Problem> {
    let counts = world.log.counts(name).await?;
    let status = MigrationStatus::read(world, name.clone(), counts, None).await?;
    Ok(of_definition(world, status))
}

/// The name of the migration with this name or alias.
pub(super) fn found(world: &World, name: &str) -> Result<MigrationName, Problem> {
    let name = MigrationName::new(name).map_err(|error| Problem::not_found(error.to_string()))?;
    Ok(world.definition(&name)?.name.clone())
}

/// A filter for orgs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OrgsQuery {
    /// `holding`, `ready`, `started`, `migrated`, `failed`, `rolled_back` or `finalized`.
    state: Option<String>,
    /// A prefix of the name.
    prefix: Option<String>,
    /// The cursor to continue from.
    after: Option<String>,
    /// At most this many, up to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Its orgs
///
/// In the order of capture; with `prefix` in the order of names. A page takes as long among a million orgs as among ten, but where
/// `prefix` and `state` together leave few: then those in between are passed over.
#[utoipa::path(tag = "migrations", params(OrgsQuery), responses((status = 200, body = Page<Move>), Refusals))]
#[get("/migrations/{migration}/orgs")]
pub(super) async fn get_orgs(
    shared: web::Data<Shared>,
    name: web::Path<String>,
    query: web::Query<OrgsQuery>,
) -> Result<web::Json<Page<Move>>, Problem> {
    let name = found(&shared.world, &name)?;
    let OrgsQuery { state, prefix, after, limit } = query.into_inner();
    let limit = limited(limit)?;
    let state = state.as_deref().map(str::parse::<StateName>).transpose();
    let state = state.map_err(|error| Problem::malformed(error.to_string()))?;
    let log = &shared.world.log;
    if [&prefix, &after].into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(Problem::malformed("no name has a zero character"));
    }
    let page = match prefix {
        Some(prefix) => {
            let after = after.unwrap_or_default();
            let moves = log.list_by_name(&name, state, &prefix, &after, limit + 1).await?;
            Page::cut(moves.into_iter().map(Move::from).collect(), limit, |last| last.org.clone())
        }
        None => {
            let after = number(after.as_deref())?.map(MoveId);
            let moves = log.list(&name, state, after, limit + 1).await?;
            Page::cut(moves.into_iter().map(Move::from).collect(), limit, |last| last.id.to_string())
        }
    };
    Ok(web::Json(page))
}

/// All orgs in one answer
///
/// What the map on the page is drawn from: numbers of moves, and one letter for the state of each.
#[utoipa::path(tag = "migrations", responses((status = 200, body = Map), Refusals))]
#[get("/migrations/{migration}/map")]
pub(super) async fn get_map(shared: web::Data<Shared>, name: web::Path<String>) -> Result<web::Json<Map>, Problem> {
    let name = found(&shared.world, &name)?;
    let cells = shared.world.log.map(&name).await?;
    let (ids, states) = cells.into_iter().map(|(id, state)| (id.0, letter(state))).unzip();
    Ok(web::Json(Map { ids, states }))
}

/// The range of a chart.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PaceQuery {
    /// Up to a day.
    #[param(minimum = 1, maximum = 1440)]
    minutes: Option<u16>,
}

/// Moves in the last minutes, and how long orgs were closed
#[utoipa::path(tag = "migrations", params(PaceQuery), responses((status = 200, body = Pace), Refusals))]
#[get("/migrations/{migration}/pace")]
pub(super) async fn get_pace(
    shared: web::Data<Shared>,
    name: web::Path<String>,
    query: web::Query<PaceQuery>,
) -> Result<web::Json<Pace>, Problem> {
    let name = found(&shared.world, &name)?;
    let minutes = query.minutes.unwrap_or(60);
    if !(1..=MINUTES_MAX).contains(&minutes) {
        return Err(Problem::malformed(format!("minutes is a number from 1 to {MINUTES_MAX}, not {minutes}")));
    }
    let bucket_seconds = (u32::from(minutes) * 60 / BUCKETS).max(1);
    let buckets = shared.world.log.pace(&name, minutes, bucket_seconds).await?;
    let buckets = buckets.into_iter().map(|bucket| PaceBucket {
        at: rfc3339(bucket.at),
        moved: bucket.moved,
        failed: bucket.failed,
        p50_ms: bucket.closed.map(|(p50, _, _)| p50),
        p99_ms: bucket.closed.map(|(_, p99, _)| p99),
        max_ms: bucket.closed.map(|(_, _, max)| max),
    });
    Ok(web::Json(Pace { bucket_seconds, buckets: buckets.collect() }))
}
