//! Authorities, certificates and keys, and files of them.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For a server with these host names or addresses.
    pub(crate) fn server(&self, names: &[&str]) -> Issued {
        self.issue(Self::for_server(names))
    }

    /// The same, but it expired on 1 January 2020.
    pub(crate) fn expired_server(&self, names: &[&str]) -> Issued {
        let mut params = Self::for_server(names);
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.issue(params)
    }

    /// For a client of this name.
    pub(crate) fn client(&self, name: &str) -> Issued {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    fn for_server(names: &[&str]) -> CertificateParams {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params
    }

    fn issue(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// A server's certificate that it signed itself, as an authority or not.
pub(crate) fn self_signed(names: &[&str], is_authority: bool) -> Issued {
    let mut params = Authority::for_server(names);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    Issued { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// A directory of files that a configuration names.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file that all users may read.
    pub(crate) fn public(&self, name: &str, text: &str) -> PathBuf {
        self.written(name, text, 0o644)
    }

    /// Writes a file that its owner alone may read.
    pub(crate) fn secret(&self, name: &str, text: &str) -> PathBuf {
        self.written(name, text, 0o600)
    }

    fn written(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// `client_cert_file` and `client_key_file`, as they stand in mover.toml.
    pub(crate) fn client(&self, name: &str, issued: &Issued) -> String {
        let certificate = self.public(&format!("{name}.crt"), &issued.certificate);
        let key = self.secret(&format!("{name}.key"), &issued.key);
        format!("client_cert_file = {certificate:?}\nclient_key_file = {key:?}\n")
    }

    /// `ca_file`, as it stands in mover.toml.
    pub(crate) fn authority(&self, name: &str, authority: &Authority) -> String {
        format!("ca_file = {:?}\n", self.public(&format!("{name}.crt"), &authority.pem()))
    }
}
