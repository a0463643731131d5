//! Rows of customers in answers: the place of a failed move has the row at fault, and its reason repeats it. Viewers get neither.
//!
//! All answers and events are JSON with the row in a field of its own, so it is found there, and hidden wherever else it stands.

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::CONTENT_TYPE;
use actix_web::middleware::Next;
use actix_web::{HttpMessage, web};
use bytes::Bytes;
use serde_json::Value;

use crate::state::Role;

use super::access::Caller;
use super::shared::Shared;

/// What stands in place of a row.
const HIDDEN: &str = "(hidden from viewers)";
/// The field that has a row.
const ROW: &str = "row";
/// A row that a table has shortened is found by a beginning of at least this many characters.
const BEGINNING_MIN: usize = 6;
const SHORTENED: char = '…';
const DATA: &[u8] = b"\ndata: ";

/// Hides rows in the answer if the caller is a viewer and the configuration does not show them.
pub(super) async fn hide_from_viewers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let hides = is_hidden_from(&request);
    let answer = next.call(request).await?.map_into_boxed_body();
    let is_json = |answer: &ServiceResponse| {
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.starts_with("application/json"))
    };
    if !hides || !is_json(&answer) {
        return Ok(answer);
    }
    let (request, answer) = answer.into_parts();
    let (answer, body) = answer.into_parts();
    let body = to_bytes(body).await.map_err(|error| actix_web::error::ErrorInternalServerError(error.to_string()))?;
    let body = hidden(&body).map_or(body, Bytes::from);
    Ok(ServiceResponse::new(request, answer.set_body(BoxBody::new(body))))
}

fn is_hidden_from(request: &ServiceRequest) -> bool {
    let is_viewer = request.extensions().get::<Caller>().is_some_and(|caller| caller.role == Role::Viewer);
    let shows = |shared: &web::Data<Shared>| shared.settings().rows_for_viewers;
    is_viewer && !request.app_data::<web::Data<Shared>>().is_some_and(shows)
}

/// The same for one event, in its wire format.
pub(super) fn hidden_frame(frame: &Bytes) -> Bytes {
    let Some(at) = frame.windows(DATA.len()).position(|part| part == DATA) else { return frame.clone() };
    let (head, data) = frame.split_at(at + DATA.len());
    match hidden(data) {
        Some(data) => [head, &data, b"\n\n"].concat().into(),
        None => frame.clone(),
    }
}

/// JSON without rows; `None`: it has none.
fn hidden(json: &[u8]) -> Option<Vec<u8>> {
    let has_row = json.windows(6).any(|part| part == b"\"row\":");
    let mut json: Value = if has_row { serde_json::from_slice(json).ok()? } else { return None };
    let mut rows = Vec::new();
    find(&json, &mut rows);
    if rows.is_empty() {
        return None;
    }
    // A row may be a part of another one.
    rows.sort_by_key(|row| std::cmp::Reverse(row.len()));
    hide(&mut json, &rows);
    serde_json::to_vec(&json).ok()
}

fn find(json: &Value, rows: &mut Vec<String>) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(row) if name == ROW && !row.is_empty() => rows.push(row.clone()),
                    value => find(value, rows),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| find(item, rows)),
        _ => {}
    }
}

fn hide(json: &mut Value, rows: &[String]) {
    match json {
        Value::Object(fields) => fields.values_mut().for_each(|value| hide(value, rows)),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, rows)),
        Value::String(text) => {
            for row in rows {
                if text.contains(row.as_str()) {
                    *text = text.replace(row.as_str(), HIDDEN);
                }
                if text.contains(SHORTENED) {
                    hide_beginning(text, row);
                }
            }
        }
        _ => {}
    }
}

/// Hides the longest beginning of a row that a table has shortened.
fn hide_beginning(text: &mut String, row: &str) {
    let ends = row.char_indices().map(|(at, _)| at).skip(BEGINNING_MIN).collect::<Vec<_>>();
    for end in ends.into_iter().rev() {
        let shortened = format!("{}{SHORTENED}", &row[..end]);
        if text.contains(&shortened) {
            *text = text.replace(&shortened, HIDDEN);
            return;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::{hidden, hidden_frame};

    #[test]
    fn a_row_is_hidden_wherever_it_stands() {
        let row = "(6, 3, ann@example.com, 6)";
        let answer = json!({
            "answer": { "text": format!("failed in copy: refused ({row})\n  row: {row}\n  ann  items (6, 3, ann@ex…") },
            "failure": { "reason": format!("refused (Failing row contains {row})"), "row": row, "table": "items" },
        });
        let told = String::from_utf8(hidden(&serde_json::to_vec(&answer).unwrap()).unwrap()).unwrap();
        assert!(!told.contains("ann@"), "{told}");
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["failure"]["table"], "items");
        assert_eq!(told["failure"]["reason"], "refused (Failing row contains (hidden from viewers))");
    }

    #[test]
    fn what_has_no_row_stays_as_it_is() {
        assert_eq!(hidden(br#"{"row":null,"rows":5}"#), None);
        let frame = Bytes::from_static(b"id: 1\nevent: status\ndata: {\"row\":\"(1, ann)\"}\n\n");
        let told = hidden_frame(&frame);
        assert_eq!(told, Bytes::from_static(b"id: 1\nevent: status\ndata: {\"row\":\"(hidden from viewers)\"}\n\n"));
    }
}
