//! `sslmode` in an address of Postgres. The driver refuses the modes that check certificates, and does not tell whether the
//! address has a mode; so it is taken out before the driver parses the rest.

use crate::tls::SslMode;

use super::address::AddressError;

/// The parameters of libpq for files, and the keys of mover.toml.
const FILES: [(&str, &str); 3] =
    [("sslrootcert", "ca_file"), ("sslcert", "client_cert_file"), ("sslkey", "client_key_file")];

/// The address without its `sslmode`, and that mode.
pub(super) fn take(address: &str) -> Result<(String, Option<SslMode>), AddressError> {
    let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme));
    let mut mode = None;
    let mut keep = |key: &str, value: &str| {
        if let Some((libpq, ours)) = FILES.iter().find(|(libpq, _)| *libpq == key) {
            return Err(AddressError::File { libpq, ours });
        }
        if key == "sslmode" {
            mode = Some(value.parse::<SslMode>().map_err(|error| AddressError::SslMode(error.to_string()))?);
        }
        Ok(key != "sslmode")
    };
    let rest = if is_url { from_url(address, &mut keep)? } else { from_pairs(address, &mut keep)? };
    Ok((rest, mode))
}

type Keep<'k> = &'k mut dyn FnMut(&str, &str) -> Result<bool, AddressError>;

/// `postgres://user:password@host/database?key=value&key=value`
fn from_url(address: &str, keep: Keep<'_>) -> Result<String, AddressError> {
    // As in the driver: a password may contain question marks.
    let host = address.find('@').map_or(0, |at| at + 1);
    let Some(question) = address[host..].find('?').map(|at| host + at) else { return Ok(address.into()) };
    let mut kept = Vec::new();
    for pair in address[question + 1..].split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if keep(key, value)? {
            kept.push(pair);
        }
    }
    let separator = if kept.is_empty() { "" } else { "?" };
    Ok(format!("{}{separator}{}", &address[..question], kept.join("&")))
}

/// `key=value key='quoted value'`
fn from_pairs(address: &str, keep: Keep<'_>) -> Result<String, AddressError> {
    let mut kept = String::new();
    let mut rest = address.trim_start();
    while let Some((key, after)) = rest.split_once('=') {
        let value = after.trim_start();
        let end = value_end(value);
        if keep(key.trim(), value[..end].trim_matches('\''))? {
            kept.push_str(&rest[..rest.len() - value.len() + end]);
            kept.push(' ');
        }
        rest = value[end..].trim_start();
    }
    // The driver refuses a rest without a value.
    kept.push_str(rest);
    Ok(kept.trim_end().into())
}

/// The end of a value: its quote, or a space; a backslash escapes the next character.
fn value_end(value: &str) -> usize {
    let quoted = value.starts_with('\'');
    let mut escaped = false;
    for (at, character) in value.char_indices().skip(usize::from(quoted)) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' if quoted => return at + 1,
            space if !quoted && space.is_whitespace() => return at,
            _ => {}
        }
    }
    value.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn taken(address: &str) -> (String, Option<SslMode>) {
        take(address).unwrap()
    }

    #[test]
    fn it_is_taken_out_of_both_kinds_of_addresses() {
        for (address, rest, mode) in [
            ("postgres://u@h/d?sslmode=verify-full", "postgres://u@h/d", Some(SslMode::VerifyFull)),
            ("postgres://u:a?b@h/d?a=b&sslmode=require&c=d", "postgres://u:a?b@h/d?a=b&c=d", Some(SslMode::Require)),
            ("postgresql://h?sslmode=disable", "postgresql://h", Some(SslMode::Disable)),
            ("postgres://u@h/d?a=b", "postgres://u@h/d?a=b", None),
            ("host=h sslmode=verify-ca user=u", "host=h user=u", Some(SslMode::VerifyCa)),
            ("host=h sslmode = 'prefer'", "host=h", Some(SslMode::Prefer)),
            (r"password='a\' sslmode=x' host=h", r"password='a\' sslmode=x' host=h", None),
            (r"password=a\ sslmode=x host=h", r"password=a\ sslmode=x host=h", None),
            ("nonsense", "nonsense", None),
        ] {
            assert_eq!(taken(address), (rest.to_owned(), mode), "{address}");
        }
    }

    #[test]
    fn what_is_no_mode_or_has_another_name_here_is_said() {
        let refusal = |address: &str| take(address).unwrap_err().to_string();
        let wrong = refusal("postgres://u:hidden@h/d?sslmode=verify_full");
        assert!(wrong.contains("disable, prefer, require, verify-ca or verify-full"), "{wrong}");
        assert!(wrong.contains("did you mean \"verify-full\"?") && !wrong.contains("hidden"), "{wrong}");
        assert!(refusal("host=h sslrootcert=/ca").contains("write ca_file"), "{}", refusal("host=h sslrootcert=/ca"));
    }
}
