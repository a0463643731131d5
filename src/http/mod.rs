//! `mover serve`: the door for everybody who is not at Mover's machine. docs/http.md is its contract.
//!
//! - `server`: listens, and ends within its limit
//! - `access/`: tokens, roles, rates; who is asking
//! - `api/`: what can be asked; each answer's shape is in the OpenAPI document that is made from this code
//! - `events/`: what changes, told to everybody who listens
//! - `tls`: the certificate, which can be renewed while Mover runs
//! - `holds`: who runs which runbook from elsewhere
//! - `wire`: shapes that both sides read
//! - `problem`: every refusal, as RFC 9457 has it
//! - `page`: the page at `/`
//!
//! Its threads and its connections to the move log are not those of the tree: whoever asks much makes others who ask wait. Commands that look
//! into the stores (`check`, `verify`) share the stores' connections with moves, so only one of them does so at a time.

pub mod access;
mod api;
mod events;
mod fresh;
mod head;
mod health;
mod holds;
mod metrics;
mod nowhere;
mod page;
mod problem;
mod server;
mod shared;
mod tls;
pub(crate) mod wire;

pub use events::Events;
pub use server::{ServeError, Server};
pub use shared::Shared;
