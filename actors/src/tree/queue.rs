//! Requests that are answered in batches.
//!
//! While one batch is being worked on, later requests wait; the next batch takes them all. Under load the batches
//! grow by themselves, without load a request goes out alone and at once.

use std::collections::VecDeque;

use tokio::sync::oneshot;

/// Requests `Q` that wait for their answers `A`.
pub(crate) struct Queue<Q, A> {
    waiting: VecDeque<(Q, oneshot::Sender<A>)>,
    batch_max: usize,
    in_flight: bool,
}

/// Requests taken together, and where their answers go, in the same order.
pub(crate) struct Batch<Q, A> {
    pub(crate) requests: Vec<Q>,
    answers: Vec<oneshot::Sender<A>>,
}

impl<Q, A> Queue<Q, A> {
    pub(crate) fn new(batch_max: usize) -> Self {
        Self { waiting: VecDeque::new(), batch_max, in_flight: false }
    }

    /// Adds a request. The receiver fails if the queue's owner dies before it answers.
    pub(crate) fn push(&mut self, request: Q) -> oneshot::Receiver<A> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.push_back((request, sender));
        receiver
    }

    /// The next batch; nothing if none waits or one is still being worked on.
    pub(crate) fn next(&mut self) -> Option<Batch<Q, A>> {
        if self.in_flight || self.waiting.is_empty() {
            return None;
        }
        self.in_flight = true;
        let size = self.waiting.len().min(self.batch_max);
        let (requests, answers) = self.waiting.drain(..size).unzip();
        Some(Batch { requests, answers })
    }

    /// The batch under way is over; the next may be taken.
    pub(crate) fn finished(&mut self) {
        self.in_flight = false;
    }
}

impl<Q, A> Batch<Q, A> {
    /// Answers each request whose caller still listens.
    pub(crate) fn answer(self, answers: impl IntoIterator<Item = A>) {
        for (sender, answer) in self.answers.into_iter().zip(answers) {
            // The caller may have died meanwhile; its successor reloads from the store.
            let _ = sender.send(answer);
        }
    }

    /// Gives every request the same answer.
    pub(crate) fn answer_all(self, answer: A)
    where
        A: Clone,
    {
        self.answer(std::iter::repeat(answer));
    }
}
