//! Compares where flags route each org with where it lives. Desired flags are compared with Redis elsewhere; this is about what
//! applications read, whoever wrote it.
//!
//! - `flags`: reads the hashes of many orgs, and what they would be after a command
//! - `verdict`: what a route means for an org that is where it is
//! - `deciding`: which of several migrations has the say about an org
//! - `survey`: all orgs of the move log
//! - `foresight`: which orgs a command would route away from their rows

mod deciding;
mod flags;
mod foresight;
mod survey;
mod verdict;

pub(crate) use flags::Change;
pub(crate) use foresight::{Foresight, foresee};
pub use survey::{MisroutedOrg, RouteSurvey, RouteWatch};
