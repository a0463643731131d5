//! The words of Mover and its rules, without I/O, without async, without actors.

pub mod campaign;
pub mod course;
pub mod flags;
pub mod ids;
pub mod record;
pub mod state;
pub mod verified;
