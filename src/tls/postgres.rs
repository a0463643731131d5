//! Connections to Postgres: opens every connection of Mover to a configured server.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode as DriverMode;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::{debug, warn};

use super::explain::rustls_error;
use super::files::Material;
use super::mode::SslMode;
use super::roots::roots;
use super::verifier::Lenient;
use super::{TlsError, provider};

/// The ALPN protocol of Postgres. Servers since version 17 require it for direct TLS.
const PROTOCOL: &[u8] = b"postgresql";

/// The encryption of connections to one server.
#[derive(Clone)]
pub struct Encryption {
    mode: SslMode,
    /// `None`: without encryption.
    tls: Option<MakeRustlsConnect>,
}

impl Encryption {
    /// No encryption.
    pub fn none() -> Self {
        Self { mode: SslMode::Disable, tls: None }
    }

    /// The encryption that `mode` requires.
    pub fn new(mode: SslMode, material: &Material) -> Result<Self, TlsError> {
        if mode == SslMode::Disable {
            return Ok(Self::none());
        }
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let roots = || roots(material.authorities.as_ref());
        let builder = match mode {
            SslMode::VerifyFull => builder.with_root_certificates(roots()?),
            SslMode::VerifyCa => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Lenient::signed_by(roots()?, algorithms)))
            }
            SslMode::Disable | SslMode::Prefer | SslMode::Require => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Lenient::any_certificate(algorithms)))
            }
        };
        let mut config = match &material.identity {
            Some(identity) => builder.with_client_auth_cert(identity.certificates().each().to_vec(), identity.key())?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Self { mode, tls: Some(MakeRustlsConnect::new(config)) })
    }

    /// The requested mode.
    pub fn mode(&self) -> SslMode {
        self.mode
    }

    /// Opens a connection; the task does its I/O, and closes it when it is aborted.
    pub async fn connect(&self, config: &Config) -> Result<(Client, JoinHandle<()>), Error> {
        let mut config = config.clone();
        config.ssl_mode(match self.mode {
            SslMode::Disable => DriverMode::Disable,
            SslMode::Prefer => DriverMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => DriverMode::Require,
        });
        let Some(tls) = &self.tls else {
            return config.connect(NoTls).await.map(driven);
        };
        match config.connect(tls.clone()).await {
            // For the driver a server without TLS is an error. With `prefer` we retry without it, as libpq does if TLS, or a
            // login with it, fails.
            Err(error) if self.mode == SslMode::Prefer && could_be_plain(&error) => {
                debug!(%error, "no TLS with Postgres; sslmode prefer goes on without");
                match config.ssl_mode(DriverMode::Disable).connect(NoTls).await {
                    Ok(opened) => Ok(driven(opened)),
                    // A server that refuses both times sends the same error; the first one is about the preferred mode.
                    Err(again) if again.code() == error.code() => Err(error),
                    Err(again) => Err(again),
                }
            }
            other => other.map(driven),
        }
    }
}

/// Drives the I/O of a connection until it ends.
fn driven<S>((client, mut connection): (Client, Connection<Socket, S>)) -> (Client, JoinHandle<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let task = tokio::spawn(async move {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            match message {
                Ok(AsyncMessage::Notice(notice)) if is_not_replicated(&notice) => {
                    // The answer to the commit would come next, and report success. The caller gets a lost connection instead,
                    // and finds out the outcome again.
                    warn!(%notice, "a commit was not waited for; the connection is given up");
                    break;
                }
                Ok(AsyncMessage::Notice(notice)) => debug!(%notice, "Postgres says"),
                Ok(_) => {}
                Err(error) => {
                    // The caller that used the connection receives its own error.
                    debug!(%error, "connection to Postgres ended");
                    break;
                }
            }
        }
    });
    (client, task)
}

/// Whether the wait for the standbys was cancelled: the transaction is committed here and may not be there. The text of the
/// notice depends on the server's language, its place in the source does not.
fn is_not_replicated(notice: &DbError) -> bool {
    notice.routine() == Some("SyncRepWaitForLSN")
}

/// Whether the same server may accept us without TLS.
fn could_be_plain(error: &Error) -> bool {
    rustls_error(error).is_some() || error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

/// Without certificates and keys.
impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryption").field("mode", &self.mode).finish_non_exhaustive()
    }
}
