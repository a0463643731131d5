//! Where connections live.

use std::future::pending;
use std::panic::resume_unwind;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// The runtime in which a pool or a link was made. Its connections are opened there, whoever asks first: one that is opened for a
/// request would be driven by the thread that answers requests, at its lower priority, and would end with it.
#[derive(Debug, Clone)]
pub(crate) struct Home(Option<Handle>);

impl Home {
    /// The runtime that this runs in; outside of any, that of whoever opens something.
    pub(crate) fn here() -> Self {
        Self(Handle::try_current().ok())
    }

    /// Opens something there. It is given up when nobody waits for it any more. Boxed, because whoever uses a pool would hold
    /// the whole of what connecting takes, and so would whoever calls them, on a stack of 2 MB.
    pub(crate) async fn open<T: Send + 'static>(&self, opening: BoxFuture<'static, T>) -> T {
        let Some(runtime) = &self.0 else { return opening.await };
        let mut task = JoinSet::new();
        task.spawn_on(opening, runtime);
        match task.join_next().await {
            Some(Ok(opened)) => opened,
            Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            // The runtime has ended, and so does whoever waits.
            Some(Err(_)) | None => pending().await,
        }
    }
}
