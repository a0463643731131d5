//! Mover, its Postgres and its Redis are killed while orgs move and clients write, and nothing may be lost.
//!
//! Every test has servers of its own, runs the real program, and lets simulated clients write from the first moment to
//! the last. What is checked at the end is the same for all of them: see `world::World::come_to_rest`.
//!
//! - `offline`, `online`: SIGKILL at every named place of every step, then started again;
//! - `restored`: failovers, restored stores and move logs, and stores that were changed by hand;
//! - `repeated_kills`: killed again while it recovers, and killed at any instant;
//! - `orphans`: abandoned copies and captures in a store;
//! - `outages`: Postgres and Redis are restarted, killed and emptied under a running campaign;
//! - `lost_503`: an org that was let in while it was copied offline;
//! - `cut_switch`: a store that does not come to make an org live;
//! - `kept_copies`, `restoring`: copies of rolled back orgs, and backups of finalized ones;
//! - `interrupts`: Ctrl-C, once and twice;
//! - `shared_orgs`: several migrations over the same tables;
//! - `runbooks`: several steps, stopped and resumed;
//! - `original_system`: the runbooks of the original system, call by call, and what was learned from it; without concurrent writers;
//! - `terminal`: the console in a terminal, as a user sees it;
//! - `scripts`, `exit_codes`, `dry_runs`: what a script is told, and where it stops;
//! - `systemic`: stores that are at fault as a whole.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cut_switch;
mod dry_runs;
mod exit_codes;
mod gate;
mod interrupts;
mod kept_copies;
mod kill_points;
mod lost_503;
mod offline;
mod online;
mod original_system;
mod orphans;
mod outages;
mod program;
mod quiet_stores;
mod repeated_kills;
mod restored;
mod restoring;
mod runbooks;
mod screen;
mod scripts;
mod shared_orgs;
mod systemic;
mod terminal;
mod world;
