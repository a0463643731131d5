//! Why a request was refused, as `application/problem+json` (RFC 9457).

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError, error};
use mover_actors::ports::{FlagsError, LogError};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::command::ParseError;
use crate::operations::{Danger, OperationError};
use crate::state::{Role, StateError};

/// A refusal. Its body is apart, since most answers are none.
#[derive(Debug, Clone)]
pub(super) struct Problem(Box<Body>);

/// The body of every refusal.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Body {
    /// `urn:mover:problem:NAME`; a program decides by it.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status once more.
    status: u16,
    /// What it is about this time, and what to do.
    detail: String,
    /// The role that may do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    /// What a dangerous command would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<String>,
    /// What to send as `confirm` if that is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<String>,
    /// The command's number in the audit, where it has got that far.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<i64>,
    #[serde(skip)]
    allowed: Option<String>,
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

/// Refusals that any request under `/api/v1` can meet.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "its variants are documentation")]
pub(super) enum Refusals {
    /// The request cannot be read, or is no command.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Body),
    /// No token, or none that is valid.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Body),
    /// The token's role may not.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Body),
    /// There is no such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] Body),
    /// Things are not as the request needs them.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(#[to_schema] Body),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Body),
    /// The body has another content type than JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(#[to_schema] Body),
    /// Too many requests with this token.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Body),
    /// Postgres, Redis or an actor cannot be asked now.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Body),
}

impl Problem {
    fn new(status: StatusCode, name: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Body {
            kind: format!("urn:mover:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            role: None,
            what: None,
            word: None,
            command: None,
            allowed: None,
            retry_after_s: None,
        }))
    }

    fn with(mut self, more: impl FnOnce(&mut Body)) -> Self {
        more(&mut self.0);
        self
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "no valid token", detail)
    }

    pub(super) fn forbidden(needed: Role, what: &str) -> Self {
        let detail = format!("{what} takes a token with the role {needed}");
        Self::new(StatusCode::FORBIDDEN, "forbidden", "your role may not", detail).with(|body| body.role = Some(needed))
    }

    pub(super) fn foreign() -> Self {
        let detail = "the request was made by a page of another site";
        Self::new(StatusCode::FORBIDDEN, "forbidden", "not from here", detail)
    }

    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "the request cannot be read", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is no such thing", detail)
    }

    /// A path that knows other methods.
    pub(super) fn not_allowed(method: &str, allowed: &[&'static str]) -> Self {
        let allowed = allowed.join(", ");
        let detail = format!("this path knows {allowed}, not {method}");
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "not-allowed", "not in this way", detail);
        problem.with(|body| body.allowed = Some(allowed))
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "not as things are", detail)
    }

    pub(super) fn confirmation(danger: Danger) -> Self {
        let title = "it changes much, so it has to be confirmed";
        let detail = format!("{} Send \"confirm\": {:?} with it if that is meant.", danger.what, danger.word);
        let problem = Self::new(StatusCode::CONFLICT, "confirmation-needed", title, detail);
        problem.with(|body| {
            body.what = Some(danger.what);
            body.word = Some(danger.word);
        })
    }

    pub(super) fn own_approval() -> Self {
        let detail = "whoever gave a command cannot be the one who approves it";
        Self::new(StatusCode::CONFLICT, "own-approval", "it takes a second person", detail)
    }

    pub(super) fn too_many(after_s: u64) -> Self {
        let detail = format!("try again in {after_s} s; requests_per_second in [http] is the limit of each token");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", "too many requests", detail);
        problem.with(|body| body.retry_after_s = Some(after_s))
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "not now", detail);
        problem.with(|body| body.retry_after_s = Some(1))
    }

    /// The same, about a command that the audit has.
    pub(super) fn of_command(self, id: i64) -> Self {
        self.with(|body| body.command = Some(id))
    }

    /// What actix says of a body that it cannot read.
    pub(super) fn of_body(error: &error::JsonPayloadError) -> Self {
        use error::JsonPayloadError as Error;
        match error {
            Error::Overflow { .. } | Error::OverflowKnownLength { .. } => {
                let title = "the body is too large";
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", title, error.to_string())
            }
            Error::ContentType => {
                let detail = "the body is JSON, with Content-Type: application/json";
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "malformed", "the body is not JSON", detail)
            }
            _ => Self::malformed(error.to_string()),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.title, self.0.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
        if self.0.status == 401 {
            response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"mover\"")));
        }
        if let Some(allowed) = &self.0.allowed {
            response.insert_header((header::ALLOW, allowed.as_str()));
        }
        if let Some(seconds) = self.0.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        // Plain data; if it ever is none, the status still says enough.
        response.body(serde_json::to_vec(&self.0).unwrap_or_default())
    }
}

impl From<OperationError> for Problem {
    fn from(error: OperationError) -> Self {
        let detail = error.to_string();
        match error {
            OperationError::State(error) => Self::from(error),
            OperationError::UnknownMigration(_) | OperationError::UnknownOrgs { .. } => Self::not_found(detail),
            OperationError::Log(LogError::Unreachable { .. })
            | OperationError::Actor(_)
            | OperationError::Flags(FlagsError::Unreachable { .. }) => Self::unavailable(detail),
            _ => Self::conflict(detail),
        }
    }
}

impl From<StateError> for Problem {
    fn from(error: StateError) -> Self {
        let detail = error.to_string();
        match error {
            StateError::UnknownOrg { .. }
            | StateError::UnknownEverywhere { .. }
            | StateError::UnknownMove(_)
            | StateError::UnknownCampaign(_) => Self::not_found(detail),
            StateError::Unreachable { .. } => Self::unavailable(detail),
            _ => Self::conflict(detail),
        }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        OperationError::from(error).into()
    }
}

impl From<ParseError> for Problem {
    fn from(error: ParseError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "not-a-command", "this is no command", error.to_string())
    }
}
