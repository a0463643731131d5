//! The types and rules of Mover, without I/O, async or actors.

pub mod campaign;
pub mod course;
pub mod effective;
pub mod flags;
pub mod ids;
pub mod record;
pub mod state;
pub mod verified;
