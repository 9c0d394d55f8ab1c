//! What `cert` promises to whoever runs it and to whoever logs in.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
#[path = "../../support.rs"]
mod support;
use lessor_auth_cert::CertFactory;
use lessor_engine::Connection;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};
use serde_json::{Value, json};
use std::time::Duration;
use support::Method;

const CONSTRAINTS: &str = "no chain matching all constraints could be found for this login certificate";
const UNTRUSTED: &str = "invalid certificate or no client certificate supplied";

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: Vec<u8>,
}

fn authority(name: &str, above: Option<&Authority>) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2030, 1, 1);
    let certificate = match above {
        Some(above) => params.signed_by(&key, &above.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    Authority { pem: certificate.pem(), der: certificate.der().to_vec(), issuer: Issuer::new(params, key) }
}

fn leaf(name: &str, purpose: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, "Org");
    params.distinguished_name.push(DnType::OrganizationalUnitName, "Unit");
    params.subject_alt_names = vec![
        SanType::DnsName("a.example.com".try_into().unwrap()),
        SanType::Rfc822Name("a@example.com".try_into().unwrap()),
        SanType::URI("spiffe://x/y".try_into().unwrap()),
    ];
    params.extended_key_usages = vec![purpose];
    params.serial_number = Some(SerialNumber::from(4711u64));
    params.key_identifier_method = KeyIdMethod::Sha256;
    params.use_authority_key_identifier_extension = true;
    // 1.2.3.4 with the UTF8String "hello".
    params.custom_extensions =
        vec![CustomExtension::from_oid_content(&[1, 2, 3, 4], [&[0x0c, 5], b"hello".as_slice()].concat())];
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2026, 12, 1);
    params
}

fn issued(by: &Authority, key: &KeyPair) -> Vec<u8> {
    let params = leaf("leaf", ExtendedKeyUsagePurpose::ClientAuth);
    params.signed_by(key, &by.issuer).unwrap().der().to_vec()
}

fn client(by: &Authority) -> Vec<u8> {
    issued(by, &KeyPair::generate().unwrap())
}

fn with(method: &Method, certificates: &[Vec<u8>]) -> Method {
    let connection = Connection {
        address: Some("127.0.0.1".parse().unwrap()),
        certificates: certificates.to_vec(),
        ..Connection::default()
    };
    method.over(connection)
}

async fn mount(authority: &Authority, role: Value) -> Method {
    let method = Method::new(&CertFactory);
    let mut role = role;
    role["certificate"] = json!(authority.pem);
    method.write("certs/Web", role).await;
    method
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_a_trusted_authority_gets_in_as_its_common_name() {
    let ca = authority("ca", None);
    let method = mount(&ca, json!({ "token_policies": "p", "allowed_metadata_extensions": "1.2.3.4" })).await;
    let login = with(&method, &[client(&ca)]).log_in("login", json!({})).await.unwrap();
    assert_eq!((login.display_name.as_str(), login.alias.unwrap().name.as_str()), ("web", "leaf"));
    let metadata = json!(login.metadata);
    assert_eq!(
        (&metadata["cert_name"], &metadata["common_name"], &metadata["serial_number"], &metadata["1-2-3-4"]),
        (&json!("web"), &json!("leaf"), &json!("4711"), &json!("hello"))
    );
    assert_eq!(metadata["authority_key_id"].as_str().unwrap().split(':').count(), 20);
    assert_eq!(login.token.policies, ["p"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_else_gets_in() {
    let (ca, other) = (authority("ca", None), authority("ca", None));
    let method = mount(&ca, json!({})).await;
    assert_eq!(method.refused("login", json!({})).await, (400, "no client certificate found".into()));
    let server = leaf("leaf", ExtendedKeyUsagePurpose::ServerAuth);
    let server = server.signed_by(&KeyPair::generate().unwrap(), &ca.issuer).unwrap().der().to_vec();
    for stranger in [client(&other), server, b"nonsense".to_vec()] {
        assert_eq!(with(&method, &[stranger]).refused("login", json!({})).await, (400, UNTRUSTED.into()));
    }
    let own = client(&ca);
    let unknown = with(&method, std::slice::from_ref(&own)).refused("login", json!({ "name": "nope" })).await;
    assert_eq!(unknown, (400, UNTRUSTED.into()));
    // In December the certificate is over.
    tokio::time::advance(Duration::from_secs(31 * 86_400)).await;
    assert_eq!(with(&method, &[own]).refused("login", json!({})).await, (400, UNTRUSTED.into()));
}

#[tokio::test(start_paused = true)]
async fn an_intermediate_is_taken_from_the_connection() {
    let root = authority("root", None);
    let middle = authority("middle", Some(&root));
    let method = mount(&root, json!({})).await;
    let own = client(&middle);
    assert_eq!(with(&method, std::slice::from_ref(&own)).refused("login", json!({})).await, (400, UNTRUSTED.into()));
    with(&method, &[own, middle.der.clone()]).log_in("login", json!({})).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pinned_certificate_gets_in_and_its_siblings_do_not() {
    let ca = authority("ca", None);
    let method = Method::new(&CertFactory);
    let params = leaf("leaf", ExtendedKeyUsagePurpose::ClientAuth);
    let pinned = params.signed_by(&KeyPair::generate().unwrap(), &ca.issuer).unwrap();
    method.write("certs/one", json!({ "certificate": pinned.pem() })).await;
    with(&method, &[pinned.der().to_vec()]).log_in("login", json!({ "name": "ONE" })).await.unwrap();
    assert_eq!(with(&method, &[client(&ca)]).refused("login", json!({})).await, (400, UNTRUSTED.into()));
}

#[tokio::test(start_paused = true)]
async fn every_constraint_has_to_hold() {
    let ca = authority("ca", None);
    let own = client(&ca);
    for (field, fits, misses) in [
        ("allowed_names", "x,*.example.com", "b*"),
        ("allowed_common_names", "le*", "a.example.com"),
        ("allowed_dns_sans", "a.example.com", "leaf"),
        ("allowed_email_sans", "*@example.com", "b@example.com"),
        ("allowed_uri_sans", "spiffe://x/*", "spiffe://z/*"),
        ("allowed_organizational_units", "Unit", "unit"),
        ("allowed_organizations", "Org", "Other"),
        ("required_extensions", "1.2.3.4:he*,hex:1.2.3.4:0c05*", "1.2.3.4:he*,1.2.3.5:*"),
    ] {
        let method = mount(&ca, json!({ field: fits })).await;
        let client = with(&method, std::slice::from_ref(&own));
        client.log_in("login", json!({})).await.unwrap_or_else(|error| panic!("{field}: {error}"));
        method.write("certs/web", json!({ field: misses })).await;
        assert_eq!(client.refused("login", json!({})).await, (400, CONSTRAINTS.into()), "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_certificate_is_refused_and_another_authoritys_list_does_not_concern_it() {
    let (ca, other) = (authority("ca", None), authority("other", None));
    let method = mount(&ca, json!({})).await;
    let client = with(&method, &[client(&ca)]);
    method.write("crls/other", json!({ "crl": revocation_list(&other) })).await;
    client.log_in("login", json!({})).await.unwrap();
    method.write("crls/own", json!({ "crl": revocation_list(&ca) })).await;
    assert_eq!(client.refused("login", json!({})).await, (400, CONSTRAINTS.into()));
    assert_eq!(method.read("crls/own").await["serials"], json!({ "4711": {} }));
    method.delete("crls/own").await;
    client.log_in("login", json!({})).await.unwrap();
    for (body, text) in [
        (json!({}), "one of 'crl' or 'url' must be provided"),
        (json!({ "crl": "nope" }), "failed to parse CRL"),
        (json!({ "url": "file:///etc/passwd" }), "no http:// or https:// address"),
    ] {
        let (status, error) = method.refused("crls/x", body).await;
        assert!(status == 400 && error.contains(text), "{error}");
    }
}

fn revocation_list(by: &Authority) -> String {
    list_until(by, 4711, (2027, 10, 1))
}

#[tokio::test(start_paused = true)]
async fn a_renewal_asks_for_the_same_key_unless_binding_is_disabled() {
    let ca = authority("ca", None);
    let method = mount(&ca, json!({})).await;
    let key = KeyPair::generate().unwrap();
    let login = with(&method, &[issued(&ca, &key)]).log_in("login", json!({})).await.unwrap();
    assert!(with(&method, &[issued(&ca, &key)]).renew(&login).await.unwrap().same_policies);
    let other = with(&method, &[client(&ca)]).renew(&login).await.unwrap_err().to_string();
    assert!(other.contains("not matching client identity used during login"), "{other}");
    let none = method.renew(&login).await.unwrap_err().to_string();
    assert_eq!(none, "no client certificate found");
    method.write("config", json!({ "disable_binding": true })).await;
    method.renew(&login).await.unwrap();
    method.delete("certs/web").await;
    let gone = method.renew(&login).await.unwrap_err().to_string();
    assert!(gone.contains("does not exist during renewal"), "{gone}");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_in_a_role_is_named_and_changes_nothing() {
    let ca = authority("ca", None);
    let method = mount(&ca, json!({ "policies": "p", "lease": 60 })).await;
    let server = leaf("s", ExtendedKeyUsagePurpose::ServerAuth);
    let server = server.signed_by(&KeyPair::generate().unwrap(), &ca.issuer).unwrap().pem();
    for (body, text) in [
        (json!({ "certificate": "" }), "failed to parse certificate"),
        (json!({ "certificate": "nope" }), "failed to parse certificate"),
        (json!({ "certificate": server }), "non-CA certificates should have TLS client authentication set"),
        (json!({ "token_ttl": "3h", "token_max_ttl": "1h" }), "'token_ttl' cannot be greater than 'token_max_ttl'"),
    ] {
        let (status, error) = method.refused("certs/web", body).await;
        assert!(status == 400 && error.contains(text), "{error}");
    }
    let read = method.read("certs/web").await;
    assert_eq!((&read["policies"], &read["ttl"], &read["token_ttl"]), (&json!(["p"]), &json!(60), &json!(60)));
    assert_eq!((&read["display_name"], &read["allowed_names"]), (&json!("web"), &Value::Null));
    assert_eq!(method.refused("config", json!({ "ocsp_cache_size": 1 })).await.0, 400);
}

/// Serves each of the bodies once, one after the other.
async fn serve(bodies: Vec<String>) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/list.crl", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for body in bodies {
            let (mut connection, _) = listener.accept().await.unwrap();
            let _ = connection.read(&mut [0; 4096]).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
    address
}

fn list_until(by: &Authority, serial: u64, (year, month, day): (i32, u8, u8)) -> String {
    let revoked = RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: date_time_ymd(2026, 10, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 10, 1),
        next_update: date_time_ymd(year, month, day),
        crl_number: SerialNumber::from(1u64),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(&by.issuer).unwrap().pem().unwrap()
}

#[tokio::test]
async fn a_list_behind_an_address_is_fetched_again_once_it_is_over() {
    let ca = authority("ca", None);
    let method = mount(&ca, json!({})).await;
    let client = with(&method, &[client(&ca)]);
    // The clock of the test stands in November: the first list is over at once.
    let url = serve(vec![list_until(&ca, 1, (2026, 10, 2)), list_until(&ca, 4711, (2026, 10, 3))]).await;
    method.write("crls/own", json!({ "url": url })).await;
    assert_eq!(method.read("crls/own").await["cdp"]["url"], json!(url));
    assert_eq!(client.refused("login", json!({})).await, (400, CONSTRAINTS.into()));
    // That one is over, too: it holds until the next try, a minute later.
    assert_eq!(client.refused("login", json!({})).await, (400, CONSTRAINTS.into()));
    let (status, text) = method.refused("crls/dead", json!({ "url": "http://127.0.0.1:1/x" })).await;
    assert!(status == 500 && text.contains("cannot be fetched"), "{text}");
}
