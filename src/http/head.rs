//! HEAD is answered like GET, without the body: liveness checks use it.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;

/// A HEAD request for events would otherwise never end.
const ENDLESS: &str = "/api/v1/events";

pub(super) async fn as_get(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    // The connection knows the original method, and sends no body.
    if request.method() == Method::HEAD && request.path() != ENDLESS {
        request.head_mut().method = Method::GET;
    }
    next.call(request).await
}
