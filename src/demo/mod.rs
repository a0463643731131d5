//! The parts of `mover demo`: a sample application in two stores, clients that obey the flags and write all the time, and an
//! audit that compares acknowledged writes with the stores.
//!
//! None of it knows how orgs are moved, so the crash tests and the benchmark use the same parts:
//!
//! - [`sample`] creates the stores `old` and `new`, small for a demo or large for a benchmark;
//! - [`clients`] write, and remember every acknowledged write;
//! - [`commits`] measures one durable commit beside all that;
//! - [`audit`] looks for each of these writes in the store that its org is routed to;
//! - [`report`] shows the result, as text and as JSON;
//! - [`route`] reads the flags like an application, for the clients and the audit.

pub mod audit;
pub mod clients;
pub mod commits;
mod postgres;
pub mod quantiles;
pub mod report;
pub mod route;
pub mod sample;

/// The migration of the sample application, as an operator would write it.
pub const WHOLE_ORG: &str = include_str!("../../migrations/whole_org.toml");
/// The same with the offline strategy.
pub const WHOLE_ORG_OFFLINE: &str = include_str!("../../migrations/whole_org_offline.toml");
