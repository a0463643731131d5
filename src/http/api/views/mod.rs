//! The shapes of answers.

mod actors;
mod commands;
mod flags;
mod migrations;
mod orgs;
mod runs;

pub(in crate::http) use actors::{Actor, Node, Worker};
pub(in crate::http) use commands::Entry;
pub(in crate::http) use flags::{Closed, DriftOf, Drifts, FlagFields, MisroutedOf};
pub(in crate::http) use migrations::{Map, Migration, Pace, PaceBucket, Status, letter};
pub(in crate::http) use orgs::{Move, Org, Route, RouteOf};
pub(in crate::http) use runs::{RunStep, RunView};
