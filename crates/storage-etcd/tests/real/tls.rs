//! TLS, and a client's certificate in place of a password.
use crate::etcd::Etcd;
use crate::stanza;
use lessor_storage::{Batch, Storage};
use lessor_storage_etcd::EtcdStorage;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use std::path::Path;

fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), Issuer::new(params, key))
}

fn leaf(directory: &Path, file: &str, names: &[&str], issuer: &Issuer<'_, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, file);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, issuer).unwrap();
    std::fs::write(directory.join(format!("{file}.crt")), certificate.pem()).unwrap();
    std::fs::write(directory.join(format!("{file}.key")), key.serialize_pem()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_authority_is_refused_and_a_certificate_logs_in() {
    let files = tempfile::tempdir().unwrap();
    let (ca, issuer) = authority("right");
    let (other, _) = authority("wrong");
    std::fs::write(files.path().join("ca.crt"), ca).unwrap();
    std::fs::write(files.path().join("other.crt"), other).unwrap();
    leaf(files.path(), "server", &["127.0.0.1"], &issuer);
    leaf(files.path(), "root", &["root"], &issuer);
    let file = |name: &str| files.path().join(name).display().to_string();
    let mut etcd = Etcd::start_with(
        1,
        &[
            &format!("--cert-file={}", file("server.crt")),
            &format!("--key-file={}", file("server.key")),
            &format!("--trusted-ca-file={}", file("ca.crt")),
            "--client-cert-auth",
        ],
    );
    etcd.login = vec![
        format!("--cacert={}", file("ca.crt")),
        format!("--cert={}", file("root.crt")),
        format!("--key={}", file("root.key")),
    ];
    etcd.wait();
    let base = stanza(&etcd).with("request_timeout", "1s");
    let ours = base.clone().with("tls_cert_file", file("root.crt")).with("tls_key_file", file("root.key"));
    let refusal = |stanza: lessor_storage::Stanza| async move {
        EtcdStorage::open(&stanza).await.err().unwrap().to_string().to_lowercase()
    };
    let (wrong, unnamed) = tokio::join!(
        refusal(ours.clone().with("tls_ca_file", file("other.crt"))),
        refusal(base.clone().with("tls_ca_file", file("ca.crt"))),
    );
    assert!(wrong.contains("certificate"), "{wrong}");
    assert!(unnamed.contains("wants a client's certificate"), "{unnamed}");
    let storage = EtcdStorage::open(&ours.clone().with("tls_ca_file", file("ca.crt"))).await.unwrap();
    storage.commit(Batch::new().put("k", "v")).await.unwrap();
    // The name in the certificate is the user.
    for arguments in [&["user", "add", "root:unused"][..], &["user", "grant-role", "root", "root"], &["auth", "enable"]]
    {
        etcd.run(arguments);
    }
    storage.commit(Batch::new().put("k", "w")).await.unwrap();
    assert_eq!(storage.get("k").await.unwrap().unwrap().value, b"w");
}
