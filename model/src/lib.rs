//! The cutover protocol of Mover as a model that a checker explores completely.
//!
//! It checks the protocol and not the code, so it depends on no other crate. `docs/model.md` says what is modelled, what is
//! left out, and how to read a counterexample.

mod action;
mod cohort;
pub mod explore;
mod explored;
mod model;
mod mutations;
mod node;
mod operator;
mod participants;
pub mod progress;
mod properties;
mod setting;
mod settings;
mod state;
pub mod table;
mod trace;
mod writer;

pub use mutations::Without;
pub use setting::Setting;
pub use settings::{FULL, SMALL};
