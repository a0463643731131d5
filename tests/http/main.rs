//! `mover serve` from a client's point of view: the real program on real servers, over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod abuse;
mod access;
mod commands;
mod connect;
mod contract;
mod events;
mod reading;
mod restarts;
mod routes;
mod runs;
mod served;
mod tls;

#[path = "../tls/certificates.rs"]
#[allow(dead_code, reason = "shared with the tests of TLS")]
mod certificates;
#[path = "../crash/gate.rs"]
#[allow(dead_code, reason = "shared with the crash tests")]
mod gate;
#[path = "../crash/program.rs"]
#[allow(dead_code, reason = "shared with the crash tests")]
mod program;
#[path = "../crash/screen.rs"]
mod screen;
#[path = "../crash/world.rs"]
#[allow(dead_code, reason = "shared with the crash tests")]
mod world;
