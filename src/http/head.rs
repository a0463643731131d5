//! HEAD is answered as GET is, without the body: those who only look whether somebody is there ask so.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;

/// Whoever only wants to know what events would look like would listen to them for good.
const ENDLESS: &str = "/api/v1/events";

pub(super) async fn as_get(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    // The connection remembers what was asked, and sends no body.
    if request.method() == Method::HEAD && request.path() != ENDLESS {
        request.head_mut().method = Method::GET;
    }
    next.call(request).await
}
