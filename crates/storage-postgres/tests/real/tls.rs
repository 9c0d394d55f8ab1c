//! TLS by libpq's modes, with a client's certificate.
use crate::postgres::{Postgres, ROOT, ROOT_PASSWORD};
use crate::stanza;
use lessor_storage::{Batch, Storage};
use lessor_storage_postgres::PostgresStorage;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), Issuer::new(params, key))
}

fn leaf(directory: &Path, file: &str, name: &str, issuer: &Issuer<'_, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.signed_by(&key, issuer).unwrap();
    std::fs::write(directory.join(format!("{file}.crt")), certificate.pem()).unwrap();
    let path = directory.join(format!("{file}.key"));
    std::fs::write(&path, key.serialize_pem()).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn certificates_are_checked_as_the_mode_says_and_may_stand_for_a_password() {
    let files = tempfile::tempdir().unwrap();
    let (ca, issuer) = authority("right");
    let (other, _) = authority("wrong");
    std::fs::write(files.path().join("ca.crt"), &ca).unwrap();
    std::fs::write(files.path().join("other.crt"), other).unwrap();
    leaf(files.path(), "client", "by_certificate", &issuer);
    let postgres = Postgres::start_with(|directory| {
        // The certificate is for a name; the server is reached by its address.
        leaf(directory, "server", "db.example.com", &issuer);
        std::fs::write(directory.join("ca.crt"), &ca).unwrap();
        let rules = "hostssl all by_certificate 127.0.0.1/32 cert\nhost all admin 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(directory.join("hba.conf"), rules).unwrap();
        let file = |name: &str| directory.join(name).display().to_string();
        vec![
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", file("server.crt")),
            format!("ssl_key_file={}", file("server.key")),
            format!("ssl_ca_file={}", file("ca.crt")),
            format!("hba_file={}", file("hba.conf")),
        ]
    });
    let file = |name: &str| files.path().join(name).display().to_string();
    let base = postgres.url(ROOT, ROOT_PASSWORD);
    let trusted = format!("sslrootcert={}", file("ca.crt"));
    let untrusted = format!("sslrootcert={}", file("other.crt"));
    for good in ["sslmode=disable", "sslmode=prefer", "sslmode=require", &format!("sslmode=verify-ca&{trusted}")] {
        PostgresStorage::open(&stanza(&format!("{base}&{good}")))
            .await
            .unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for bad in [
        format!("sslmode=verify-ca&{untrusted}"),
        format!("sslmode=require&{untrusted}"),
        format!("sslmode=verify-full&{untrusted}"),
        // The chain is right, the name is not.
        format!("sslmode=verify-full&{trusted}"),
    ] {
        let error = PostgresStorage::open(&stanza(&format!("{base}&{bad}"))).await.err().unwrap().to_string();
        assert!(error.contains("certificate"), "{bad}: {error}");
    }
    postgres.query("CREATE ROLE by_certificate SUPERUSER LOGIN");
    let url = format!(
        "host=db.example.com hostaddr=127.0.0.1 port={} user=by_certificate dbname=postgres sslmode=verify-full {trusted} \
         sslcert={} sslkey={}",
        postgres.port,
        file("client.crt"),
        file("client.key")
    );
    let storage = PostgresStorage::open(&stanza(&url)).await.unwrap();
    storage.commit(Batch::new().put("k", "v")).await.unwrap();
    let error = PostgresStorage::open(&stanza(&url.replace("sslcert", "sslpassword=x fallback_application_name")))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("must be given together"), "{error}");
}
