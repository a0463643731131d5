//! Explains errors of rustls, with what the operator can do.

use std::error::Error;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};
use tokio_postgres::error::{DbError, SqlState};

/// The driver's whole message if a server has no TLS and must.
const NO_TLS: &str = "server does not support TLS";
/// The end of the message of Postgres when no entry of pg_hba.conf matches.
const UNENCRYPTED: &str = ", no encryption";
/// A word of the message of Postgres when pg_hba.conf requires a certificate.
const CERTIFICATE: &str = "certificate";

/// Why there is no encrypted connection. The fault is permanent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong; the subject is the server.
    pub problem: String,
    /// What to do.
    pub next: String,
}

/// The meaning of a driver's error, if it is about TLS. `section` is where the server is configured: `[stores.old]`.
pub fn explain(error: &(dyn Error + 'static), section: &str) -> Option<Trouble> {
    if let Some(error) = rustls_error(error) {
        return explain_rustls(error, section);
    }
    if let Some(said) = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::as_db_error) {
        return refused_by_hba(said, section);
    }
    let source = error.source()?;
    (source.to_string() == NO_TLS).then(|| Trouble {
        problem: "it offers no TLS, and sslmode asks for it".into(),
        next: format!(
            "turn ssl on in its postgresql.conf, or write sslmode = \"disable\" in {section} if its network is safe"
        ),
    })
}

/// The message of Postgres when pg_hba.conf requires TLS, or a certificate.
fn refused_by_hba(said: &DbError, section: &str) -> Option<Trouble> {
    let text = said.message();
    if *said.code() != SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        return None;
    }
    let next = if text.ends_with(UNENCRYPTED) {
        format!("write sslmode = \"verify-full\" in {section} if that server wants TLS, or correct its pg_hba.conf")
    } else if text.contains(CERTIFICATE) {
        format!("name a certificate for that user with client_cert_file in {section}")
    } else {
        return None;
    };
    Some(Trouble { problem: format!("login refused: {text}"), next })
}

/// The error of rustls at the bottom of another one.
pub(super) fn rustls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // Both contain an error that they do not return as their source.
        next = if let Some(error) = error.downcast_ref::<io::Error>() {
            error.get_ref().map(|inner| inner as &(dyn Error + 'static))
        } else if let Some(error) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            Some(error.as_ref() as &(dyn Error + 'static))
        } else {
            error.source()
        };
    }
    None
}

fn explain_rustls(error: &rustls::Error, section: &str) -> Option<Trouble> {
    let (problem, next) = match error {
        rustls::Error::InvalidCertificate(error) => certificate(error, section),
        rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity,
        ) => (
            format!("it broke the handshake off ({error})"),
            format!(
                "let that server speak TLS 1.2 or 1.3; if it asks for a client certificate, see client_cert_file in {section}"
            ),
        ),
        rustls::Error::AlertReceived(alert) => (refused(*alert)?, format!("see client_cert_file in {section}")),
        rustls::Error::PeerIncompatible(_) => {
            (format!("it knows no TLS that Mover knows: {error}"), "let that server speak TLS 1.2 or 1.3".into())
        }
        rustls::Error::InvalidMessage(_) => (
            "it does not speak TLS there".into(),
            format!("correct the port in url in {section}, or turn TLS on there"),
        ),
        _ => return None,
    };
    Some(Trouble { problem, next })
}

fn certificate(error: &CertificateError, section: &str) -> (String, String) {
    let renew = || "have it renewed, and look at the clocks of both machines".to_owned();
    match error {
        CertificateError::UnknownIssuer => (
            "its certificate is not signed by an authority that Mover trusts".into(),
            format!("name that authority's certificate with ca_file in {section}"),
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let host = expected.to_str();
            // In Debug format: DnsName("db.example"), IpAddress(192.0.2.1).
            let inner = |name: &'_ String| -> String {
                let inner = name.split_once('(').map_or(name.as_str(), |(_, inner)| inner);
                inner.trim_matches([')', '"']).into()
            };
            let names: Vec<String> = presented.iter().map(inner).collect();
            let names = if names.is_empty() { "no host at all".into() } else { names.join(", ") };
            (
                format!("its certificate is for {names}, not for {host}"),
                format!(
                    "correct the host in url in {section}, or give that server a certificate with {host} as subjectAltName"
                ),
            )
        }
        CertificateError::NotValidForName => (
            "its certificate is for another host".into(),
            format!(
                "correct the host in url in {section}, or give that server a certificate with it as subjectAltName"
            ),
        ),
        CertificateError::ExpiredContext { not_after, .. } => {
            (format!("its certificate expired at {}", time(*not_after)), renew())
        }
        CertificateError::Expired => ("its certificate expired".into(), renew()),
        CertificateError::NotValidYetContext { not_before, .. } => {
            (format!("its certificate is not valid before {}", time(*not_before)), renew())
        }
        CertificateError::NotValidYet => ("its certificate is not valid yet".into(), renew()),
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            "its certificate is that of an authority (CA:TRUE), which is not for servers".into(),
            "give that server a certificate with basicConstraints = CA:FALSE".into(),
        ),
        other => (
            format!("its certificate is refused: {}", rustls::Error::InvalidCertificate(other.clone())),
            "give that server another certificate".into(),
        ),
    }
}

/// The meaning of an alert of the server; `None` if it need not be about us.
fn refused(alert: AlertDescription) -> Option<String> {
    use AlertDescription as Alert;
    Some(match alert {
        Alert::CertificateRequired => "it asks for a client certificate".into(),
        Alert::UnknownCA | Alert::AccessDenied => "it does not trust who signed the client certificate".into(),
        Alert::CertificateExpired => "the client certificate expired".into(),
        Alert::CertificateRevoked => "the client certificate is revoked".into(),
        Alert::BadCertificate | Alert::UnsupportedCertificate | Alert::CertificateUnknown => {
            "it refuses the client certificate".into()
        }
        _ => return None,
    })
}

fn time(at: UnixTime) -> String {
    let at = i64::try_from(at.as_secs()).ok().and_then(|second| Timestamp::from_second(second).ok());
    at.map_or_else(|| "an unknown time".into(), |at| at.to_string())
}
