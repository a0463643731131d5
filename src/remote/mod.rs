//! A client for a remote Mover: `mover serve` with the API of docs/http.md.
//!
//! - `target`: the address and the token; a token never crosses a network without encryption
//! - `client`: one request, one answer; a request that may have been carried out is never repeated
//! - `shapes`: the answers
//! - `error`: why a request failed

mod client;
mod error;
mod shapes;
mod target;

pub use client::{Client, encoded};
pub use error::{Refusal, RemoteError, TargetError};
pub use shapes::{Entry, Me, Page, Worker};
pub use target::Target;
