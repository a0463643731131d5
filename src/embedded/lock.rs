//! Locks on files, which the kernel releases when their holder dies.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::error::{DoingTo, EmbeddedError};

/// A held lock. Dropping it closes the file; the lock itself ends when the last copy of the open file is closed.
pub(super) struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Waits until no other process holds the lock.
    pub(super) fn exclusive(path: &Path) -> Result<Self, EmbeddedError> {
        let lock = Self::open(path)?;
        lock.file.lock().doing("locking", path)?;
        Ok(lock)
    }

    /// Waits until no process holds the lock exclusively.
    pub(super) fn shared(path: &Path) -> Result<Self, EmbeddedError> {
        let lock = Self::open(path)?;
        lock.file.lock_shared().doing("locking", path)?;
        Ok(lock)
    }

    /// Takes the lock if no other process holds it, shared or exclusive.
    pub(super) fn try_exclusive(path: &Path) -> Result<Option<Self>, EmbeddedError> {
        let lock = Self::open(path)?;
        match lock.file.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(source).doing("locking", path),
        }
    }

    fn open(path: &Path) -> Result<Self, EmbeddedError> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).doing("opening", path)?;
        let path = path.to_owned();
        Ok(Self { file, path })
    }

    /// Whether the path still names the locked file, and not a newer one.
    pub(super) fn is_in_place(&self) -> bool {
        match (self.file.metadata(), self.path.metadata()) {
            (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }

    /// Releases the lock at once, even if a program that was just started still has a copy of the file.
    pub(super) fn release(self) -> Result<(), EmbeddedError> {
        self.file.unlock().doing("unlocking", &self.path)
    }

    /// A copy of the locked file: its holder holds the lock too.
    pub(super) fn copy(&self) -> Result<File, EmbeddedError> {
        self.file.try_clone().doing("copying the lock", &self.path)
    }
}
