//! Answers to unknown paths, and to paths with another method.

use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::openapi::{OpenApi, PathItem};

use super::problem::Problem;

pub(super) async fn not_found(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let allowed = request.app_data::<web::Data<OpenApi>>().map(|document| allowed(document, request.path()));
    Err(match allowed {
        Some(allowed) if !allowed.is_empty() => Problem::not_allowed(request.method().as_str(), &allowed),
        _ if request.path().starts_with("/api") => {
            Problem::not_found("there is no such path; /api/v1/openapi.json lists those that there are")
        }
        _ => Problem::not_found("there is no such page"),
    })
}

/// The methods that a path supports.
fn allowed(document: &OpenApi, path: &str) -> Vec<&'static str> {
    let is_it = |template: &str| {
        template.split('/').count() == path.split('/').count()
            && template.split('/').zip(path.split('/')).all(|(known, asked)| known.starts_with('{') || known == asked)
    };
    let item = document.paths.paths.iter().find(|(template, _)| is_it(template)).map(|(_, item)| item);
    item.map(methods).unwrap_or_default()
}

fn methods(item: &PathItem) -> Vec<&'static str> {
    let known = [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("DELETE", &item.delete)];
    known.into_iter().filter(|(_, operation)| operation.is_some()).map(|(name, _)| name).collect()
}
