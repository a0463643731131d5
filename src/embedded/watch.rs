//! Detects at once when a server dies: an open connection ends with it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use futures_util::future;
use tokio::{io::AsyncReadExt, net::UnixStream};
use tokio_postgres::NoTls;

use super::ServerKind;

/// A server stopped answering.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The server.
    pub server: ServerKind,
    /// The error of its client.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.server, self.reason)
    }
}

/// Waits for the first server to fail; forever if there is none.
pub(super) async fn first_failure(postgres_url: Option<String>, redis_socket: Option<PathBuf>) -> Failure {
    let postgres = async {
        match postgres_url {
            Some(url) => postgres_end(&url).await,
            None => future::pending().await,
        }
    };
    let redis = async {
        match redis_socket {
            Some(socket) => redis_end(&socket).await,
            None => future::pending().await,
        }
    };
    let (server, reason) = tokio::select! {
        reason = postgres => (ServerKind::Postgres, reason),
        reason = redis => (ServerKind::Redis, reason),
    };
    Failure { server, reason }
}

async fn postgres_end(url: &str) -> String {
    // A Unix socket has no TLS.
    match tokio_postgres::connect(url, NoTls).await {
        Err(error) => format!("it cannot be connected to: {}", with_causes(&error)),
        Ok((_kept_open, connection)) => match connection.await {
            Err(error) => with_causes(&error),
            Ok(()) => "it closed the connection".into(),
        },
    }
}

async fn redis_end(socket: &Path) -> String {
    let ended: io::Result<()> = async {
        let mut stream = UnixStream::connect(socket).await?;
        // The server sends nothing unasked, so the first read returns when it ends.
        while stream.read(&mut [0; 64]).await? > 0 {}
        Ok(())
    }
    .await;
    match ended {
        Err(error) => error.to_string(),
        Ok(()) => "it closed the connection".into(),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
