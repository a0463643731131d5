//! Health for orchestrators, without a token: the level, and nothing more.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::api::health_of;
use super::shared::Shared;

/// An answer for orchestrators.
#[derive(Debug, Serialize, ToSchema)]
struct Probe {
    /// `ok`, `warning` or `critical`.
    level: &'static str,
}

fn probe(status: StatusCode, level: &'static str) -> HttpResponse {
    HttpResponse::build(status).json(Probe { level })
}

/// The level of health
///
/// 503 when it is critical. `/api/v1/health` and `mover health` list the causes.
#[utoipa::path(tag = "health", security(()), responses((status = 200, body = Probe), (status = 503, body = Probe)))]
#[get("/health")]
pub(super) async fn overall(shared: web::Data<Shared>) -> HttpResponse {
    let level = match health_of(&shared).await {
        Ok(health) => serde_json::from_slice::<serde_json::Value>(&health).ok(),
        Err(_) => None,
    };
    match level.as_ref().and_then(|health| health["level"].as_str()) {
        Some("ok") => probe(StatusCode::OK, "ok"),
        Some("warning") => probe(StatusCode::OK, "warning"),
        _ => probe(StatusCode::SERVICE_UNAVAILABLE, "critical"),
    }
}

/// Liveness: whether the process should be left alone
///
/// It succeeds as long as the tree runs; unreachable servers are no reason to restart Mover.
#[utoipa::path(tag = "health", security(()), responses((status = 200, body = Probe)))]
#[get("/health/live")]
pub(super) async fn live() -> HttpResponse {
    probe(StatusCode::OK, "ok")
}

/// Readiness: whether requests can be served
///
/// 503 while the move log is unreachable.
#[utoipa::path(tag = "health", security(()), responses((status = 200, body = Probe), (status = 503, body = Probe)))]
#[get("/health/ready")]
pub(super) async fn ready(shared: web::Data<Shared>) -> HttpResponse {
    let asked = shared.ready.get(async { Ok(shared.world.log.now().await.map(drop)?) });
    match asked.await {
        Ok(_) => probe(StatusCode::OK, "ok"),
        Err(_) => probe(StatusCode::SERVICE_UNAVAILABLE, "critical"),
    }
}
