//! The runtime in which connections are opened.

use std::future::pending;
use std::panic::resume_unwind;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// The runtime in which a pool or a link was created. Its connections are opened there, for every caller: a connection that is
/// opened for a request would be driven by the thread that answers requests, at its lower priority, and would end with it.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionRuntime(Option<Handle>);

impl ConnectionRuntime {
    /// The current runtime; outside of a runtime, the runtime of each caller of `open`.
    pub(crate) fn current() -> Self {
        Self(Handle::try_current().ok())
    }

    /// Opens a connection there; the attempt ends when the caller is dropped. Boxed, because the futures of callers would include
    /// the whole state of connecting, on a stack of 2 MB.
    pub(crate) async fn open<T: Send + 'static>(&self, opening: BoxFuture<'static, T>) -> T {
        let Some(runtime) = &self.0 else { return opening.await };
        let mut task = JoinSet::new();
        task.spawn_on(opening, runtime);
        match task.join_next().await {
            Some(Ok(opened)) => opened,
            Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            // The runtime has ended, and the caller ends with it.
            Some(Err(_)) | None => pending().await,
        }
    }
}
