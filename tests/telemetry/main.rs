//! What Mover reports to machines.
//!
//! - `figures`: campaigns on real servers, and every metric compared with the move log;
//! - `outage`: an unreachable move log is a metric, not an error;
//! - `named`: dashboards, alerts and the documentation name existing metrics.
//!
//! A process has one recorder, so only one test here moves orgs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod exposition;
mod figures;
mod named;
mod outage;
#[path = "../support/campaign.rs"]
mod world;
