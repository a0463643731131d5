//! Traces: what a collector receives from the program while orgs move, and what the program does without one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod collector;
mod received;
mod silent;
#[path = "../support/campaign.rs"]
mod world;
