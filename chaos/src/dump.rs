//! Dumps the databases when a fault was found.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::servers::{Servers, Store};

/// Writes a dump of every database to a directory, as far as that is possible.
pub(crate) async fn dump(servers: &Servers, dir: &Path) {
    let Some(pg_dump) = find_program("pg_dump") else { return };
    for (store, database) in [(Store::Old, "mover"), (Store::Old, "old"), (Store::New, "new")] {
        let mut command = Command::new(&pg_dump);
        command.args(["-U", "mover", "-d", database, "-h"]).arg(servers.socket_dir(store));
        // A failed dump only means less material for the search; nothing else depends on it.
        let _ = command.arg("-f").arg(dir.join(format!("{database}.sql"))).status().await;
    }
}

/// A program of Postgres: in PATH, or in the directory of Debian for each version.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|dir| dir.join(name));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let versioned = versions.map(|version| version.path().join("bin").join(name));
    in_path.chain(versioned).find(|program| Path::is_file(program))
}
