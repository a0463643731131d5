//! The event stream of one client.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, web};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::hub::Listener;
use crate::http::access::Caller;
use crate::http::customer_rows::hidden_frame;
use crate::http::problem::{Problem, Refusals};
use crate::http::shared::Shared;
use crate::state::Role;

/// The interval of keep-alives, which let both ends notice when the other is gone.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// The interval at which the token of the listener is checked.
const TOKEN_LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// Everything that changes, as server-sent events
///
/// `Last-Event-ID` continues after an event. docs/http.md lists the events.
#[utoipa::path(
    tag = "overview",
    params(("Last-Event-ID" = Option<String>, Header, description = "the id of the last event that was heard")),
    responses((status = 200, content_type = "text/event-stream", body = String), Refusals)
)]
#[get("/events")]
pub(in crate::http) async fn get_events(
    request: HttpRequest,
    caller: Caller,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, Problem> {
    let last = request.headers().get("last-event-id").map(|last| last.to_str().unwrap_or_default());
    let listener = shared.hub.listen(last);
    let listener = listener.ok_or_else(|| Problem::unavailable("there are too many listeners"))?;
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Compression would delay events.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .streaming(frames(listener, shared, caller)))
}

/// Ends when the listener is too far behind: it reconnects and continues where it was, or starts over. Also ends when its token
/// is no longer valid.
fn frames(
    mut listener: Listener,
    shared: web::Data<Shared>,
    caller: Caller,
) -> impl stream::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    let first: VecDeque<_> = std::mem::take(&mut listener.first).into();
    // Sent at once, so that the client knows that it is connected.
    let hello = Some(Bytes::from_static(b"retry: 1000\n\n"));
    let who = (shared, caller, Instant::now());
    stream::unfold((hello, first, listener, who), |(hello, mut first, mut listener, mut who)| async move {
        if let Some(hello) = hello {
            return Some((Ok(hello), (None, first, listener, who)));
        }
        let (shared, caller, looked_at) = &mut who;
        if looked_at.elapsed() >= TOKEN_LOOKED_AT_EVERY {
            // While Postgres is unreachable, known clients stay connected.
            if !shared.book.has(&shared.world.log, &caller.name).await.unwrap_or(true) {
                return None;
            }
            *looked_at = Instant::now();
        }
        let frame = match first.pop_front() {
            Some(event) => event.frame,
            None => match timeout(SIGN_OF_LIFE, listener.later.recv()).await {
                Ok(Ok(event)) => event.frame,
                Ok(Err(RecvError::Lagged(_) | RecvError::Closed)) => return None,
                Err(_) => Bytes::from_static(b":\n\n"),
            },
        };
        let frame = match caller.role == Role::Viewer && !shared.settings().rows_for_viewers {
            true => hidden_frame(&frame),
            false => frame,
        };
        Some((Ok(frame), (None, first, listener, who)))
    })
}
