//! A private Redis server for one test, on a free loopback port, with its files in a temporary directory.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running server; killed when dropped.
pub(crate) struct RedisServer {
    directory: TempDir,
    port: u16,
    /// Whether the port takes nothing but TLS.
    tls: bool,
    options: Vec<String>,
    child: Option<Child>,
}

#[allow(dead_code, reason = "each test binary uses its part")]
impl RedisServer {
    /// Starts one that writes nothing to disk.
    pub(crate) fn start() -> Self {
        Self::start_with(&["--save", ""])
    }

    /// Starts one with these options.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::start_on(false, options)
    }

    /// Starts one with these options, among them its certificate, that takes nothing but TLS.
    pub(crate) fn start_with_tls(options: &[&str]) -> Self {
        Self::start_on(true, options)
    }

    fn start_on(tls: bool, options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options: Vec<String> = options.iter().map(|option| option.to_string()).collect();
        for _ in 0..20 {
            // Another process may take the port in between; then the next one is tried.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(child) = launch(directory.path(), port, tls, &options) {
                return Self { directory, port, tls, options, child: Some(child) };
            }
        }
        panic!("no free port for a Redis server after 20 tries");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub(crate) fn url_with_password(&self, password: &str) -> String {
        format!("redis://:{password}@127.0.0.1:{}/0", self.port)
    }

    /// Ends the server as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again on the same port and directory.
    pub(crate) fn start_again(&mut self) {
        self.child = launch(self.directory.path(), self.port, self.tls, &self.options);
        assert!(self.child.is_some(), "Redis did not start again on port {}", self.port);
    }

    /// A connection of the test's own.
    pub(crate) fn connection(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a server and waits until it says that it accepts connections; `None` if it ends before.
fn launch(directory: &Path, port: u16, tls: bool, options: &[String]) -> Option<Child> {
    let port = port.to_string();
    let ports: &[&str] = if tls { &["--port", "0", "--tls-port", &port] } else { &["--port", &port] };
    let mut child = Command::new("redis-server")
        .args(ports)
        .args(["--bind", "127.0.0.1", "--dir"])
        .arg(directory)
        .args(options)
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .expect("redis-server can be started (install Redis to run these tests)");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    if lines.any(|line| line.contains("Ready to accept connections")) {
        // Continue reading, so that the server never waits for room in the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        return Some(child);
    }
    child.wait().unwrap();
    None
}
