//! Finds the system's Postgres and Redis programs.

use std::{
    cmp::Reverse,
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::error::EmbeddedError;

/// Where systems keep each version of PostgreSQL, outside of PATH: a directory, and the prefix of its entries.
const VERSIONED: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// Redis, and the fork that some systems ship instead.
const REDIS_NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// The programs of one PostgreSQL installation.
#[derive(Clone, Debug)]
pub(super) struct PostgresPrograms {
    pub(super) postgres: PathBuf,
    pub(super) initdb: PathBuf,
    pub(super) major: String,
}

/// Finds Postgres. If several are installed, one that can read the data of `wanted_major` comes first.
pub(super) fn find_postgres(
    dirs: Option<&[PathBuf]>,
    wanted_major: Option<&str>,
) -> Result<PostgresPrograms, EmbeddedError> {
    let dirs = dirs.map_or_else(postgres_dirs, <[PathBuf]>::to_vec);
    let mut first = None;
    for dir in &dirs {
        let (postgres, initdb) = (dir.join("postgres"), dir.join("initdb"));
        if !(postgres.is_file() && initdb.is_file()) {
            continue;
        }
        let major = major_of(&postgres)?;
        let found = PostgresPrograms { postgres, initdb, major };
        if wanted_major.is_none_or(|wanted| wanted == found.major) {
            return Ok(found);
        }
        first.get_or_insert(found);
    }
    first.ok_or_else(|| missing("postgres", &dirs))
}

/// Finds Redis.
pub(super) fn find_redis(dirs: Option<&[PathBuf]>) -> Result<PathBuf, EmbeddedError> {
    let dirs = dirs.map_or_else(path_dirs, <[PathBuf]>::to_vec);
    REDIS_NAMES
        .iter()
        .flat_map(|name| dirs.iter().map(move |dir| dir.join(name)))
        .find(|program| program.is_file())
        .ok_or_else(|| missing("redis-server", &dirs))
}

fn postgres_dirs() -> Vec<PathBuf> {
    let mut dirs = path_dirs();
    dirs.extend(pg_config_dir());
    let mut versioned: Vec<(u32, PathBuf)> =
        VERSIONED.iter().flat_map(|(base, prefix)| versions_in(Path::new(base), prefix)).collect();
    versioned.sort_by_key(|(version, _)| Reverse(*version));
    dirs.extend(versioned.into_iter().map(|(_, dir)| dir));
    dirs
}

fn versions_in(base: &Path, prefix: &str) -> impl Iterator<Item = (u32, PathBuf)> {
    // A base that does not exist has no versions.
    fs::read_dir(base).into_iter().flatten().filter_map(move |entry| {
        let name = entry.ok()?.file_name();
        let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
        Some((version, base.join(&name).join("bin")))
    })
}

fn path_dirs() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Administrators' directories are often missing from an ordinary user's PATH.
    env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from)).collect()
}

fn pg_config_dir() -> Option<PathBuf> {
    // It belongs to the development package: without it the other places are searched.
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let dir = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(dir.trim()))
}

fn major_of(postgres: &Path) -> Result<String, EmbeddedError> {
    let output = Command::new(postgres)
        .arg("--version")
        .output()
        .map_err(|source| EmbeddedError::Run { program: postgres.to_owned(), source })?;
    let text = String::from_utf8_lossy(&output.stdout);
    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", or "18beta1" before a release.
    let major: String =
        text.split_whitespace().nth(2).unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    if output.status.success() && !major.is_empty() {
        return Ok(major);
    }
    Err(EmbeddedError::Failed {
        program: postgres.to_owned(),
        status: output.status.to_string(),
        output: format!("--version printed {text:?}"),
    })
}

fn missing(program: &'static str, dirs: &[PathBuf]) -> EmbeddedError {
    let searched: Vec<_> = dirs.iter().map(|dir| dir.as_os_str()).collect();
    EmbeddedError::Missing { program, searched: searched.join(OsStr::new(", ")).to_string_lossy().into_owned() }
}
