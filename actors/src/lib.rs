//! What happens when: the orchestration core of Mover.
//!
//! `domain` holds the words and the state machine, `ports` what the core needs from the world,
//! `otp` Erlang-style supervision, `tree` the supervision tree. Nothing here knows SQL, Redis or HTTP.

pub mod domain;
pub mod failpoint;
pub mod metering;
pub mod otp;
pub mod ports;
pub mod protocol;
pub mod tree;
