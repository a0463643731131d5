//! The chaos trial of online moves: orgs move between two real Postgres servers in both directions while clients write, Mover
//! is killed
//! again and again, servers are restarted, and at the end every row must be where it belongs.
//!
//! - `servers`: two private Postgres servers and a Redis, and faults of them;
//! - `app`: the interface of an application; `shop` and `bank` implement it;
//! - `client`: writes until each write is acknowledged, which the `ledger` records;
//! - `operator`: starts Mover and kills it, `restarts`: restarts servers, `link`: holds Mover's packets back;
//! - `schema_changes`: adds columns and partitions meanwhile;
//! - `check`: at rest, compares the rows of every org in both stores with the ledger.
//!
//! `docs/chaos.md` says what is checked and how to read a failure.

mod app;
mod bank;
mod check;
mod client;
mod counters;
mod dump;
mod evidence;
mod flags;
mod ledger;
mod link;
mod older_store;
mod operator;
mod options;
mod postgres;
mod program;
mod restarts;
mod schema_changes;
mod servers;
mod shop;
mod tampering;
mod trial;
mod watcher;

pub use counters::Figures;
pub use evidence::Wrong;
pub use options::{NoMover, Options, built_mover};
pub use trial::run;
