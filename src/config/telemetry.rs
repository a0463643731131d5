//! `[telemetry]`: the collector of traces.

use std::fmt;

use ureq::http::Uri;
use ureq::http::uri::Scheme;

use super::reader::Section;

/// The collector of traces, and the name of this service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// The collector; `None`: traces are not sent.
    pub collector: Option<Collector>,
    /// The name of this Mover in traces.
    pub service_name: String,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { collector: None, service_name: "mover".into() }
    }
}

/// The address of a collector that speaks OTLP over HTTP, as its documentation gives it: without a path for traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector(String);

/// A text that is not the address of a collector. It is not repeated, since it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CollectorError {
    /// Not an address.
    #[error("otlp_endpoint is not an address; it looks like http://host:4318")]
    Address,
    /// Encrypted.
    #[error(
        "otlp_endpoint: https is not known by this version; send to a collector near by, which can send on with it"
    )]
    Https,
    /// With a user name or a password.
    #[error("otlp_endpoint has no user and no password; headers come from OTEL_EXPORTER_OTLP_HEADERS")]
    User,
    /// With a path that is appended anyway, or with a query.
    #[error("otlp_endpoint ends before /v1/traces, which is added, and has no query")]
    Path,
}

impl Collector {
    /// Parses an address.
    pub fn at(url: &str) -> Result<Self, CollectorError> {
        let uri: Uri = url.parse().map_err(|_| CollectorError::Address)?;
        let authority = uri.authority().ok_or(CollectorError::Address)?;
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => {}
            Some(scheme) if *scheme == Scheme::HTTPS => return Err(CollectorError::Https),
            _ => return Err(CollectorError::Address),
        }
        if authority.as_str().contains('@') {
            return Err(CollectorError::User);
        }
        if authority.host().is_empty() {
            return Err(CollectorError::Address);
        }
        let base = url.trim_end_matches('/');
        if uri.query().is_some() || base.ends_with("/v1/traces") {
            return Err(CollectorError::Path);
        }
        Ok(Self(base.to_owned()))
    }

    /// The URL for traces.
    pub fn traces(&self) -> String {
        format!("{}/v1/traces", self.0)
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn read(mut section: Section<'_>) -> Telemetry {
    let mut telemetry = Telemetry::default();
    let endpoint = section.text("otlp_endpoint");
    telemetry.collector = section.parsed(endpoint, |url| Collector::at(&url)).map(|read| read.value);
    let name = section.text("service_name");
    let name = section.parsed(name, |name| match name.trim().is_empty() {
        true => Err("service_name is empty"),
        false => Ok(name),
    });
    if let Some(name) = name {
        telemetry.service_name = name.value;
    }
    section.finish();
    telemetry
}
