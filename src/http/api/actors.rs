//! The supervision tree, its workers, and other Mover processes.

use actix_web::{get, web};

use super::paging::Page;
use super::views::{Actor, Node, Worker};
use crate::http::problem::{Problem, Refusals};
use crate::http::shared::Shared;
use crate::operations::rfc3339;

/// The supervision tree
///
/// The tree of moves, and below it the tree of the interfaces.
#[utoipa::path(tag = "actors", responses((status = 200, body = Actor), Refusals))]
#[get("/tree")]
pub(super) async fn get_tree(shared: web::Data<Shared>) -> Result<web::Json<Actor>, Problem> {
    shared.tree().map(web::Json).ok_or_else(|| Problem::unavailable("the tree is not up yet"))
}

/// The workers, and what each is doing
#[utoipa::path(tag = "actors", responses((status = 200, body = Page<Worker>), Refusals))]
#[get("/workers")]
pub(super) async fn get_workers(shared: web::Data<Shared>) -> Result<web::Json<Page<Worker>>, Problem> {
    let mut workers = Vec::new();
    let mut left: Vec<Actor> = shared.tree().into_iter().collect();
    while let Some(actor) = left.pop() {
        left.extend(actor.children);
        if actor.id.starts_with("worker_") {
            let (id, doing) = (actor.id, actor.note);
            workers.push(Worker { id, state: actor.state, restarts: actor.restarts, doing });
        }
    }
    workers.sort_by(|a, b| (a.id.len(), &a.id).cmp(&(b.id.len(), &b.id)));
    Ok(web::Json(Page::whole(workers)))
}

/// Mover's processes: the living ones, and those that left orgs in flight
#[utoipa::path(tag = "actors", responses((status = 200, body = Page<Node>), Refusals))]
#[get("/nodes")]
pub(super) async fn get_nodes(shared: web::Data<Shared>) -> Result<web::Json<Page<Node>>, Problem> {
    let nodes = shared.world.log.nodes().await?.into_iter().filter(|node| node.alive || node.moves > 0);
    let nodes = nodes.map(|node| Node {
        id: node.id.0,
        name: node.name,
        alive: node.alive,
        in_flight: node.moves,
        joined_at: rfc3339(node.joined_at),
    });
    Ok(web::Json(Page::whole(nodes.collect())))
}
