//! Several requests on one connection before the first is answered.

use std::pin::Pin;
use std::task::Poll;

/// A request that is on its way: several can be sent before the first is answered.
pub enum Sent<F: Future> {
    /// The answer has not come yet.
    Waiting(Pin<Box<F>>),
    /// The answer came at once.
    Answered(F::Output),
}

/// Sends a request. A driver sends when its future is first polled.
pub async fn send<F: Future>(request: F) -> Sent<F> {
    let mut request = Box::pin(request);
    match futures_util::poll!(request.as_mut()) {
        Poll::Ready(answer) => Sent::Answered(answer),
        Poll::Pending => Sent::Waiting(request),
    }
}

impl<F: Future> Sent<F> {
    /// Waits for the answer.
    pub async fn answer(self) -> F::Output {
        match self {
            Sent::Waiting(request) => request.await,
            Sent::Answered(answer) => answer,
        }
    }
}
