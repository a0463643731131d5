//! What `mover demo` is made of: a sample application in two stores, clients that obey the flags and write all the
//! time, and an audit that compares what they were promised with what is there.
//!
//! None of it knows how orgs are moved, so the crash tests and the benchmark use the same parts:
//!
//! - [`sample`] makes the stores `old` and `new`, small for a demo or large for a benchmark;
//! - [`clients`] write, and remember every write that was acknowledged;
//! - [`audit`] looks for each of these writes in the store that its org is routed to by now;
//! - [`report`] reports the result, as text and as JSON;
//! - [`route`] is how an application reads the flags, for the clients and the audit alike.

pub mod audit;
pub mod clients;
mod postgres;
pub mod quantiles;
pub mod report;
pub mod route;
pub mod sample;

/// The migration of the sample application, as an operator would write it.
pub const WHOLE_ORG: &str = include_str!("../../migrations/whole_org.toml");
/// The same with the offline strategy.
pub const WHOLE_ORG_OFFLINE: &str = include_str!("../../migrations/whole_org_offline.toml");
