//! The orchestration core of Mover.
//!
//! `domain` has the types and the state machine, `ports` the interfaces to the outside,
//! `otp` Erlang-style supervision, `tree` the supervision tree. Nothing here knows SQL, Redis or HTTP.

pub mod domain;
pub mod failpoint;
pub mod metering;
pub mod otp;
pub mod ports;
pub mod protocol;
pub mod tree;
