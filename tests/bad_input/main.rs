//! Mistakes of operators, and faults of databases and networks, reported by the program's messages and exit codes.
//!
//! A message names what is wrong and where, says what to do next, and never repeats a password; nothing is changed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod command_line;
mod configuration;
mod directory;
mod health;
mod names;
mod routes;
mod rows;
mod schemas;
mod servers;
mod workspace;
