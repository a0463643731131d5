//! Redis with TLS.

use std::path::Path;

use mover::config::Config;
use mover::flags::RedisFlags;

use crate::certificates::{Authority, Files, Issued};
use crate::redis_server::RedisServer;

/// A server that trusts the certificates of this authority's clients, and must see one or not.
pub(crate) fn server(files: &Files, issued: &Issued, clients: &Authority, client_certificates: &str) -> RedisServer {
    let certificate = files.public("redis.crt", &issued.certificate);
    let key = files.secret("redis.key", &issued.key);
    let clients = files.public("redis-clients.crt", &clients.pem());
    let [certificate, key, clients] = [&certificate, &key, &clients].map(|path| path.to_str().unwrap());
    let files = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", clients];
    RedisServer::start_with_tls(&[&files[..], &["--tls-auth-clients", client_certificates, "--save", ""]].concat())
}

fn flags(url: &str, keys: &str) -> RedisFlags {
    let text = format!("[redis]\nurl = {url:?}\n{keys}");
    let config = Config::read("mover.toml", &text, Path::new(""), &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let redis = config.redis.unwrap();
    assert!(!format!("{redis:?} {redis}").contains("hidden"), "{redis:?}");
    RedisFlags::open(redis.options().clone()).unwrap()
}

async fn refusal(url: &str, keys: &str) -> String {
    let error = flags(url, keys).ping().await.unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(!told.contains("hidden") && !told.contains("PRIVATE KEY"), "{told}");
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
    error.to_string()
}

#[tokio::test]
async fn an_encrypted_redis_is_used_and_another_authority_or_host_is_refused() {
    let (authority, files) = (Authority::new("ours"), Files::new());
    let server = server(&files, &authority.server(&["127.0.0.1"]), &authority, "no");
    let url = |host: &str| format!("rediss://:hidden@{host}:{}/0", server.port());
    let ca = files.authority("ca", &authority);
    // The server has no password, and says so: a valid certificate gets that far.
    let said = refusal(&url("127.0.0.1"), &ca).await;
    assert!(said.contains("password"), "{said}");
    flags(&url("127.0.0.1").replace(":hidden@", ""), &ca).ping().await.unwrap();
    let wrong = files.authority("wrong", &Authority::new("theirs"));
    for keys in [wrong.as_str(), ""] {
        let said = refusal(&url("127.0.0.1"), keys).await;
        assert!(said.contains("not signed by an authority that Mover trusts; next: name"), "{said}");
        assert!(said.contains("ca_file in [redis]"), "{said}");
    }
    let said = refusal(&url("localhost"), &ca).await;
    assert!(said.contains("its certificate is for 127.0.0.1, not for localhost; next: correct the host"), "{said}");
}

#[tokio::test]
async fn an_expired_certificate_is_told() {
    let (authority, files) = (Authority::new("ours"), Files::new());
    let server = server(&files, &authority.expired_server(&["127.0.0.1"]), &authority, "no");
    let said = refusal(&format!("rediss://127.0.0.1:{}", server.port()), &files.authority("ca", &authority)).await;
    assert!(said.contains("its certificate expired at 2020-01-01T00:00:00Z"), "{said}");
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let (authority, files) = (Authority::new("ours"), Files::new());
    let server = server(&files, &authority.server(&["127.0.0.1"]), &authority, "yes");
    let url = format!("rediss://127.0.0.1:{}", server.port());
    let ca = files.authority("ca", &authority);
    let ours = files.client("client", &authority.client("mover"));
    flags(&url, &format!("{ca}{ours}")).ping().await.unwrap();
    let said = refusal(&url, &ca).await;
    assert!(said.contains("it asks for a client certificate; next: see client_cert_file in [redis]"), "{said}");
    let theirs = files.client("other", &Authority::new("theirs").client("mover"));
    let said = refusal(&url, &format!("{ca}{theirs}")).await;
    assert!(said.contains("client certificate"), "{said}");
}

#[tokio::test]
async fn the_wrong_scheme_is_told() {
    let (authority, files) = (Authority::new("ours"), Files::new());
    let plain = RedisServer::start();
    let said = refusal(&plain.url().replace("redis://", "rediss://"), &files.authority("ca", &authority)).await;
    assert!(said.contains("redis:// is for a server without TLS"), "{said}");
    let encrypted = server(&files, &authority.server(&["127.0.0.1"]), &authority, "no");
    let said = refusal(&format!("redis://127.0.0.1:{}", encrypted.port()), "").await;
    assert!(said.contains("rediss:// is for a server with TLS"), "{said}");
}
