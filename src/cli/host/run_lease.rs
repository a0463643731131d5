//! The lease on a run: other clients cannot take the run while this client sends heartbeats.

use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::http::wire::Held;
use crate::remote::{Client, RemoteError};

/// Heartbeats per lease, so that a lost request does no harm.
const HEARD_IN_A_LEASE: u64 = 4;

/// Renewed until it is dropped, then valid for the rest of its term.
pub(super) struct RunLease {
    run: i64,
    secret: String,
    client: Client,
    lost: watch::Receiver<bool>,
    heartbeat: AbortOnDropHandle<()>,
}

/// A new secret, or a new key for a request.
pub(super) fn secret() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl RunLease {
    /// Takes a run, or continues one that was begun with this secret.
    pub(super) async fn take(client: &Client, run: i64, secret: String) -> Result<Self, RemoteError> {
        let held = hold(client, run, &secret, false).await?;
        let (tell, lost) = watch::channel(false);
        let heartbeat = AbortOnDropHandle::new(tokio::spawn(keep(client.clone(), held, secret.clone(), tell)));
        Ok(Self { run, secret, client: client.clone(), lost, heartbeat })
    }

    pub(super) fn run(&self) -> i64 {
        self.run
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// Takes it again, if Mover was restarted and lost it.
    pub(super) async fn again(&self) -> Result<(), RemoteError> {
        hold(&self.client, self.run, &self.secret, true).await.map(drop)
    }

    /// Waits until another client has it.
    pub(super) async fn lost(&mut self) {
        if self.lost.wait_for(|lost| *lost).await.is_err() {
            std::future::pending().await
        }
    }

    /// Releases it: others may continue the run at once.
    pub(super) async fn release(self) {
        self.heartbeat.abort();
        let path = format!("/runs/{}/release", self.run);
        let body = json!({ "hold": self.secret });
        if let Err(error) = self.client.post::<Held>(&path, &body, "release").await {
            tracing::debug!(%error, "the run is let go when its lease ends");
        }
    }
}

async fn hold(client: &Client, run: i64, secret: &str, again: bool) -> Result<Held, RemoteError> {
    client.post(&format!("/runs/{run}/hold"), &json!({ "hold": secret, "again": again }), "hold").await
}

/// Sends heartbeats. An unreachable server may come back; a run of another client does not.
async fn keep(client: Client, held: Held, secret: String, lost: watch::Sender<bool>) {
    loop {
        tokio::time::sleep(Duration::from_millis(held.lease_ms / HEARD_IN_A_LEASE)).await;
        if let Err(error) = hold(&client, held.run, &secret, true).await
            && error.refusal("run-busy").is_some()
        {
            lost.send_replace(true);
            return;
        }
    }
}
