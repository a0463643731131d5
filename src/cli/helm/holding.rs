//! A run that is held: others cannot take it as long as this client is heard of.

use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::http::wire::Held;
use crate::remote::{Client, RemoteError};

/// So often within the lease, so that a request that gets lost is no matter.
const HEARD_IN_A_LEASE: u64 = 4;

/// Held until it is dropped, and by then for the rest of its lease.
pub(super) struct Holding {
    run: i64,
    secret: String,
    client: Client,
    lost: watch::Receiver<bool>,
    heartbeat: JoinHandle<()>,
}

/// A secret that nobody has had before, or a key that no request has had.
pub(super) fn secret() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl Holding {
    /// Takes a run, or goes on with one that was begun with this secret.
    pub(super) async fn take(client: &Client, run: i64, secret: String) -> Result<Self, RemoteError> {
        let held = hold(client, run, &secret, false).await?;
        let (tell, lost) = watch::channel(false);
        let heartbeat = tokio::spawn(keep(client.clone(), held, secret.clone(), tell));
        Ok(Self { run, secret, client: client.clone(), lost, heartbeat })
    }

    pub(super) fn run(&self) -> i64 {
        self.run
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// Takes it again, if Mover was restarted and has forgotten.
    pub(super) async fn again(&self) -> Result<(), RemoteError> {
        hold(&self.client, self.run, &self.secret, true).await.map(drop)
    }

    /// Waits until somebody else has it.
    pub(super) async fn lost(&mut self) {
        if self.lost.wait_for(|lost| *lost).await.is_err() {
            std::future::pending().await
        }
    }

    /// Others may go on with it at once.
    pub(super) async fn release(self) {
        self.heartbeat.abort();
        let path = format!("/runs/{}/release", self.run);
        let body = json!({ "hold": self.secret });
        if let Err(error) = self.client.post::<Held>(&path, &body, "release").await {
            tracing::debug!(%error, "the run is let go when its lease ends");
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

async fn hold(client: &Client, run: i64, secret: &str, again: bool) -> Result<Held, RemoteError> {
    client.post(&format!("/runs/{run}/hold"), &json!({ "hold": secret, "again": again }), "hold").await
}

/// Is heard of again and again. What cannot be reached may come back; what somebody else has does not.
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
