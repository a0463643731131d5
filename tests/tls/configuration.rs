//! Mistakes in TLS settings: each at its place, and without a secret.

use std::path::Path;

use mover::config::Config;

use crate::certificates::{Authority, Files};

fn read(text: &str) -> Result<Config, String> {
    Config::read("mover.toml", text, Path::new(""), &[]).map_err(|mistakes| mistakes.to_string())
}

const URL: &str = "[state]\nurl = \"postgres://me:hidden@db.test/state\"\n";

/// The message about one line below the address, which is line 3; the value is after the key.
fn mistake(lines: &str) -> String {
    let told = read(&format!("{URL}{lines}")).unwrap_err();
    let column = lines.find("= ").unwrap() + 3;
    assert!(told.starts_with(&format!("mover.toml:3:{column}: ")), "{told}");
    assert!(!told.contains("hidden") && !told.contains("PRIVATE KEY"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    told
}

#[test]
fn an_unknown_mode_is_a_mistake_in_the_key_and_in_the_address() {
    let told = mistake("sslmode = \"verify_full\"");
    assert!(told.contains("disable, prefer, require, verify-ca or verify-full; did you mean"), "{told}");
    let told = read(&URL.replace("/state", "/state?sslmode=always")).unwrap_err();
    assert!(told.starts_with("mover.toml:2:7: url: sslmode is disable"), "{told}");
    let told = read(&URL.replace("/state", "/state?sslrootcert=/ca.crt")).unwrap_err();
    assert!(told.contains("mover.toml:2:7: url has sslrootcert: write ca_file"), "{told}");
}

#[test]
fn files_that_cannot_be_used_are_mistakes() {
    let (authority, files) = (Authority::new("ours"), Files::new());
    let issued = authority.client("mover");
    let nothing = files.public("nothing", "no PEM at all\n");
    let broken = files.public("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let told = mistake("ca_file = \"no/such/file\"");
    assert!(told.contains("ca_file no/such/file cannot be read: No such file"), "{told}");
    assert!(mistake(&format!("ca_file = {nothing:?}")).contains("holds no certificate"));
    assert!(mistake(&format!("ca_file = {broken:?}")).contains("certificate 1 in it cannot be understood"));

    let certificate = files.public("client.crt", &issued.certificate);
    let with_key = |key: &Path| {
        let told = read(&format!("{URL}client_cert_file = {certificate:?}\nclient_key_file = {key:?}")).unwrap_err();
        assert!(told.starts_with("mover.toml:4:19: client_key_file "), "{told}");
        assert!(!told.contains("PRIVATE KEY---") || told.contains("it should be PEM"), "{told}");
        told
    };
    assert!(with_key(Path::new("no/key")).contains("cannot be read"));
    assert!(with_key(&files.secret("nothing.key", "no PEM at all\n")).contains("holds no private key"));
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert!(with_key(&files.secret("encrypted.key", encrypted)).contains("is encrypted"));
    assert!(with_key(&files.public("open.key", &issued.key)).contains("can be read by others: chmod 600"));
    let other = authority.client("other").key;
    assert!(with_key(&files.secret("other.key", &other)).contains("is not the key of"));
}

#[test]
fn a_certificate_needs_its_key_and_a_key_its_certificate() {
    let (authority, files) = (Authority::new("ours"), Files::new());
    let client = files.client("client", &authority.client("mover"));
    let (certificate, key) = client.split_once('\n').unwrap();
    let told = read(&format!("{URL}{certificate}")).unwrap_err();
    assert!(told.contains("client_key_file is missing in [state]"), "{told}");
    let told = read(&format!("{URL}{key}")).unwrap_err();
    assert!(told.contains("client_cert_file is missing in [state]"), "{told}");
}

#[test]
fn what_would_not_count_is_a_mistake() {
    let (authority, files) = (Authority::new("ours"), Files::new());
    let ca = files.authority("ca", &authority);
    let client = files.client("client", &authority.client("mover"));
    for mode in ["disable", "prefer"] {
        let told = mistake(&format!("{ca}sslmode = \"{mode}\""));
        assert!(told.contains(&format!("ca_file would not be looked at, because sslmode is {mode}")), "{told}");
    }
    let told = mistake(&format!("{client}sslmode = \"disable\""));
    assert!(told.contains("client_cert_file would not be shown"), "{told}");
    let twice = read(&format!("{}sslmode = \"require\"", URL.replace("/state", "/state?sslmode=require"))).unwrap_err();
    assert!(twice.contains("mover.toml:3:11: the url has sslmode too: keep one of them"), "{twice}");
    let told = read(&format!("[redis]\nurl = \"redis://:hidden@db.test\"\n{ca}")).unwrap_err();
    assert!(told.contains("mover.toml:3:11: this is for TLS") && told.contains("rediss://"), "{told}");
    let told = read("[redis]\nurl = \"rediss://:hidden@db.test/#insecure\"\n").unwrap_err();
    assert!(told.contains("#insecure") && !told.contains("hidden"), "{told}");
}

#[test]
fn modes_can_come_from_the_environment_and_have_sensible_defaults() {
    let mode = |text: &str| read(text).unwrap().state.unwrap().encryption().mode().to_string();
    let (authority, files) = (Authority::new("ours"), Files::new());
    let ca = files.authority("ca", &authority);
    let client = files.client("client", &authority.client("mover"));
    assert_eq!(mode(URL), "prefer");
    assert_eq!(mode(&URL.replace("db.test", "localhost")), "disable");
    assert_eq!(mode(&URL.replace("db.test", "[::1]")), "disable");
    assert_eq!(mode(&URL.replace("db.test", "localhost,db.test")), "prefer");
    assert_eq!(mode(&format!("{URL}{ca}")), "verify-full");
    assert_eq!(mode(&format!("{URL}{ca}sslmode = \"require\"")), "verify-ca");
    assert_eq!(mode(&format!("{URL}{client}")), "require");
    let variables = [("MOVER__STATE__SSLMODE".into(), "require".into())];
    let overrides = mover::config::Override::from_environment(variables);
    let config = Config::read("mover.toml", URL, Path::new(""), &overrides).unwrap();
    assert_eq!(config.state.unwrap().encryption().mode().to_string(), "require");
}

#[test]
fn no_key_is_shown() {
    let (authority, files) = (Authority::new("ours"), Files::new());
    let issued = authority.client("mover");
    let keys = format!("{}{}", files.authority("ca", &authority), files.client("client", &issued));
    let redis = format!("[redis]\nurl = \"rediss://:hidden@db.test\"\n{keys}");
    let shown = format!("{:?}", read(&format!("{URL}{keys}{redis}")).unwrap());
    let secret = issued.key.lines().nth(1).unwrap();
    assert!(!shown.contains(&secret[..20]) && !shown.contains("hidden") && !shown.contains("PRIVATE"), "{shown}");
    // The bytes of a key as numbers would be shown just as well.
    assert!(!shown.contains("key: [") && !shown.contains("48, 129"), "{shown}");
}
