//! Listens, and ends within its limit.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::{Compress, DefaultHeaders, from_fn};
use actix_web::{App, HttpResponse, HttpServer, web};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpUserTimeout;
use rustix::process::setpriority_process;
use thiserror::Error;
use tokio::task::JoinHandle;
use utoipa::OpenApi;
use utoipa_actix_web::AppExt;

use crate::config::Http;

use super::access::same_site;
use super::not_found::not_found;
use super::shared::Shared;
use super::tls::Certificate;
use super::{api, head, health, metrics, page};

/// Separate threads, so that requests and moves never wait for each other.
const THREADS: usize = 2;
/// The kernel gives these threads a tenth of the weight of others.
const NICE: i32 = 10;
const CONNECTIONS_MAX: usize = 2_000;
/// How long requests under way may take when the server stops.
const END_WITHIN_S: u64 = 5;
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// Why the server does not run.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Its address is in use, or does not exist.
    #[error("{address} cannot be listened on: {cause}; listen in [http], or --listen, names another")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The message of the system.
        cause: std::io::Error,
    },
    /// The library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// It ended by itself.
    #[error("the HTTP server ended: {0}")]
    Ended(String),
}

/// A listening server.
pub struct Server {
    address: SocketAddr,
    /// The socket of the server, whose options new connections inherit.
    listener: TcpListener,
    handle: ServerHandle,
    certificate: Option<Arc<Certificate>>,
    running: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Starts to listen.
    pub fn start(shared: Arc<Shared>) -> Result<Self, ServeError> {
        let settings = shared.settings();
        let address = settings.listen;
        let certificate = settings.tls.as_ref().map(Certificate::new).map(Arc::new);
        let wrong = |cause| ServeError::Listen { address, cause };
        let listener = TcpListener::bind(address).map_err(wrong)?;
        cut_off_after(&listener, settings.send_timeout).map_err(wrong)?;
        let same = listener.try_clone().map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let shared = web::Data::from(shared);
        let server = HttpServer::new(move || {
            go_after_moves();
            let (app, description) = App::new()
                .app_data(shared.clone())
                // Before the API, which requires a token.
                .route("/api/v1/openapi.json", web::get().to(describe))
                .into_utoipa_app()
                .openapi(api::Description::openapi())
                .configure(api::routes)
                .configure(metrics::routes)
                .service(health::overall)
                .service(health::live)
                .service(health::ready)
                .split_for_parts();
            let description = web::Data::new(description);
            app.configure(api::reading)
                .configure(page::routes)
                .app_data(description)
                .default_service(web::to(not_found))
                .wrap(from_fn(head::as_get))
                .wrap(from_fn(same_site))
                .wrap(Compress::default())
                .wrap(headers())
        });
        let server = server
            .workers(THREADS)
            .max_connections(CONNECTIONS_MAX)
            .client_request_timeout(HEADERS_WITHIN)
            .shutdown_timeout(END_WITHIN_S)
            .disable_signals();
        let server = match &certificate {
            Some(certificate) => server.listen_rustls_0_23(listener, certificate.server_config()?),
            None => server.listen(listener),
        };
        let server = server.map_err(wrong)?.run();
        let handle = server.handle();
        Ok(Self { address, listener: same, handle, certificate, running: tokio::spawn(server) })
    }

    /// The URL with the actual port.
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Settings for new connections. The address, and whether TLS is on, do not change.
    pub fn change_settings(&self, settings: &Http) {
        if let Err(error) = cut_off_after(&self.listener, settings.send_timeout) {
            tracing::error!(%error, "send_timeout_ms stays as it is");
        }
        if let (Some(certificate), Some(identity)) = (&self.certificate, &settings.tls) {
            certificate.exchange(identity);
        }
    }

    /// Waits for an unexpected end.
    pub async fn ended(&mut self) -> ServeError {
        ServeError::Ended(match (&mut self.running).await {
            Ok(Ok(())) => "it was stopped".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(crash) => crash.to_string(),
        })
    }

    /// Accepts no new request, and gives those under way a moment.
    pub async fn stop(self) {
        self.handle.stop(true).await;
    }
}

/// When CPU is scarce, requests wait and moves continue. Called by each thread that answers requests.
fn go_after_moves() {
    if let Err(error) = setpriority_process(None, NICE) {
        tracing::debug!(%error, "requests are answered with the same priority as moves");
    }
}

/// Makes the kernel close connections whose client does not read: this process would not notice, since it polls a connection
/// only when there is room for more.
fn cut_off_after(listener: &TcpListener, timeout: Duration) -> std::io::Result<()> {
    let ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    Ok(setsockopt(listener, TcpUserTimeout, &ms)?)
}

/// Headers of every answer, for browsers.
fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("Content-Security-Policy", page::POLICY))
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("X-Frame-Options", "DENY"))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("Cross-Origin-Resource-Policy", "same-origin"))
        .add(("Cache-Control", "no-store"))
}

async fn describe(description: web::Data<utoipa::openapi::OpenApi>) -> HttpResponse {
    HttpResponse::Ok().json(description)
}
