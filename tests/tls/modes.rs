//! What each `sslmode` does against servers with and without TLS.

use mover::embedded::ServerKind;

use crate::certificates::{Authority, Files};
use crate::postgres::{EVERYBODY, HOST, ONLY_TLS, Postgres, configured, encrypted, refusal};

#[tokio::test]
async fn require_encrypts_disable_does_not_and_prefer_takes_what_there_is() {
    let authority = Authority::new("ours");
    let with = Postgres::start(Some(&authority.server(&[HOST])), EVERYBODY).await;
    let without = Postgres::start(None, EVERYBODY).await;
    let address = |server: &Postgres, mode: &str| configured(&server.url("mover", HOST), mode);
    assert!(encrypted(&address(&with, "sslmode = 'require'")).await);
    assert!(encrypted(&address(&with, "sslmode = 'prefer'")).await);
    assert!(!encrypted(&address(&with, "sslmode = 'disable'")).await);
    assert!(!encrypted(&address(&without, "sslmode = 'prefer'")).await);
    // In the address it means the same.
    let url = format!("{}&sslmode=require", with.url("mover", HOST));
    assert!(encrypted(&configured(&url, "")).await);
    // On this machine nothing has to be encrypted.
    assert!(!encrypted(&configured(&with.url("mover", HOST), "")).await);
    // A Unix socket has no TLS, whatever is asked for.
    assert!(!encrypted(&configured(&with.private.postgres_url("postgres"), "sslmode = 'verify-full'")).await);
}

#[tokio::test]
async fn prefer_goes_on_without_tls_where_access_with_it_is_refused() {
    let certificate = Authority::new("ours").server(&[HOST]);
    let server = Postgres::start(Some(&certificate), "hostnossl all all all trust\n").await;
    assert!(!encrypted(&configured(&server.url("mover", HOST), "sslmode = 'prefer'")).await);
    let said = refusal(&configured(&server.url("mover", HOST), "sslmode = 'require'")).await;
    assert!(said.contains("no pg_hba.conf entry"), "{said}");
}

#[tokio::test]
async fn an_obsolete_tls_version_is_no_tls() {
    let server = Postgres::start(Some(&Authority::new("ours").server(&[HOST])), EVERYBODY).await;
    let client = server.client("postgres").await;
    for bound in ["ssl_min_protocol_version = 'TLSv1'", "ssl_max_protocol_version = 'TLSv1.1'"] {
        client.batch_execute(&format!("ALTER SYSTEM SET {bound}")).await.unwrap();
    }
    server.private.restart(ServerKind::Postgres).await.unwrap();
    assert!(!encrypted(&configured(&server.url("mover", HOST), "sslmode = 'prefer'")).await);
    let said = refusal(&configured(&server.url("mover", HOST), "sslmode = 'require'")).await;
    assert!(said.contains("it broke the handshake off") && said.contains("TLS 1.2 or 1.3"), "{said}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_required() {
    let server = Postgres::start(None, EVERYBODY).await;
    for mode in ["require", "verify-full"] {
        let files = Files::new();
        let keys = format!("sslmode = '{mode}'\n{}", files.authority("ca", &Authority::new("ours")));
        let said = refusal(&configured(&server.url("guarded:secret", HOST), &keys)).await;
        assert!(said.contains("it offers no TLS, and sslmode asks for it; next: turn ssl on"), "{said}");
    }
}

#[tokio::test]
async fn a_server_that_wants_tls_says_which_key_is_missing() {
    let server = Postgres::start(Some(&Authority::new("ours").server(&[HOST])), ONLY_TLS).await;
    let said = refusal(&configured(&server.url("guarded:secret", HOST), "")).await;
    assert!(said.contains("no encryption; next: write sslmode = \"verify-full\" in [state]"), "{said}");
}

#[tokio::test]
async fn a_password_is_bound_to_the_channel() {
    let authority = Authority::new("ours");
    let server = Postgres::start(Some(&authority.server(&[HOST])), ONLY_TLS).await;
    let files = Files::new();
    let url = format!("{}&channel_binding=require", server.url("guarded:secret", HOST));
    assert!(encrypted(&configured(&url, &files.authority("ca", &authority))).await);
    assert!(encrypted(&configured(&url, "sslmode = 'require'")).await);
    let wrong = format!("{}&channel_binding=require", server.url("guarded:s3cret", HOST));
    let said = refusal(&configured(&wrong, "sslmode = 'require'")).await;
    assert!(said.contains("password authentication failed") && !said.contains("s3cret"), "{said}");
}
