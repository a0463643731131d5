//! `/api/v1`.
//!
//! - `views`: the shapes of answers
//! - `overview`, `migrations`, `orgs`, `actors`, `runs`, `audit`: reads
//! - `journal`: runs of runbooks whose steps run on remote clients
//! - `commands`: commands, confirmation and approval
//! - `touch`: gives an org priority

mod actors;
mod audit;
mod commands;
mod journal;
mod migrations;
mod orgs;
mod overview;
mod paging;
mod runs;
mod touch;
pub(super) mod views;

use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, web};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_actix_web::scope;

use super::access::admit;
use super::customer_rows::hide_from_viewers;
use super::events;
use super::not_found::not_found;
use super::problem::{More, Problem};

pub(super) use audit::commands_to_publish;
pub(super) use orgs::closed_of;
pub(super) use overview::{health_of, status_of};
pub(super) use runs::active as active_run;

pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

/// The parts of the document besides its paths.
#[derive(OpenApi)]
#[openapi(
    info(title = "Mover", description = "Moves organizations between datastores. docs/http.md is the manual."),
    modifiers(&Bearer),
    // A part of every refusal that utoipa does not find by itself.
    components(schemas(More)),
    security(("token" = []))
)]
pub(super) struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// Every path; all require a token.
pub(super) fn routes(app: &mut utoipa_actix_web::service_config::ServiceConfig<'_>) {
    let api = scope("/api/v1")
        .wrap(from_fn(hide_from_viewers))
        // Comes first, as the last one.
        .wrap(from_fn(admit))
        .service(overview::get_me)
        .service(overview::get_status)
        .service(overview::get_health)
        .service(overview::get_campaigns)
        .service(overview::get_campaign)
        .service(migrations::get_migrations)
        .service(migrations::get_migration)
        .service(migrations::get_orgs)
        .service(migrations::get_map)
        .service(migrations::get_pace)
        .service(orgs::get_move)
        .service(orgs::get_org)
        .service(orgs::get_route)
        .service(orgs::get_closed)
        .service(orgs::get_drift)
        .service(orgs::get_flags)
        .service(touch::touch_org)
        .service(actors::get_tree)
        .service(actors::get_workers)
        .service(actors::get_nodes)
        .service(runs::get_runs)
        .service(journal::begin_run)
        .service(runs::get_run)
        .service(journal::take_run)
        .service(journal::release_run)
        .service(journal::note_step)
        .service(journal::end_run)
        .service(journal::get_journal)
        .service(audit::get_audit)
        .service(commands::give_command)
        .service(commands::get_command)
        .service(commands::approve_command)
        .service(events::get_events)
        .default_service(web::to(not_found));
    app.service(api);
}

/// How bodies, paths and queries are parsed, and refused.
pub(super) fn reading(app: &mut web::ServiceConfig) {
    app.app_data(
        web::JsonConfig::default().limit(BODY_BYTES_MAX).error_handler(|error, _| Problem::of_body(&error).into()),
    )
    .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
    .app_data(web::PathConfig::default().error_handler(|error, _| Problem::malformed(error.to_string()).into()))
    .app_data(web::QueryConfig::default().error_handler(|error, _| Problem::malformed(error.to_string()).into()));
}

/// Serialized JSON.
fn json(body: bytes::Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(body)
}
