//! Sends encoded spans to the collector.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};

use crate::config::Collector;

/// A collector is nearby; spans that it has not accepted by then are dropped.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Answers of a collector are short; a longer one is an error.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// A client of the collector. It blocks, and is only called by the thread that has nothing else to do.
#[derive(Debug)]
pub(super) struct CollectorClient {
    agent: ureq::Agent,
    collector: String,
    /// One warning is enough: traces do not justify a log line every few seconds.
    has_warned: AtomicBool,
}

impl CollectorClient {
    pub(super) fn new(collector: &Collector) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .http_status_as_error(false)
            .max_redirects(0)
            .build();
        let agent = ureq::Agent::new_with_config(config);
        Self { agent, collector: collector.to_string(), has_warned: AtomicBool::new(false) }
    }

    fn carry(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (head, body) = request.into_parts();
        let answer = self.agent.run(Request::from_parts(head, body.as_ref()))?;
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }

    fn warn(&self, cause: &str) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(collector = %self.collector, %cause,
                "traces are not taken and get lost; nothing else depends on them, and this is said once");
        }
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        match self.carry(request) {
            Ok(answer) => {
                if !answer.status().is_success() {
                    self.warn(&format!("it answers {}", answer.status()));
                }
                Ok(answer)
            }
            Err(error) => {
                self.warn(&error.to_string());
                Err(Box::new(error))
            }
        }
    }
}
