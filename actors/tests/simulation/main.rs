//! Random schedules over the real tree: crashes, slow and lost calls, a Redis that forgets, operators who change their
//! minds, while clients write. Whatever happens, separate checkers look at every change of the world.
//!
//! A failure names its seed. `MOVER_SIM_SEED=… cargo test -p mover-actors --test simulation one_schedule -- --nocapture`
//! plays that schedule alone and tells its story; `MOVER_SIM_SCHEDULES=…` plays more of them.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod broken;
mod checkers;
mod clients;
mod faults;
mod legal;
#[path = "../memory/mod.rs"]
mod memory;
mod nodes;
mod operator;
mod participants;
mod plan;
mod random;
mod run;
mod schedules;
mod shape;
mod verdict;

use schedules::{play_part, replay};

#[test]
fn schedules_part_1_of_4() {
    play_part(0);
}

#[test]
fn schedules_part_2_of_4() {
    play_part(1);
}

#[test]
fn schedules_part_3_of_4() {
    play_part(2);
}

#[test]
fn schedules_part_4_of_4() {
    play_part(3);
}

#[test]
fn one_schedule() {
    replay();
}
