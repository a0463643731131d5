//! Stores, Redis and the move log in memory, behind the tree's ports.
//!
//! One [`World`] is shared by any number of processes, as real servers are. Everything that changes in it is an
//! [`Event`], shown at once to every [`Observer`]. What a call meets on its way is its [`Fate`]; [`Faults`] decides it.
//! A process that is killed never gets another answer; what it had sent may still be carried out.

// Each test program uses a part of it.
#![allow(dead_code, unreachable_pub, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clients;
mod event;
mod fate;
mod flags;
mod kind;
mod log;
mod process;
mod redis;
mod stores;
mod world;

pub use clients::{Admitted, Change, Isolation};
pub use event::{Event, Hand};
pub use fate::{Call, Calm, Fate, Faults, Outcome, Port};
pub use flags::MemoryFlags;
pub use kind::MemoryEngine;
pub use log::{HistoryRow, LogFacts, MemoryLog};
pub use process::{Process, ProcessId};
pub use redis::{Hash, RedisFacts};
pub use stores::{Row, StoreFacts, TABLES, Tried, WriteId};
pub use world::{Facts, InjectedBug, Observer, Violation, World, WorldGuard};
