//! What Mover tells of itself to machines.
//!
//! - `figures`: campaigns on real servers, and every figure held against the move log;
//! - `outage`: a move log that is away is a figure, not an error;
//! - `named`: dashboards, alerts and the documentation speak of the metrics that there are.
//!
//! There is one recorder in a process, so only one test here moves orgs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod exposition;
mod figures;
mod named;
mod outage;
#[path = "../support/campaign.rs"]
mod world;
