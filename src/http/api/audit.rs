//! Who commanded what, from where, and what came of it.

use actix_web::{get, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::paging::{Page, limited, number};
use super::views::Entry;
use crate::http::problem::{Problem, Refusals};
use crate::http::shared::Shared;
use crate::operations::World;

/// Which part of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// From where to go on.
    after: Option<String>,
    /// At most so many, up to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Every command, the latest first
#[utoipa::path(tag = "commands", params(AuditQuery), responses((status = 200, body = Page<Entry>), Refusals))]
#[get("/audit")]
pub(super) async fn get_audit(
    shared: web::Data<Shared>,
    query: web::Query<AuditQuery>,
) -> Result<web::Json<Page<Entry>>, Problem> {
    let limit = limited(query.limit)?;
    let entries = shared.world.log.recent_commands(limit + 1, number(query.after.as_deref())?).await?;
    let entries = entries.into_iter().map(|entry| Entry::from(entry).without_answer());
    Ok(web::Json(Page::cut(entries.collect(), limit, |entry| entry.id.to_string())))
}

/// The latest commands, the oldest first.
pub(in crate::http) async fn recent(world: &World, limit: u32) -> Result<Vec<Entry>, Problem> {
    let entries = world.log.recent_commands(limit, None).await?.into_iter().rev();
    Ok(entries.map(|entry| Entry::from(entry).without_answer()).collect())
}
