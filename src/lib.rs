//! Moves organizations from one datastore to another while their users keep working.
//!
//! `docs/architecture.md` says what depends on what.

pub mod app;
pub mod cli;
pub mod command;
pub mod config;
pub mod demo;
pub mod embedded;
pub mod engine;
pub mod flags;
mod home;
pub mod http;
mod nearest;
pub mod operations;
mod passing;
pub mod remote;
pub mod runbook;
mod session;
pub mod state;
pub mod telemetry;
pub mod tls;
