//! A cached answer: concurrent callers share one read.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::Mutex;

use super::problem::Problem;

const AGE_MIN: Duration = Duration::from_millis(250);
/// The largest share of the time that is spent on reading it, however many orgs there are.
const SHARE: u32 = 20;
/// An answer older than this is not used, whatever a read costs.
const AGE_MAX: Duration = Duration::from_secs(10);

/// The last answer, as JSON, or why there was none.
#[derive(Default)]
pub(super) struct Cached(Mutex<Option<Read>>);

struct Read {
    answer: Result<Bytes, Problem>,
    at: Instant,
    took: Duration,
}

impl Cached {
    /// The last answer, or a new one if that is too old. One of several concurrent callers reads and the others wait for its
    /// result; also while servers are unreachable.
    pub(super) async fn get<T: Serialize>(
        &self,
        read: impl Future<Output = Result<T, Problem>>,
    ) -> Result<Bytes, Problem> {
        let mut last = self.0.lock().await;
        if let Some(last) = last.as_ref().filter(|last| last.at.elapsed() < (last.took * SHARE).clamp(AGE_MIN, AGE_MAX))
        {
            return last.answer.clone();
        }
        let begin = Instant::now();
        let answer = read.await.and_then(|view| written(&view));
        let took = if answer.is_ok() { begin.elapsed() } else { Duration::ZERO };
        *last = Some(Read { answer: answer.clone(), at: Instant::now(), took });
        answer
    }
}

/// As JSON; plain data can always be serialized.
pub(super) fn written<T: Serialize>(view: &T) -> Result<Bytes, Problem> {
    serde_json::to_vec(view).map(Bytes::from).map_err(|error| Problem::unavailable(error.to_string()))
}
