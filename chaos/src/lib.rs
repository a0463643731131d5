//! The chaos trial of online moves: orgs go to and fro between two real Postgres while clients write, Mover is killed again
//! and again, servers are restarted, and at the end every row must be where it belongs.
//!
//! - `servers`: two private Postgres and a Redis, and what is done to them;
//! - `app`: what an application is to the trial; `shop` and `bank` are the two that there are;
//! - `client`: writes, each until it is acknowledged, which the `ledger` remembers;
//! - `operator`: starts Mover and kills it, `restarts`: restarts servers;
//! - `check`: when all is at rest, the rows of every org in both stores against the ledger.
//!
//! `docs/chaos.md` says what is checked and how a failure is read.

mod app;
mod bank;
mod check;
mod client;
mod counters;
mod dump;
mod evidence;
mod flags;
mod ledger;
mod operator;
mod options;
mod postgres;
mod program;
mod restarts;
mod servers;
mod shop;
mod tampering;
mod trial;
mod watcher;

pub use counters::Figures;
pub use evidence::Wrong;
pub use options::{NoMover, Options, built_mover};
pub use trial::run;
