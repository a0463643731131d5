//! Moves organizations from one datastore to another while their users keep working.
//!
//! `docs/architecture.md` describes the dependencies.

pub mod app;
pub mod cli;
pub mod command;
pub mod config;
mod connection_runtime;
pub mod demo;
pub mod embedded;
pub mod engine;
pub mod flags;
pub mod http;
mod nearest;
pub mod operations;
pub mod remote;
pub mod runbook;
mod session;
pub mod state;
pub mod telemetry;
pub mod tls;
mod transient;
