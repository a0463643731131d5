//! The page of `mover serve` from a user's point of view: in Chromium, with the real program on real servers behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod approving;
mod browser;
mod campaign;
mod closed;
mod confirming;
mod failures;
mod keyboard;
mod layout;
mod migration_choice;
mod names;
mod page;
mod restart;
mod roles;
mod sign_in;

#[path = "../crash/program.rs"]
#[allow(dead_code, reason = "shared with the crash tests")]
mod program;
#[path = "../http/served.rs"]
#[allow(dead_code, reason = "shared with the tests of the API")]
mod served;
#[path = "../crash/world.rs"]
#[allow(dead_code, reason = "shared with the crash tests")]
mod world;
