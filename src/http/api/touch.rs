//! Priority for an org that is in use, for instance because a user logs in.

use std::time::Duration;

use actix_web::{post, web};
use mover_actors::domain::state::State;
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;

use super::migrations::found;
use super::orgs::org_name;
use super::views::Move;
use crate::http::access::Caller;
use crate::http::problem::{Problem, Refusals};
use crate::http::shared::Shared;
use crate::state::Role;

const WAIT_MAX_MS: u64 = 30_000;
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How an org is touched.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Touch {
    /// The migration.
    migration: String,
    /// How long to wait for the end of its move, in milliseconds, up to 30000.
    #[serde(default)]
    #[schema(maximum = 30000)]
    wait_ms: u64,
}

/// Put an org at the head of the queue
///
/// Only a ready org has a place in the queue; any other is returned as it is. With `wait_ms` the answer comes when its move has
/// ended, or after that time.
#[utoipa::path(tag = "orgs", responses((status = 200, body = Move), Refusals))]
#[post("/orgs/{org}/touch")]
pub(super) async fn touch_org(
    caller: Caller,
    shared: web::Data<Shared>,
    name: web::Path<String>,
    touch: web::Json<Touch>,
) -> Result<web::Json<Move>, Problem> {
    caller.must_be(Role::Operator, "touching an org")?;
    if touch.wait_ms > WAIT_MAX_MS {
        return Err(Problem::malformed(format!("wait_ms is a number up to {WAIT_MAX_MS}")));
    }
    let (migration, org) = (found(&shared.world, &touch.migration)?, org_name(&name)?);
    let log = &shared.world.log;
    log.touch(&migration, &org).await?;
    let until = Instant::now() + Duration::from_millis(touch.wait_ms);
    let moves = log.org_moves(&org).await?;
    let mut view = moves
        .into_iter()
        .find(|view| view.record.migration == migration)
        .ok_or_else(|| Problem::not_found(format!("{migration} has no org {:?}", org.as_str())))?;
    while matches!(view.record.state, State::Ready | State::Started(_)) && Instant::now() < until {
        sleep(LOOK_EVERY).await;
        view = log.move_view(view.record.id).await?;
    }
    Ok(web::Json(view.into()))
}
