//! The directory of backups: rows of orgs are in it, so nobody else may look into it or put a file there.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mover_actors::ports::EngineError;
use nix::unistd::geteuid;
use thiserror::Error;
use tracing::warn;

use crate::engine::live::backup_file::failed;

const OTHERS: u32 = 0o077;
const STICKY: u32 = 0o1000;

#[derive(Debug, Error)]
enum DirectoryError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is no directory; next: name one in [engine] backup_dir")]
    NotADirectory,
    #[error(
        "it belongs to user {0}, who could exchange backups; next: chown it to the user that Mover runs as, or name another directory in [engine] backup_dir"
    )]
    OfAnother(u32),
    #[error(
        "others may read or write it, and it holds {0:?}, which is no backup; next: chmod 700 {1}, or name another directory in [engine] backup_dir"
    )]
    Shared(String, String),
}

/// The directory in full, made if it is missing. One that is open to others is closed to them if it holds nothing but backups, and
/// else refused.
pub(super) async fn ready(directory: &Path) -> Result<PathBuf, EngineError> {
    let asked = directory.to_owned();
    let made = tokio::task::spawn_blocking(move || make(&asked)).await;
    made.unwrap_or_else(|error| Err(io::Error::other(error).into())).map_err(|error| failed(directory, error))
}

fn make(directory: &Path) -> Result<PathBuf, DirectoryError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let directory = directory.canonicalize()?;
    let found = directory.metadata()?;
    if !found.is_dir() {
        return Err(DirectoryError::NotADirectory);
    }
    if found.uid() != geteuid().as_raw() {
        return Err(DirectoryError::OfAnother(found.uid()));
    }
    if found.mode() & OTHERS == 0 {
        return Ok(directory);
    }
    let is_ours = |name: &str| name.ends_with(".backup") || name.ends_with(".partial");
    for entry in std::fs::read_dir(&directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if found.mode() & STICKY != 0 || !is_ours(&name) {
            return Err(DirectoryError::Shared(name, directory.display().to_string()));
        }
    }
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700))?;
    warn!(directory = %directory.display(), "others could read or write the directory of backups; it has mode 0700 now");
    Ok(directory)
}
