//! Servers of tests that were killed: nobody else would end them.

use std::fs;
use std::io;
use std::process;

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

/// From now on whatever loses its parent below this process becomes a child of it.
pub(crate) fn adopt() -> io::Result<()> {
    Ok(set_child_subreaper(true)?)
}

/// Ends all children. Postgres ends its own at this signal, without ado.
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
