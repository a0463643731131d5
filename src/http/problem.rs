//! Why a request was refused, as `application/problem+json` (RFC 9457).

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError, error};
use mover_actors::ports::LogError;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::command::ParseError;
use crate::operations::{Danger, OperationError};
use crate::state::{Role, Run, StateError};

/// The body of every refusal.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Problem {
    /// `urn:mover:problem:NAME`; programs decide by it.
    #[serde(rename = "type")]
    kind: String,
    /// The kind as a phrase.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The details of this case, and what to do.
    detail: String,
    /// The role that is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(flatten)]
    more: Box<More>,
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

/// Further members of some refusals.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(super) struct More {
    /// What a dangerous command would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<String>,
    /// The word to send as `confirm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<String>,
    /// The command's number in the audit, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<i64>,
    /// The run in question.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<i64>,
    /// The user who has that run, or began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip)]
    allowed: Option<String>,
}

/// Refusals that are possible for any request under `/api/v1`.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "its variants are documentation")]
pub(super) enum Refusals {
    /// The request cannot be read, or is no command.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// No token, or an invalid one.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Problem),
    /// The role of the token is not sufficient.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// Not found.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] Problem),
    /// The present state does not allow the request.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(#[to_schema] Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// The body is not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(#[to_schema] Problem),
    /// Too many requests with this token.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Problem),
    /// Postgres, Redis or an actor is unavailable now.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
}

impl Problem {
    fn new(status: StatusCode, name: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:mover:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            role: None,
            more: Box::default(),
            retry_after_s: None,
        }
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "no valid token", detail)
    }

    pub(super) fn forbidden(needed: Role, what: &str) -> Self {
        let detail = format!("{what} takes a token with the role {needed}");
        Self { role: Some(needed), ..Self::new(StatusCode::FORBIDDEN, "forbidden", "your role may not", detail) }
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

    /// A path that supports other methods.
    pub(super) fn not_allowed(method: &str, allowed: &[&'static str]) -> Self {
        let allowed = allowed.join(", ");
        let detail = format!("this path knows {allowed}, not {method}");
        let mut problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "not-allowed", "not in this way", detail);
        problem.more.allowed = Some(allowed);
        problem
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "not as things are", detail)
    }

    /// A refusal of Mover itself, by its problem code.
    fn named(name: &str, detail: String) -> Self {
        let conflict = |name, title| Self::new(StatusCode::CONFLICT, name, title, detail.clone());
        match name {
            "not-found" => Self::not_found(detail),
            "unavailable" => Self::unavailable(detail),
            "own-approval" => conflict("own-approval", "it takes a second person"),
            "busy" => conflict("busy", "another campaign runs, and goes on"),
            "nothing-to-do" => conflict("nothing-to-do", "there is nothing to do"),
            _ => Self::conflict(detail),
        }
    }

    pub(super) fn confirmation(danger: Danger) -> Self {
        let title = "it changes much, so it must be confirmed";
        let detail = format!("{} To confirm it, send it again with \"confirm\": {:?}.", danger.what, danger.word);
        let more = More { what: Some(danger.what), word: Some(danger.word), ..More::default() };
        Self { more: Box::new(more), ..Self::new(StatusCode::CONFLICT, "confirmation-needed", title, detail) }
    }

    pub(super) fn run_busy(title: &str, by: Option<&str>) -> Self {
        let detail = format!("{} is running {title:?}", by.unwrap_or("another client"));
        let problem = Self::new(StatusCode::CONFLICT, "run-busy", "another client runs it", detail);
        problem.of_run(None, by)
    }

    pub(super) fn run_lost(run: &Run) -> Self {
        let detail = format!("another client has continued run {} of {:?} since", run.id, run.title);
        Self::new(StatusCode::CONFLICT, "run-busy", "another client runs it", detail).of_run(Some(run.id), None)
    }

    pub(super) fn run_unfinished(run: &Run) -> Self {
        let detail = format!("run {} of {:?}, begun by {}, did not come to its end", run.id, run.title, run.begun_by);
        let problem = Self::new(StatusCode::CONFLICT, "run-unfinished", "an earlier run has steps left", detail);
        problem.of_run(Some(run.id), Some(&run.begun_by))
    }

    pub(super) fn not_held(run: i64) -> Self {
        let detail = format!("you do not hold run {run}, or not any more; POST /api/v1/runs/{run}/hold takes it");
        Self::new(StatusCode::CONFLICT, "not-held", "the run is not yours", detail).of_run(Some(run), None)
    }

    fn of_run(mut self, run: Option<i64>, by: Option<&str>) -> Self {
        (self.more.run, self.more.by) = (run, by.map(str::to_owned));
        self
    }

    pub(super) fn too_many(after_s: u64) -> Self {
        let detail = format!("try again in {after_s} s; requests_per_second in [http] is the limit of each token");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", "too many requests", detail);
        Self { retry_after_s: Some(after_s), ..problem }
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "not now", detail);
        Self { retry_after_s: Some(1), ..problem }
    }

    /// The same, about a command in the audit.
    pub(super) fn of_command(mut self, id: i64) -> Self {
        self.more.command = Some(id);
        self
    }

    /// The error of actix for an unreadable body.
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
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
        if self.status == 401 {
            response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"mover\"")));
        }
        if let Some(allowed) = &self.more.allowed {
            response.insert_header((header::ALLOW, allowed.as_str()));
        }
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        // Plain data, which serializes; otherwise the status is enough.
        response.body(serde_json::to_vec(self).unwrap_or_default())
    }
}

impl From<OperationError> for Problem {
    fn from(error: OperationError) -> Self {
        Self::named(error.problem(), error.to_string())
    }
}

impl From<StateError> for Problem {
    fn from(error: StateError) -> Self {
        Self::named(error.problem(), error.to_string())
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
