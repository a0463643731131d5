//! TLS, and a certificate that is renewed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use nix::sys::signal::Signal;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

use crate::certificates::{Authority, Files};
use crate::connect::Workstation;
use crate::served::{Served, configure};
use crate::world::ONLINE;

/// Asks for /health; answers what comes back, and the certificate that was shown.
fn ask(url: &str, authority: &Authority) -> Result<(String, CertificateDer<'static>), std::io::Error> {
    let address = url.strip_prefix("https://").unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(ring::default_provider().into());
    let config =
        config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut socket = TcpStream::connect(address)?;
    let mut stream = Stream::new(&mut connection, &mut socket);
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let shown = connection.peer_certificates().unwrap()[0].clone().into_owned();
    Ok((answer, shown))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_shown_and_exchanged_while_mover_runs() {
    let (authority, files) = (Authority::new("ours"), Files::new());
    let write = || {
        let issued = authority.server(&["localhost"]);
        (files.public("server.crt", &issued.certificate), files.secret("server.key", &issued.key))
    };
    let (certificate, key) = write();
    let settings = format!("tls_cert_file = {certificate:?}\ntls_key_file = {key:?}");
    let mut served = Served::with(ONLINE, &settings).await;
    assert!(served.url.starts_with("https://127.0.0.1:"), "{}", served.url);
    let (answer, first) = ask(&served.url, &authority).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    ask(&served.url, &Authority::new("somebody else")).unwrap_err();

    // So does the command line, once it knows whom to trust.
    let workstation = Workstation::named(&served, "localhost", &served.viewer);
    let stranger = workstation.mover(&["exec", "status"]).await.with_code(1);
    assert!(stranger.said.contains("--ca-file"), "{stranger}");
    let ca_file = files.public("ca.crt", &authority.pem());
    let trusting = ["exec", "status", "--ca-file", ca_file.to_str().unwrap()];
    assert!(workstation.mover(&trusting).await.with_code(0).answer.contains("whole_org"));
    let other_name = Workstation::of(&served, &served.viewer).mover(&trusting).await.with_code(1);
    assert!(other_name.said.contains("127.0.0.1"), "{other_name}");
    // A client without TLS gets no answer.
    let mut plain = TcpStream::connect(served.url.strip_prefix("https://").unwrap()).unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"));

    write();
    served.program().signal(Signal::SIGHUP);
    served.program().says("the configuration was read again").await;
    let (_, second) = ask(&served.url, &authority).unwrap();
    assert_ne!(first, second);

    // A key that is not that of the certificate changes nothing.
    files.secret("server.key", &authority.server(&["localhost"]).key);
    served.program().signal(Signal::SIGHUP);
    let said = served.program().says("the configuration was not read again").await;
    assert!(said.contains("tls_key_file") && said.contains("mover.toml:"), "{said}");
    assert_eq!(ask(&served.url, &authority).unwrap().1, second);

    // With a certificate other machines may connect.
    configure(&served.world, &format!("{settings}\nlisten = \"0.0.0.0:0\""));
    let refused = served.world.mover(&["serve"]).await.with_code(2);
    assert!(refused.said.contains("tls_key_file") && !refused.said.contains("go over the network"), "{refused}");
}
