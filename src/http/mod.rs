//! `mover serve`: the interface for users on other machines. docs/http.md is its contract.
//!
//! - `server`: listens, and ends within its limit
//! - `access/`: tokens, roles, rates; the caller
//! - `api/`: the endpoints; the OpenAPI document, which is generated from this code, has the shape of each answer
//! - `events/`: changes, sent to all connected clients
//! - `customer_rows`: rows that viewers do not get
//! - `tls`: the certificate, which can be renewed while Mover runs
//! - `run_leases`: which client owns which runbook run
//! - `wire`: shapes that both sides read
//! - `problem`: every refusal, as in RFC 9457
//! - `page`: the page at `/`
//!
//! Its threads and its connections to the move log are separate from those of the tree, so requests delay only other requests.
//! Commands that read the stores (`check`, `verify`) share the stores' connections with moves, so only one of them does so at a time.

pub mod access;
mod api;
mod cached;
mod customer_rows;
mod events;
mod head;
mod health;
mod metrics;
mod not_found;
mod page;
mod problem;
mod run_leases;
mod server;
mod shared;
mod tls;
pub(crate) mod wire;

pub use events::Events;
pub use server::{ServeError, Server};
pub use shared::Shared;
