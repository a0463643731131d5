//! Ends servers of tests that were killed: no other process would.

use std::fs;
use std::io;
use std::process;

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

/// Makes this process the parent of all its orphaned descendants.
pub(crate) fn adopt() -> io::Result<()> {
    Ok(set_child_subreaper(true)?)
}

/// Ends all children. Postgres ends its own at this signal immediately.
pub(crate) fn end() -> io::Result<()> {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", process::id()))?;
    for child in children.split_whitespace().filter_map(|child| child.parse().ok()).map(Pid::from_raw) {
        match kill(child, Signal::SIGQUIT).and_then(|()| waitpid(child, None)) {
            Ok(_) | Err(Errno::ESRCH | Errno::ECHILD) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
