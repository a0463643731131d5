//! The user that the servers run as: Postgres refuses to run as root.

use std::{
    io,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use nix::unistd::{Uid, User};

use super::error::{DoingTo, EmbeddedError};

/// The user that the servers run as.
#[derive(Clone, Copy, Debug)]
pub(super) enum Account {
    /// The user that runs Mover.
    Own,
    /// Mover runs as root, so the servers run as a user with fewer rights.
    Lesser { uid: u32, gid: u32 },
}

impl Account {
    pub(super) fn for_servers() -> Result<Self, EmbeddedError> {
        if !Uid::effective().is_root() {
            return Ok(Self::Own);
        }
        for name in ["postgres", "nobody"] {
            let found = User::from_name(name).map_err(|source| EmbeddedError::Account { user: name.into(), source })?;
            if let Some(user) = found {
                return Ok(Self::Lesser { uid: user.uid.as_raw(), gid: user.gid.as_raw() });
            }
        }
        Err(EmbeddedError::NoLesserUser)
    }

    pub(super) fn uid(self) -> u32 {
        match self {
            Self::Own => Uid::effective().as_raw(),
            Self::Lesser { uid, .. } => uid,
        }
    }

    /// The mode of a directory of Mover's in which this user has a directory.
    pub(super) fn parent_mode(self) -> u32 {
        match self {
            Self::Own => 0o700,
            Self::Lesser { .. } => 0o711,
        }
    }

    /// Makes a program run as this user.
    pub(super) fn runs(self, command: &mut Command) -> &mut Command {
        match self {
            Self::Own => command,
            Self::Lesser { uid, gid } => command.uid(uid).gid(gid),
        }
    }

    /// Makes this user the owner.
    pub(super) fn owns(self, path: &Path) -> Result<(), EmbeddedError> {
        match self {
            Self::Own => Ok(()),
            Self::Lesser { uid, gid } => chown(path, Some(uid), Some(gid)).doing("changing the owner of", path),
        }
    }

    /// Whether this user can enter a directory. Tried rather than computed: only the kernel knows all the rules.
    pub(super) fn can_enter(self, dir: &Path) -> Result<bool, EmbeddedError> {
        if matches!(self, Self::Own) {
            return Ok(true);
        }
        let mut nothing = Command::new("/bin/sh");
        nothing.args(["-c", ":"]).current_dir(dir).stdin(Stdio::null());
        match self.runs(&mut nothing).status() {
            Ok(_) => Ok(true),
            Err(refused) if refused.kind() == io::ErrorKind::PermissionDenied => Ok(false),
            Err(source) => Err(EmbeddedError::Run { program: "/bin/sh".into(), source }),
        }
    }
}

/// The name of a user, or their number if they have none.
pub(super) fn name_of(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}
