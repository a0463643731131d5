//! A copy of the working tree, in which files may be edited.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use mover_mutants::Mutant;

/// All files that git knows or would add, as they were when the copy was made: later edits disturb nothing.
#[derive(Debug)]
pub(crate) struct Copy {
    path: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Copy {
    /// Creates the copy, or updates an existing one: unchanged files keep their time, so that little is rebuilt.
    pub(crate) fn of(from: &Path, to: &Path) -> io::Result<Self> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(from)
            .output()?;
        if !listed.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&listed.stderr)));
        }
        let names = String::from_utf8_lossy(&listed.stdout).into_owned();
        let names = names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
        let files = names.filter(|name| from.join(name).is_file());
        let files = files.map(|name| Ok((name.clone(), fs::read(from.join(name))?))).collect::<io::Result<_>>()?;
        let copy = Self { path: to.to_owned(), files };
        fs::create_dir_all(to)?;
        copy.remove_others(to)?;
        copy.restore()?;
        for name in copy.files.keys() {
            // Scripts must stay executable.
            fs::set_permissions(to.join(name), fs::metadata(from.join(name))?.permissions())?;
        }
        Ok(copy)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Restores every file.
    pub(crate) fn restore(&self) -> io::Result<()> {
        for (name, text) in &self.files {
            let path = self.path.join(name);
            if fs::read(&path).is_ok_and(|found| found == *text) {
                continue;
            }
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            fs::write(&path, text)?;
        }
        Ok(())
    }

    /// Takes one measure away, and no other.
    pub(crate) fn edit(&self, mutant: &Mutant) -> io::Result<()> {
        self.restore()?;
        let path = self.path.join(&mutant.file);
        let text = mutant.applied(&fs::read_to_string(&path)?).map_err(io::Error::other)?;
        fs::write(path, text)
    }

    /// A hash of the sources without their documentation.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let is_source = |(name, _): &(&PathBuf, &Vec<u8>)| name.extension().is_none_or(|extension| extension != "md");
        self.files.iter().filter(is_source).for_each(|file| file.hash(&mut hasher));
        hasher.finish()
    }

    fn remove_others(&self, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                self.remove_others(&path)?;
            } else if !path.strip_prefix(&self.path).is_ok_and(|name| self.files.contains_key(name)) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}
