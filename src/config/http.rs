//! The settings of `mover serve`: address, TLS, limits.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::tls::{Certificates, Identity};

use super::reader::{Read, Section};

/// `[http]`
#[derive(Debug, Clone)]
pub struct Http {
    /// The listen address.
    pub listen: SocketAddr,
    /// Our certificate and its key. `None`: tokens are not encrypted, so only this machine may connect.
    pub tls: Option<Identity>,
    /// Whether other machines may connect without TLS, because a proxy in front of Mover provides it.
    pub behind_proxy: bool,
    /// Requests per token and second.
    pub requests_per_second: u32,
    /// A connection whose client does not read for so long is closed.
    pub send_timeout: Duration,
    /// Whether commands past the point of no return need a second person.
    pub second_person: bool,
    /// Whether tokens with the role viewer get the rows of customers at which moves failed.
    pub rows_for_viewers: bool,
    /// How long orgs in flight may take after SIGTERM. The next Mover takes over the rest.
    pub shutdown: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7070)),
            tls: None,
            behind_proxy: false,
            requests_per_second: 100,
            send_timeout: Duration::from_secs(30),
            second_person: false,
            rows_for_viewers: false,
            shutdown: Duration::from_secs(60),
        }
    }
}

impl Http {
    /// Why this address is refused: tokens would cross a network without encryption.
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
    let (certificate, key) = (section.text("tls_cert_file"), section.text("tls_key_file"));
    let is_named = certificate.is_some() || key.is_some();
    http.tls = read_identity(&section, base, certificate, key);
    http.behind_proxy = section.boolean("behind_proxy").unwrap_or(http.behind_proxy);
    http.second_person = section.boolean("second_person").unwrap_or(http.second_person);
    http.rows_for_viewers = section.boolean("rows_for_viewers").unwrap_or(http.rows_for_viewers);
    if let Some(number) = section.number("requests_per_second", 1..=1_000_000) {
        http.requests_per_second = number as u32;
    }
    if let Some(ms) = section.number("send_timeout_ms", 1_000..=3_600_000) {
        http.send_timeout = Duration::from_millis(ms.unsigned_abs());
    }
    if let Some(ms) = section.number("shutdown_ms", 0..=3_600_000) {
        http.shutdown = Duration::from_millis(ms.unsigned_abs());
    }
    if let Some(Read { value, place }) = listen {
        http.listen = value;
        // Files that cannot be used are one mistake, not two.
        if let Some(problem) = http.open_problem().filter(|_| !is_named) {
            section.wrong(&place, problem);
        }
    }
    section.finish();
}

/// A certificate and its key, which must be usable together.
fn read_identity(
    section: &Section<'_>,
    base: &Path,
    certificate: Option<Read<String>>,
    key: Option<Read<String>>,
) -> Option<Identity> {
    if let (Some(Read { place, .. }), None) | (None, Some(Read { place, .. })) = (&certificate, &key) {
        section.wrong(place, "tls_cert_file and tls_key_file go together: one of them is missing");
        return None;
    }
    let read = |path: String| Certificates::read(&base.join(path)).map_err(|error| format!("tls_cert_file: {error}"));
    let certificate = section.parsed(certificate, read)?.value;
    let read =
        |path: String| Identity::read(certificate, &base.join(path)).map_err(|error| format!("tls_key_file: {error}"));
    section.parsed(key, read).map(|read| read.value)
}
