//! One org: its moves and its location; and the orgs that are blocked.

use actix_web::{HttpResponse, get, web};
use bytes::Bytes;
use mover_actors::domain::flags::{FlagKey, is_internal};
use mover_actors::domain::ids::{MoveId, OrgName};
use mover_actors::tree::darklaunch::drifts;
use serde::Deserialize;
use utoipa::IntoParams;

use super::json;
use super::migrations::found;
use super::paging::Page;
use super::views::{Closed, DriftOf, Drifts, FlagFields, MisroutedOf, Move, Org, Route, RouteOf};
use crate::http::problem::{Problem, Refusals};
use crate::http::shared::Shared;
use crate::operations::{Location, OperationError, RouteSurvey, World, doing, flags_of, location, progress_of};

const CLOSED_MAX: u32 = 200;
const DRIFTS_MAX: usize = 100;

/// One move
#[utoipa::path(tag = "orgs", responses((status = 200, body = Move), Refusals))]
#[get("/moves/{id}")]
pub(super) async fn get_move(shared: web::Data<Shared>, id: web::Path<i64>) -> Result<web::Json<Move>, Problem> {
    Ok(web::Json(shared.world.log.move_view(MoveId(*id)).await?.into()))
}

/// A filter for migrations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OrgQuery {
    /// Only this one.
    migration: Option<String>,
}

/// A name from a path.
pub(super) fn org_name(text: &str) -> Result<OrgName, Problem> {
    OrgName::new(text).map_err(|error| Problem::malformed(error.to_string()))
}

/// One org with its history, its failure and its flags
#[utoipa::path(tag = "orgs", params(OrgQuery), responses((status = 200, body = Org), Refusals))]
#[get("/orgs/{org}")]
pub(super) async fn get_org(
    shared: web::Data<Shared>,
    name: web::Path<String>,
    query: web::Query<OrgQuery>,
) -> Result<web::Json<Org>, Problem> {
    let (log, name) = (&shared.world.log, org_name(&name)?);
    let only = query.migration.as_deref().map(|migration| found(&shared.world, migration)).transpose()?;
    let mut moves = Vec::new();
    for view in log.org_moves(&name).await? {
        if only.as_ref().is_none_or(|only| *only == view.record.migration) {
            let history = log.org_history(&view.record.migration, &name).await?;
            let progress = progress_of(&shared.world, &view.record).await?;
            let doing = doing(&shared.world, Some(&shared.running.registry), &view.record).await?;
            moves.push(Move::from(view).with_progress(doing, progress).with_history(history.happenings));
        }
    }
    if moves.is_empty() {
        return Err(Problem::not_found(format!("that migration has no org {:?}", name.as_str())));
    }
    let flags = flags_of(&shared.world, &name).await.ok();
    Ok(web::Json(Org { org: name.to_string(), moves, flags }))
}

/// Where an org lives now
#[utoipa::path(tag = "orgs", responses((status = 200, body = Route), Refusals))]
#[get("/orgs/{org}/route")]
pub(super) async fn get_route(shared: web::Data<Shared>, name: web::Path<String>) -> Result<web::Json<Route>, Problem> {
    let (world, name) = (&shared.world, org_name(&name)?);
    let moves = world.log.org_moves(&name).await?;
    let migrations = moves.into_iter().map(|view| {
        let Location { store, accepts_writes } = location(world, &view.record);
        RouteOf {
            migration: view.record.migration.to_string(),
            state: view.record.state.as_str().to_owned(),
            step: view.record.state.step().map(|step| step.to_string()),
            store: store.map(|store| store.to_string()),
            accepts_writes,
        }
    });
    let migrations = migrations.collect();
    let mut flags = world.flags.hash(&FlagKey::org(&name)).await.ok();
    if let Some(flags) = &mut flags {
        flags.retain(|field, _| !is_internal(field));
    }
    let flags = flags.map(|flags| flags.into_iter().collect());
    Ok(web::Json(Route { org: name.to_string(), migrations, flags }))
}

/// The orgs that are blocked now
#[utoipa::path(tag = "orgs", responses((status = 200, body = Page<Closed>), Refusals))]
#[get("/closed")]
pub(super) async fn get_closed(shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    closed_of(&shared).await.map(json)
}

/// Orgs that moves or operators have blocked; read again when the last answer is too old.
pub(in crate::http) async fn closed_of(shared: &Shared) -> Result<Bytes, Problem> {
    let log = &shared.world.log;
    let read = async {
        let by_moves = log.closed_orgs(CLOSED_MAX).await?.into_iter().map(Closed::by_move);
        let by_operators = log.closed_by_operators(CLOSED_MAX).await?.into_iter().map(Closed::by_operator);
        Ok(Page::whole(by_moves.chain(by_operators).collect()))
    };
    shared.closed.get(read).await
}

/// Flags in Redis that differ from the desired ones
#[utoipa::path(tag = "orgs", responses((status = 200, body = Drifts), Refusals))]
#[get("/flags/drift")]
pub(super) async fn get_drift(shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    shared.drift.get(drift(&shared.world)).await.map(json)
}

async fn drift(world: &World) -> Result<Drifts, Problem> {
    let World { log, flags, .. } = world;
    let (checked, drifts) = drifts(log.as_ref(), flags.as_ref(), DRIFTS_MAX).await.map_err(OperationError::from)?;
    let drifts = drifts.into_iter().map(|drift| DriftOf {
        key: drift.wanted.key.as_str().to_owned(),
        wanted: drift.wanted.fields.into_iter().collect(),
        found: drift.found.fields.into_iter().collect(),
    });
    let routes = RouteSurvey::look(world).await?;
    let (routes_checked, misrouted_total) = (routes.checked, routes.total());
    let misrouted = routes.misrouted.iter().map(MisroutedOf::from).collect();
    Ok(Drifts { checked, drifts: drifts.collect(), routes_checked, misrouted_total, misrouted })
}

/// A flag hash as applications read it
///
/// `dl_default`, `dl_override` and `dl_org_NAME`.
#[utoipa::path(tag = "orgs", responses((status = 200, body = FlagFields), Refusals))]
#[get("/flags/hashes/{key}")]
pub(super) async fn get_flags(
    shared: web::Data<Shared>,
    key: web::Path<String>,
) -> Result<web::Json<FlagFields>, Problem> {
    // Other keys of this Redis are not shown.
    if !key.starts_with("dl_") {
        return Err(Problem::not_found("there is no such flag hash; their keys begin with dl_"));
    }
    let key = FlagKey::from_stored(key.into_inner());
    let fields = shared.world.flags.hash(&key).await.map_err(OperationError::from)?;
    Ok(web::Json(FlagFields { key: key.as_str().to_owned(), fields: fields.into_iter().collect() }))
}
