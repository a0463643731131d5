//! A client for a remote Mover: `mover serve` with the API of docs/http.md.
//!
//! - `target`: where it is, and what opens it; tokens never go over a network as they are
//! - `client`: one question, one answer; what may have been carried out is never asked twice
//! - `shapes`: the answers
//! - `error`: why there is none

mod client;
mod error;
mod shapes;
mod target;

pub use client::{Client, encoded};
pub use error::{Refusal, RemoteError, TargetError};
pub use shapes::{Entry, Me, Page, Worker};
pub use target::Target;
