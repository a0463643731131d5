//! The overview.

use std::collections::BTreeSet;

use actix_web::{HttpResponse, get, web};
use mover_actors::domain::ids::CampaignId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::json;
use super::paging::{Limit, Page};
use super::views::{Migration, Status};
use crate::http::access::Caller;
use crate::http::problem::{Problem, Refusals};
use crate::http::shared::Shared;
use crate::operations::{
    CampaignStatus, Health, MigrationStatus, OperationError, StatusView, World, campaign_total, rfc3339,
};
use crate::state::Role;
use crate::state::read::Counts;

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    /// The name of the token; the audit has it.
    name: String,
    role: Role,
    /// When the token expires; null: never.
    expires_at: Option<String>,
    /// Whether commands past the point of no return need approval here.
    approvals: bool,
    /// Since when this Mover serves. A command that was given before and is still open will not be carried out.
    serving_since: String,
    /// The default `sleep_time` of campaigns, in milliseconds.
    sleep_time_ms: u64,
}

/// The holder of the token
#[utoipa::path(tag = "overview", responses((status = 200, body = Me), Refusals))]
#[get("/me")]
pub(super) async fn get_me(caller: Caller, shared: web::Data<Shared>) -> web::Json<Me> {
    let Caller { name, role, expires_at, .. } = caller;
    web::Json(Me {
        name,
        role,
        expires_at: expires_at.map(rfc3339),
        approvals: shared.settings().second_person,
        serving_since: rfc3339(shared.since),
        sleep_time_ms: shared.world.campaign.tuning.sleep_time_ms,
    })
}

/// The status of everything
///
/// Concurrent callers share one read; at most a twentieth of the time is spent on reading.
#[utoipa::path(tag = "overview", responses((status = 200, body = Status), Refusals))]
#[get("/status")]
pub(super) async fn get_status(shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    status_of(&shared).await.map(json)
}

/// The status, read again when the last one is too old.
pub(in crate::http) async fn status_of(shared: &Shared) -> Result<bytes::Bytes, Problem> {
    shared.status.get(async { read(&shared.world).await.map_err(Problem::from) }).await
}

async fn read(world: &World) -> Result<Status, OperationError> {
    let StatusView { migrations, campaign } = StatusView::read(world, None).await?;
    let with_orgs: BTreeSet<_> = migrations.iter().map(|status| status.migration.clone()).collect();
    let mut migrations: Vec<_> = migrations.into_iter().map(|status| of_definition(world, status)).collect();
    for definition in world.definitions.iter().filter(|definition| !with_orgs.contains(&definition.name)) {
        let status = MigrationStatus::read(world, definition.name.clone(), Counts::default(), None).await?;
        migrations.push(of_definition(world, status));
    }
    Ok(Status { migrations, campaign })
}

pub(super) fn of_definition(world: &World, status: MigrationStatus) -> Migration {
    let definition = world.definition(&status.migration).ok();
    let preps = world.definitions.preps_of(&status.migration);
    Migration::new(status, definition, preps)
}

/// The health, and what to do about problems
#[utoipa::path(tag = "overview", responses((status = 200, body = Health), Refusals))]
#[get("/health")]
pub(super) async fn get_health(shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    health_of(&shared).await.map(json)
}

/// The health, read again when the last answer is too old.
pub(in crate::http) async fn health_of(shared: &Shared) -> Result<bytes::Bytes, Problem> {
    let look =
        async { Ok(Health::look(&shared.world).await.unwrap_or_else(|error| Health::critical(error.to_string()))) };
    shared.health.get(look).await
}

/// The latest campaigns
#[utoipa::path(tag = "overview", params(Limit), responses((status = 200, body = Page<CampaignStatus>), Refusals))]
#[get("/campaigns")]
pub(super) async fn get_campaigns(
    shared: web::Data<Shared>,
    limit: web::Query<Limit>,
) -> Result<web::Json<Page<CampaignStatus>>, Problem> {
    let campaigns = shared.world.log.recent_campaigns(limit.items()?).await?;
    Ok(web::Json(Page::whole(campaigns.into_iter().map(CampaignStatus::from).collect())))
}

/// Options for a campaign.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CampaignQuery {
    /// Whether to include `total`: it takes a count over all orgs.
    #[serde(default)]
    total: bool,
}

/// A campaign, with its total.
#[derive(Debug, Serialize, ToSchema)]
struct CampaignOf {
    #[serde(flatten)]
    campaign: CampaignStatus,
    /// How many orgs it will have claimed at its end, as far as that is known now. Only if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

/// One campaign
#[utoipa::path(tag = "overview", params(CampaignQuery), responses((status = 200, body = CampaignOf), Refusals))]
#[get("/campaigns/{id}")]
pub(super) async fn get_campaign(
    shared: web::Data<Shared>,
    id: web::Path<i64>,
    query: web::Query<CampaignQuery>,
) -> Result<web::Json<CampaignOf>, Problem> {
    let view = shared.world.log.campaign_view(CampaignId(*id)).await?;
    let total = match query.total {
        true => Some(campaign_total(&shared.world, &view.campaign).await?),
        false => None,
    };
    Ok(web::Json(CampaignOf { campaign: view.into(), total }))
}
