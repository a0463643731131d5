//! Metrics for Prometheus.

use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, get, web};
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

use super::access::admit;
use super::problem::Refusals;
use super::shared::Shared;
use crate::telemetry::Metrics;

pub(super) fn routes(app: &mut ServiceConfig<'_>) {
    app.service(scope("/metrics").wrap(from_fn(admit)).service(get_metrics));
}

/// All metrics, for Prometheus
///
/// docs/metrics.md lists them.
#[utoipa::path(tag = "health", responses((status = 200, content_type = "text/plain", body = String), Refusals))]
#[get("")]
async fn get_metrics(shared: web::Data<Shared>) -> HttpResponse {
    let Shared { world, running, pool_of_tree, .. } = &**shared;
    let pools = [("move_log", pool_of_tree), ("move_log:askers", world.log.pool())];
    let text = shared.metrics.render(world, &pools, Some(&running.registry)).await;
    HttpResponse::Ok().content_type(Metrics::CONTENT_TYPE).body(text)
}
