//! The grammar of commands, by family.

mod campaign;
mod darklaunch;
mod flags;
mod general;
mod orgs;

use super::spec::Spec;
pub(super) use darklaunch::field_name;

/// The families, in the order in which `help` shows them.
pub(super) const ALL: [&[Spec]; 5] = [orgs::SPECS, campaign::SPECS, flags::SPECS, darklaunch::SPECS, general::SPECS];
