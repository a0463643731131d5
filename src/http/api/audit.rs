//! The audit: commands with user, origin and result.

use std::collections::BTreeMap;

use actix_web::{get, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::paging::{Page, limited, number};
use super::views::Entry;
use crate::http::problem::{Problem, Refusals};
use crate::http::shared::Shared;
use crate::operations::World;

/// A part of the audit.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// The cursor to continue from.
    after: Option<String>,
    /// Only commands that wait for approval.
    #[serde(default)]
    waiting: bool,
    /// At most this many, up to 1000.
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
    let (log, before) = (&shared.world.log, number(query.after.as_deref())?);
    let entries = match query.waiting {
        true => log.waiting_commands(limit + 1, before).await?,
        false => log.recent_commands(limit + 1, before).await?,
    };
    let entries = entries.into_iter().map(Entry::from).collect();
    Ok(web::Json(Page::cut(entries, limit, |entry: &Entry| entry.id.to_string())))
}

/// The latest commands, those that wait, and those with these numbers, by their numbers.
pub(in crate::http) async fn commands_to_publish(
    world: &World,
    limit: u32,
    besides: impl Iterator<Item = i64>,
) -> Result<BTreeMap<i64, Entry>, Problem> {
    let log = &world.log;
    let mut entries = log.recent_commands(limit, None).await?;
    entries.extend(log.waiting_commands(limit, None).await?);
    let besides: Vec<i64> = besides.filter(|id| entries.iter().all(|entry| entry.id != *id)).collect();
    if !besides.is_empty() {
        entries.extend(log.commands(&besides).await?);
    }
    Ok(entries.into_iter().map(|entry| (entry.id, Entry::from(entry))).collect())
}
