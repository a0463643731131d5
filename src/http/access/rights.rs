//! The role that a command requires.

use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::state::Aim;

use crate::command::{Command, FlagHash};
use crate::state::Role;

/// The lowest role that may give this command.
pub(in crate::http) fn needed(command: &Command) -> Role {
    match command {
        Command::OrgsList { .. }
        | Command::Org { .. }
        | Command::Status { .. }
        | Command::FlagsShow { .. }
        | Command::FlagsCheck
        | Command::Tree
        | Command::Nodes
        | Command::Check
        | Command::Health
        | Command::Report { .. }
        | Command::History { .. }
        // The waiting command decides the role.
        | Command::Approve { .. }
        | Command::Refuse { .. }
        | Command::Help { .. }
        | Command::Quit => Role::Viewer,
        Command::OrgsCapture { .. }
        | Command::OrgsForceOld { .. }
        | Command::OrgsAdd { .. }
        | Command::OrgsReady { .. }
        | Command::Migrate { aim: Aim::Migrate | Aim::RollBack, .. }
        | Command::Control(_)
        | Command::Verify { .. }
        | Command::Retry { .. }
        | Command::FlagsRepair => Role::Operator,
        Command::Darklaunch { hash: FlagHash::Org(org), .. } | Command::Darklaunch503 { org, .. }
            if FlagKey::org(org) != FlagKey::no_org() =>
        {
            Role::Operator
        }
        Command::Migrate { aim: Aim::Finalize, .. }
        | Command::Darklaunch { .. }
        | Command::Darklaunch503 { .. }
        | Command::DarklaunchOrgs503 { .. }
        | Command::DarklaunchOrgCreation { .. } => Role::Admin,
    }
}
