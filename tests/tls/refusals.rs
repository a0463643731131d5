//! Unacceptable certificates, the server's and ours.

use crate::certificates::{Authority, Files, self_signed};
use crate::postgres::{HOST, ONLY_TLS, Postgres, configured, encrypted, refusal};

#[tokio::test]
async fn the_name_is_looked_at_by_verify_full_alone() {
    let authority = Authority::new("ours");
    let server = Postgres::start(Some(&authority.server(&[HOST])), ONLY_TLS).await;
    let files = Files::new();
    let ca = files.authority("ca", &authority);
    let mode = |mode: &str| format!("sslmode = '{mode}'\n{ca}");
    assert!(encrypted(&configured(&server.url("mover", HOST), &mode("verify-full"))).await);
    assert!(encrypted(&configured(&server.url("mover", "other.test"), &mode("verify-ca"))).await);
    // With an authority and no mode, the strictest mode applies.
    for keys in [mode("verify-full"), ca.clone()] {
        let said = refusal(&configured(&server.url("guarded:secret", "other.test"), &keys)).await;
        assert!(said.contains("its certificate is for db.test, not for other.test; next: correct the host"), "{said}");
    }
    let said = refusal(&configured(&server.url("mover", "127.9.9.9"), &ca)).await;
    assert!(said.contains("not for 127.9.9.9"), "{said}");
}

#[tokio::test]
async fn another_authority_is_not_believed() {
    let authority = Authority::new("ours");
    let server = Postgres::start(Some(&authority.server(&[HOST])), ONLY_TLS).await;
    let files = Files::new();
    let wrong = files.authority("wrong", &Authority::new("theirs"));
    // As with libpq, require checks the certificate if an authority is configured.
    for mode in ["verify-full", "verify-ca", "require"] {
        let keys = format!("sslmode = '{mode}'\n{wrong}");
        let said = refusal(&configured(&server.url("guarded:secret", HOST), &keys)).await;
        assert!(said.contains("not signed by an authority that Mover trusts; next: name"), "{said}");
        assert!(said.contains("ca_file in [state]") && said.contains("db.test:5432"), "{said}");
    }
    // The authorities of the machine did not sign it either.
    for mode in ["verify-full", "verify-ca"] {
        let keys = format!("sslmode = '{mode}'\n");
        let said = refusal(&configured(&server.url("guarded:secret", HOST), &keys)).await;
        assert!(said.contains("not signed by an authority that Mover trusts"), "{said}");
    }
    // One authority of several is enough.
    let both = files.public("both.crt", &format!("{}{}", Authority::new("theirs").pem(), authority.pem()));
    assert!(encrypted(&configured(&server.url("mover", HOST), &format!("ca_file = {both:?}"))).await);
}

#[tokio::test]
async fn an_expired_certificate_is_told_with_its_time() {
    let authority = Authority::new("ours");
    let server = Postgres::start(Some(&authority.expired_server(&[HOST])), ONLY_TLS).await;
    let files = Files::new();
    let ca = files.authority("ca", &authority);
    for mode in ["verify-full", "verify-ca"] {
        let said = refusal(&configured(&server.url("mover", HOST), &format!("sslmode = '{mode}'\n{ca}"))).await;
        assert!(said.contains("its certificate expired at 2020-01-01T00:00:00Z; next: have it renewed"), "{said}");
    }
    assert!(encrypted(&configured(&server.url("mover", HOST), "sslmode = 'require'")).await);
}

#[tokio::test]
async fn a_server_may_sign_for_itself_if_it_is_no_authority() {
    for is_authority in [false, true] {
        let issued = self_signed(&[HOST], is_authority);
        let server = Postgres::start(Some(&issued), ONLY_TLS).await;
        let files = Files::new();
        let ca = format!("ca_file = {:?}", files.public("server.crt", &issued.certificate));
        let address = configured(&server.url("mover", HOST), &ca);
        if is_authority {
            let said = refusal(&address).await;
            assert!(said.contains("that of an authority (CA:TRUE)") && said.contains("CA:FALSE"), "{said}");
        } else {
            assert!(encrypted(&address).await);
        }
    }
}

#[tokio::test]
async fn a_client_certificate_logs_in() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("for clients"));
    let certificate = authority.server(&[HOST]);
    let access = "hostssl all guarded all cert\n";
    let server = Postgres::start_for_clients_of(Some(&clients), Some(&certificate), access).await;
    let files = Files::new();
    let ca = files.authority("ca", &authority);
    let with = |name: &str, issued| format!("{ca}{}", files.client(name, &issued));
    let url = server.url("guarded", HOST);
    assert!(encrypted(&configured(&url, &with("right", clients.client("guarded")))).await);
    let said = refusal(&configured(&url, &ca)).await;
    assert!(said.contains("requires a valid client certificate; next: name a certificate for that user"), "{said}");
    let said = refusal(&configured(&url, &with("other", clients.client("somebody")))).await;
    assert!(
        said.contains("certificate authentication failed") && said.contains("client_cert_file in [state]"),
        "{said}"
    );
    let said = refusal(&configured(&url, &with("unknown", authority.client("guarded")))).await;
    assert!(said.contains("it does not trust who signed the client certificate; next: see client_cert_file"), "{said}");
}
