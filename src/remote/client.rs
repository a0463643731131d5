//! The HTTP client: one request, one answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::error::{Refusal, RemoteError};
use super::target::Target;

/// A server that takes longer to accept a connection counts as unreachable.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Reads are fast; a command is answered after ten seconds whether it is done or not.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How often a rate-limited request is repeated.
const PATIENCE: u32 = 10;
const WAIT_MAX_S: u64 = 60;

/// A client of one Mover. Clones share connections.
#[derive(Clone)]
pub struct Client(Arc<Parts>);

struct Parts {
    target: Target,
    /// For reads, which may be repeated.
    asking: Agent,
    /// For changes. It takes a new connection each time: an old one may have been closed unnoticed, and then the outcome of a
    /// request on it would be unknown.
    telling: Agent,
}

/// The response.
struct Answer {
    status: u16,
    is_problem: bool,
    retry_after_s: Option<u64>,
    text: String,
}

impl Client {
    /// Does not connect yet.
    pub fn new(target: Target) -> Self {
        let config = || {
            let mut config = Agent::config_builder()
                .timeout_connect(Some(CONNECT_WITHIN))
                .timeout_global(Some(ANSWER_WITHIN))
                .http_status_as_error(false)
                // The token must not go to the target of a redirect.
                .max_redirects(0)
                .user_agent(concat!("mover/", env!("CARGO_PKG_VERSION")));
            match target.authorities() {
                Some(authorities) => {
                    let roots: Vec<_> = authorities.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
                    let provider = Arc::new(rustls::crypto::ring::default_provider());
                    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots));
                    config =
                        config.tls_config(tls.unversioned_rustls_crypto_provider(provider).build()).https_only(true);
                }
                // To this machine the connection is direct; a proxy would see the token.
                None => config = config.proxy(None),
            }
            config
        };
        let asking = Agent::new_with_config(config().build());
        let telling = Agent::new_with_config(config().max_idle_connections(0).build());
        Self(Arc::new(Parts { target, asking, telling }))
    }

    /// Its address.
    pub fn url(&self) -> &str {
        self.0.target.url()
    }

    /// Sends a GET request below `/api/v1`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RemoteError> {
        self.patiently(Method::GET, path, None, "").await
    }

    /// Sends a request that changes something. `what` describes it in errors.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
        what: &str,
    ) -> Result<T, RemoteError> {
        let strange = |error: serde_json::Error| self.strange(0, error.to_string());
        let body = serde_json::to_string(body).map_err(strange)?;
        self.patiently(Method::POST, path, Some(body), what).await
    }

    /// Waits for `Retry-After` when rate-limited; the server has done nothing then.
    async fn patiently<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        what: &str,
    ) -> Result<T, RemoteError> {
        let mut tries = 0;
        loop {
            let answer = self.exchange(method.clone(), path, body.clone(), what).await?;
            if let (429, Some(seconds), true) = (answer.status, answer.retry_after_s, tries < PATIENCE) {
                tries += 1;
                tokio::time::sleep(Duration::from_secs(seconds.min(WAIT_MAX_S))).await;
                continue;
            }
            return self.read(&answer);
        }
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, RemoteError> {
        if answer.is_problem {
            let refusal: Refusal =
                serde_json::from_str(&answer.text).map_err(|error| self.strange(answer.status, error.to_string()))?;
            if answer.status == 401 {
                return Err(RemoteError::Unauthorized { url: self.url().to_owned(), detail: refusal.detail });
            }
            return Err(RemoteError::Refused(Box::new(refusal)));
        }
        if !(200..300).contains(&answer.status) {
            return Err(self.strange(answer.status, "a refusal is application/problem+json".to_owned()));
        }
        serde_json::from_str(&answer.text).map_err(|error| self.strange(answer.status, error.to_string()))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        what: &str,
    ) -> Result<Answer, RemoteError> {
        let (parts, url, tells) = (Arc::clone(&self.0), format!("{}/api/v1{path}", self.url()), body.is_some());
        let exchanged = tokio::task::spawn_blocking(move || {
            let request = Request::builder()
                .method(method)
                .uri(url)
                .header("authorization", format!("Bearer {}", parts.target.token()))
                .header("accept", "application/json");
            let answer = match body {
                Some(body) => parts.telling.run(request.header("content-type", "application/json").body(body)?),
                None => parts.asking.run(request.body(())?),
            };
            answer.and_then(taken)
        });
        let cause = match exchanged.await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if tells && !was_not_sent(&error) => {
                let (url, what) = (self.url().to_owned(), what.to_owned());
                return Err(RemoteError::Unknown { url, what, cause: error.to_string() });
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let hint = match cause.contains("certificate") {
            true => ", and that --ca-file names who signed its certificate",
            false => "",
        };
        Err(RemoteError::Unreachable { url: self.url().to_owned(), cause, hint })
    }

    fn strange(&self, status: u16, problem: String) -> RemoteError {
        RemoteError::Strange { url: self.url().to_owned(), status, problem }
    }
}

fn taken(answer: Response<Body>) -> Result<Answer, ureq::Error> {
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let is_problem = header("content-type").is_some_and(|kind| kind.starts_with("application/problem+json"));
    let retry_after_s = header("retry-after").and_then(|seconds| seconds.parse().ok());
    let status = answer.status().as_u16();
    let text = answer.into_body().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
    Ok(Answer { status, is_problem, retry_after_s, text })
}

/// Whether it is certain that the request was not received.
fn was_not_sent(error: &ureq::Error) -> bool {
    use io::ErrorKind as Kind;
    match error {
        ureq::Error::ConnectionFailed
        | ureq::Error::HostNotFound
        | ureq::Error::BadUri(_)
        | ureq::Error::Http(_)
        | ureq::Error::Tls(_)
        | ureq::Error::Rustls(_)
        | ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => true,
        ureq::Error::Io(error) => {
            // Certificate errors of rustls precede the first byte of the request.
            let is_handshake = error
                .get_ref()
                .is_some_and(|cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))));
            is_handshake
                || matches!(
                    error.kind(),
                    Kind::ConnectionRefused | Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable
                )
        }
        _ => false,
    }
}

/// A text encoded for a path or a query.
pub fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
