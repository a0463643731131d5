//! Addresses of servers. The types of the drivers keep passwords out of Debug; nothing here puts one into an error.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo};

use super::encryption;
use super::mistake::Place;
use super::reader::{Read, Section};
use super::ssl_mode;
use crate::tls::{self, Encryption, Material, SslMode};

/// The default timeout of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A Postgres database, the encryption of connections to it, and their number.
#[derive(Debug, Clone)]
pub struct Postgres {
    options: tokio_postgres::Config,
    encryption: Encryption,
    /// The most open connections.
    pub pool_size: usize,
}

/// A Redis server.
#[derive(Debug, Clone)]
pub struct Redis(redis::ConnectionInfo);

/// A text that is not an address. It is not repeated, since it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a Postgres address.
    #[error("url is not a Postgres address; it looks like postgres://user@host:5432/database")]
    Postgres,
    /// Not a Redis address.
    #[error(
        "url is not a Redis address; it looks like redis://host:6379/0, rediss://host:6379/0 with TLS, or unix:///run/redis.sock"
    )]
    Redis,
    /// A Redis address that disables the check of certificates.
    #[error(
        "url ends with #insecure, which accepts any certificate: remove it, and name the server's authority with ca_file"
    )]
    Insecure,
    /// Its `sslmode` does not exist.
    #[error("url: {0}")]
    SslMode(String),
    /// It names a file with a parameter of libpq.
    #[error("url has {libpq}: write {ours} = \"…\" beside it instead")]
    File {
        /// The parameter of libpq.
        libpq: &'static str,
        /// The key in mover.toml.
        ours: &'static str,
    },
    /// It asks for TLS, which cannot be set up.
    #[error("url: {0}")]
    Tls(String),
}

impl Postgres {
    /// The default number of connections.
    pub const POOL_SIZE: usize = 16;

    /// Parses an address. Without an `sslmode`, that is libpq's `prefer`, and no TLS to this machine itself.
    pub fn at(url: &str, pool_size: usize) -> Result<Self, AddressError> {
        let (options, mode) = read_url(url)?;
        let mode = mode.unwrap_or_else(|| encryption::default(&options));
        let encryption = encryption::for_hosts(&options, mode, &Material::default());
        let encryption = encryption.map_err(|error| AddressError::Tls(error.to_string()))?;
        Ok(Self { options, encryption, pool_size })
    }

    /// The options of the driver.
    pub fn options(&self) -> &tokio_postgres::Config {
        &self.options
    }

    /// The encryption of connections to it.
    pub fn encryption(&self) -> &Encryption {
        &self.encryption
    }
}

/// The options in an address, and its `sslmode`.
fn read_url(url: &str) -> Result<(tokio_postgres::Config, Option<SslMode>), AddressError> {
    let (url, mode) = ssl_mode::take(url)?;
    let mut options: tokio_postgres::Config = url.parse().map_err(|_| AddressError::Postgres)?;
    if options.get_hosts().is_empty() {
        return Err(AddressError::Postgres);
    }
    if options.get_connect_timeout().is_none() {
        options.connect_timeout(CONNECT_TIMEOUT);
    }
    if options.get_application_name().is_none() {
        options.application_name("mover");
    }
    Ok((options, mode))
}

/// `user@host:port/database`, without the password.
impl fmt::Display for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        if let Some(user) = options.get_user() {
            write!(f, "{user}@")?;
        }
        match options.get_hosts().first() {
            Some(tokio_postgres::config::Host::Tcp(host)) => f.write_str(host)?,
            Some(tokio_postgres::config::Host::Unix(path)) => write!(f, "{}", path.display())?,
            None => f.write_str("?")?,
        }
        write!(f, ":{}/{}", options.get_ports().first().unwrap_or(&5432), options.get_dbname().unwrap_or_default())
    }
}

impl Redis {
    /// Parses an address.
    pub fn at(url: &str) -> Result<Self, AddressError> {
        let options = url.into_connection_info().map_err(|_| AddressError::Redis)?;
        match options.addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => Err(AddressError::Insecure),
            _ => Ok(Self(options)),
        }
    }

    fn is_encrypted(&self) -> bool {
        matches!(self.0.addr(), ConnectionAddr::TcpTls { .. })
    }

    /// The options of the driver.
    pub fn options(&self) -> &redis::ConnectionInfo {
        &self.0
    }
}

/// `host:port`, without the password.
impl fmt::Display for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.addr().fmt(f)
    }
}

/// Reads `url`, `pool_size`, the source of the password, and the encryption.
pub(super) fn read_postgres(section: &mut Section<'_>, base: &Path) -> Option<Postgres> {
    let url = section.required_text("url", "the address, e.g. postgres://user@host:5432/database");
    let url = section.parsed(url, |url| read_url(&url));
    let (options, mode) = match url {
        Some(Read { value: (options, mode), place }) => (Some(options), Some(Read { value: mode, place })),
        None => (None, None),
    };
    let password = read_password(section, base);
    let pool_size = section.number("pool_size", 1..=10_000);
    let encryption = encryption::read_postgres(section, base, mode, options.as_ref());
    let (mut options, encryption) = (options?, encryption?);
    if let Some(Read { value: password, place }) = password {
        if options.get_password().is_some() {
            said_twice(section, &place);
        }
        options.password(password);
    }
    let pool_size = pool_size.map_or(Postgres::POOL_SIZE, |size| size as usize);
    Some(Postgres { options, encryption, pool_size })
}

/// Reads `url`, the source of the password, and the files for TLS.
pub(super) fn read_redis(section: &mut Section<'_>, base: &Path) -> Option<Redis> {
    let url = section.required_text("url", "the address, e.g. redis://host:6379/0");
    let url = section.parsed(url, |url| Redis::at(&url));
    let password = read_password(section, base);
    let files = encryption::read_files(section, base);
    let Read { value: redis, place } = url?;
    let encrypted = redis.is_encrypted();
    if !encrypted {
        for named in files.authorities.iter().chain(&files.identity) {
            section.wrong(named, "this is for TLS, which the url has not: write rediss:// there, or leave it out");
        }
    }
    let Redis(mut options) = redis;
    if let Some(Read { value: password, place }) = password {
        let settings = options.redis_settings().clone();
        if settings.password().is_some() {
            said_twice(section, &place);
        }
        options = options.set_redis_settings(settings.set_password(password));
    }
    if encrypted {
        let with_files = tls::encrypted_redis(options, &files.material);
        options = with_files.map_err(|error| section.wrong(&place, error.to_string())).ok()?;
    }
    Some(Redis(options))
}

fn said_twice(section: &Section<'_>, place: &Place) {
    section.wrong(place, "the url has a password too: keep one of them");
}

/// Reads a password from a named file or environment variable.
fn read_password(section: &mut Section<'_>, base: &Path) -> Option<Read<String>> {
    let file = section.text("password_file");
    let variable = section.text("password_env");
    if let (Some(_), Some(variable)) = (&file, &variable) {
        section.wrong(&variable.place, "password_file is given too: keep one of them");
    }
    let from_file = section.parsed(file, |path| {
        let path = base.join(path);
        let password = std::fs::read_to_string(&path);
        password.map_err(|error| format!("password_file {} cannot be read: {error}", path.display()))
    });
    let from_variable = section.parsed(variable, |name| {
        std::env::var(&name).map_err(|_| format!("password_env: there is no environment variable {name:?}"))
    });
    // Editors end a file with a newline; a password does not end with one.
    from_file.or(from_variable).map(|read| Read { value: read.value.trim_end_matches(['\r', '\n']).to_owned(), ..read })
}
