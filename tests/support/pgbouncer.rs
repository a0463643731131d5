//! A PgBouncer before a Postgres, on a free loopback port, with its files in a temporary directory.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::servers::Server;

/// A running pooler; killed when dropped.
pub(crate) struct PgBouncer {
    _directory: TempDir,
    port: u16,
    child: Child,
}

impl PgBouncer {
    /// Starts one with these settings, such as `pool_mode = transaction`.
    pub(crate) async fn start(server: &Server, settings: &str) -> Self {
        for _ in 0..20 {
            // Another process may take the port in between; then the next one is tried.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(pooler) = Self::launch(server, settings, port).await {
                return pooler;
            }
        }
        panic!("no free port for PgBouncer after 20 tries");
    }

    async fn launch(server: &Server, settings: &str, port: u16) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        // It refuses to run as root, and reads its files as the other user.
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let (users, ini) = (directory.path().join("users"), directory.path().join("pgbouncer.ini"));
        std::fs::write(&users, "\"mover\" \"\"\n\"app\" \"\"\n").unwrap();
        let user = if is_root() { "user = postgres\n" } else { "" };
        let text = format!(
            "[databases]\n* = host={} port=5432\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = trust\nauth_file = {}\nignore_startup_parameters = extra_float_digits,options\n{user}{settings}\n",
            server.socket_dir("old").display(),
            users.display(),
        );
        std::fs::write(&ini, text).unwrap();
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut child = Command::new("pgbouncer")
            .env("PATH", path)
            .arg("--quiet")
            .arg(ini)
            .stdin(Stdio::null())
            .spawn()
            .expect("pgbouncer can be started (install pgbouncer to run these tests)");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            tokio::task::yield_now().await;
        }
        Some(Self { _directory: directory, port, child })
    }

    /// The address of a database behind it.
    pub(crate) fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }
}

fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
