//! The TLS keys of mover.toml, and how they combine.

use std::net::IpAddr;
use std::path::Path;

use tokio_postgres::config::Host;

use super::mistake::Place;
use super::reader::{Read, Section};
use crate::tls::{Certificates, Encryption, FileError, Identity, Material, SslMode, TlsError};

/// The files of a section.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) material: Material,
    /// The place of the key for the authorities.
    pub(super) authorities: Option<Place>,
    /// The place of the key for the client's certificate.
    pub(super) identity: Option<Place>,
}

/// Reads `ca_file`, `client_cert_file` and `client_key_file`, and the files.
pub(super) fn read_files(section: &mut Section<'_>, base: &Path) -> Files {
    let authorities = section.text("ca_file");
    let authorities = read(section, "ca_file", authorities, base);
    let (certificate, key) = (section.text("client_cert_file"), section.text("client_key_file"));
    match (&certificate, &key) {
        (Some(_), None) => section.missing("client_key_file", "the key of the certificate in client_cert_file"),
        (None, Some(_)) => section.missing("client_cert_file", "the certificate to which client_key_file belongs"),
        _ => {}
    }
    let certificate = read(section, "client_cert_file", certificate, base);
    let mut files = Files::default();
    if let Some(Read { value, place }) = authorities {
        (files.material.authorities, files.authorities) = (Some(value), Some(place));
    }
    if let (Some(Read { value: certificate, place }), Some(key)) = (certificate, key) {
        let identity = |path: String| named("client_key_file", Identity::read(certificate, &base.join(path)));
        files.material.identity = section.parsed(Some(key), identity).map(|identity| identity.value);
        files.identity = Some(place);
    }
    files
}

fn read(section: &Section<'_>, key: &str, path: Option<Read<String>>, base: &Path) -> Option<Read<Certificates>> {
    section.parsed(path, |path| named(key, Certificates::read(&base.join(path))))
}

fn named<T>(key: &str, read: Result<T, FileError>) -> Result<T, String> {
    read.map_err(|error| format!("{key} {error}"))
}

/// Reads `sslmode` and combines it with the files and the url; `None` after a mistake.
pub(super) fn read_postgres(
    section: &mut Section<'_>,
    base: &Path,
    url: Option<Read<Option<SslMode>>>,
    options: Option<&tokio_postgres::Config>,
) -> Option<Encryption> {
    let key = section.text("sslmode");
    let key = section.parsed(key, |mode| mode.parse::<SslMode>());
    let files = read_files(section, base);
    let in_url = url.and_then(|Read { value, place }| value.map(|value| Read { value, place }));
    if let (Some(_), Some(key)) = (&in_url, &key) {
        section.wrong(&key.place, "the url has sslmode too: keep one of them");
    }
    let given = key.or(in_url);
    let mode = match given.as_ref().map(|given| given.value) {
        // As with libpq, a named authority means that the certificate must be checked.
        Some(SslMode::Require) if files.authorities.is_some() => SslMode::VerifyCa,
        Some(mode) => mode,
        None if files.authorities.is_some() => SslMode::VerifyFull,
        None if files.identity.is_some() => SslMode::Require,
        None => default(options?),
    };
    if let Some(place) = files.authorities.as_ref().filter(|_| !mode.verifies()) {
        let problem = format!(
            "ca_file would not be looked at, because sslmode is {mode}: write sslmode = \"verify-full\", or leave it out"
        );
        section.wrong(place, problem);
    }
    if let Some(place) = files.identity.as_ref().filter(|_| mode == SslMode::Disable) {
        section.wrong(place, "client_cert_file would not be shown, because sslmode is disable");
    }
    let place = given.map_or_else(|| section.place().clone(), |given| given.place);
    let options = options?;
    match for_hosts(options, mode, &files.material) {
        Ok(encryption) => Some(encryption),
        Err(error) => {
            section.wrong(&place, error.to_string());
            None
        }
    }
}

/// The encryption of connections to these hosts. Postgres has no TLS on Unix sockets, where nobody can eavesdrop: as with
/// libpq, the mode does not apply there.
pub(super) fn for_hosts(
    options: &tokio_postgres::Config,
    mode: SslMode,
    material: &Material,
) -> Result<Encryption, TlsError> {
    let sockets = options.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    if sockets { Ok(Encryption::none()) } else { Encryption::new(mode, material) }
}

/// The default: `prefer` as in libpq, but connections within this machine are not encrypted.
pub(super) fn default(options: &tokio_postgres::Config) -> SslMode {
    let addresses = options.get_hostaddrs();
    let hosts = options.get_hosts();
    let local =
        if addresses.is_empty() { hosts.iter().all(is_local) } else { addresses.iter().all(IpAddr::is_loopback) };
    if local { SslMode::Disable } else { SslMode::Prefer }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        Host::Unix(_) => true,
    }
}
