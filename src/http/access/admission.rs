//! The checks that every request goes through before anything else.

use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};

use crate::http::problem::Problem;
use crate::http::shared::Shared;
use crate::state::Role;

/// The caller.
#[derive(Debug, Clone)]
pub(in crate::http) struct Caller {
    /// The name of the token.
    pub(in crate::http) name: String,
    /// The role of the token.
    pub(in crate::http) role: Role,
    /// When the token expires.
    pub(in crate::http) expires_at: Option<SystemTime>,
    /// The address.
    pub(in crate::http) address: IpAddr,
}

impl Caller {
    /// Refuses a caller without the role.
    pub(in crate::http) fn must_be(&self, needed: Role, what: &str) -> Result<(), Problem> {
        if self.role >= needed {
            return Ok(());
        }
        tracing::warn!(name = %self.name, role = %self.role, address = %self.address, what, "a request was refused: the role of the token is too low");
        Err(Problem::forbidden(needed, what))
    }
}

/// Extracts the caller that `admit` stored; without `admit` there is none.
impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Caller>().cloned();
        ready(caller.ok_or_else(|| Problem::unauthorized("the request has no token")))
    }
}

/// Admits callers with a valid token and within the rate limits.
pub(in crate::http) async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let caller = recognize(&request).await?;
    request.extensions_mut().insert(caller);
    next.call(request).await
}

async fn recognize(request: &ServiceRequest) -> Result<Caller, Problem> {
    let Some(shared) = request.app_data::<web::Data<Shared>>() else {
        return Err(Problem::unavailable("the server is not set up"));
    };
    let address = address(request, shared.settings().behind_proxy);
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let Some(token) = token else {
        let detail = "send Authorization: Bearer TOKEN; `mover token create NAME --role viewer` makes one";
        return Err(Problem::unauthorized(detail));
    };
    let Some(holder) = shared.book.holder(&shared.world.log, token).await? else {
        shared.count_stranger(address)?;
        return Err(Problem::unauthorized("this token is not valid, or not any more"));
    };
    shared.count_request(holder.id)?;
    Ok(Caller { name: holder.name, role: holder.role, expires_at: holder.expires_at, address })
}

/// Behind a proxy the proxy knows the address: it has appended it. Addresses before it may be forged.
fn address(request: &ServiceRequest, behind_proxy: bool) -> IpAddr {
    let line = || request.headers().get_all("x-forwarded-for").last()?.to_str().ok();
    let forwarded = || line()?.rsplit(',').next()?.trim().parse().ok();
    let forwarded = if behind_proxy { forwarded() } else { None };
    forwarded.or_else(|| request.peer_addr().map(|address| address.ip())).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Browsers tell whether a page of another site makes a request. Such a page has no token of ours to send, but a request that
/// changes something must not come from there at all.
pub(in crate::http) async fn same_site(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let site = request.headers().get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let only_looks = matches!(*request.method(), Method::GET | Method::HEAD);
    if !only_looks && site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(Problem::foreign().into());
    }
    next.call(request).await
}
