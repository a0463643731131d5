//! Lists, page by page.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::problem::Problem;

const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 1000;

/// Part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Page<T> {
    /// The items of this page.
    pub(in crate::http) items: Vec<T>,
    /// The cursor to send as `after` for the next page; null: this is the last one.
    pub(in crate::http) next: Option<String>,
}

impl<T> Page<T> {
    /// A list that fits into one page.
    pub(in crate::http) fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// One item more than the limit was read, to see whether there is a next page.
    pub(super) fn cut(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}

/// The size of a page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Limit {
    /// At most this many, up to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

impl Limit {
    pub(super) fn items(&self) -> Result<u32, Problem> {
        limited(self.limit)
    }
}

/// Checks a limit.
pub(super) fn limited(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        limit => Err(Problem::malformed(format!("limit is a number from 1 to {LIMIT_MAX}, not {limit}"))),
    }
}

/// Parses a cursor that is a number.
pub(super) fn number(cursor: Option<&str>) -> Result<Option<i64>, Problem> {
    let wrong = |_| Problem::malformed("after is what a page has as next");
    cursor.map(str::parse).transpose().map_err(wrong)
}
