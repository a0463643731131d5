//! How `mover serve` is reached, and by whom.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::{Read, Section};

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Certificate chain and key, both PEM files. None: tokens go over the wire as they are, so only this machine may come.
    pub tls: Option<TlsFiles>,
    /// Whether others than this machine may come without TLS, since something in front of Mover has it.
    pub behind_proxy: bool,
    /// Requests that each token may make in a second.
    pub requests_per_second: u32,
    /// Whether the point of no return needs a second person.
    pub second_person: bool,
    /// How long orgs in flight have for their end after SIGTERM. What is left is taken over by the next Mover.
    pub shutdown: Duration,
}

/// Where the server's certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, its own certificate first.
    pub cert: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7070)),
            tls: None,
            behind_proxy: false,
            requests_per_second: 100,
            second_person: false,
            shutdown: Duration::from_secs(60),
        }
    }
}

impl Http {
    /// Why nobody should listen like this, if tokens would go over a network as they are.
    pub fn open_problem(&self) -> Option<&'static str> {
        let is_open = !self.listen.ip().is_loopback() && self.tls.is_none() && !self.behind_proxy;
        is_open.then_some(
            "others than this machine can come here, and tokens would go over the network as they are: give tls_cert_file \
             and tls_key_file in [http], or behind_proxy = true if a proxy in front has TLS",
        )
    }
}

pub(super) fn read(mut section: Section<'_>, base: &Path, http: &mut Http) {
    let listen = section.text("listen");
    let listen = section.parsed(listen, |text| {
        text.parse::<SocketAddr>()
            .map_err(|_| format!("listen is an address and a port, such as 127.0.0.1:7070 or [::1]:7070, not {text:?}"))
    });
    let cert = section.text("tls_cert_file");
    let key = section.text("tls_key_file");
    http.tls = match (cert, key) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert: base.join(cert.value), key: base.join(key.value) }),
        (Some(Read { place, .. }), None) | (None, Some(Read { place, .. })) => {
            section.wrong(&place, "tls_cert_file and tls_key_file go together: one of them is missing");
            None
        }
        (None, None) => None,
    };
    http.behind_proxy = section.boolean("behind_proxy").unwrap_or(http.behind_proxy);
    http.second_person = section.boolean("second_person").unwrap_or(http.second_person);
    if let Some(number) = section.number("requests_per_second", 1..=1_000_000) {
        http.requests_per_second = number as u32;
    }
    if let Some(ms) = section.number("shutdown_ms", 0..=3_600_000) {
        http.shutdown = Duration::from_millis(ms.unsigned_abs());
    }
    if let Some(Read { value, place }) = listen {
        http.listen = value;
        if let Some(problem) = http.open_problem() {
            section.wrong(&place, problem);
        }
    }
    section.finish();
}
