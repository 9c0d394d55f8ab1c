//! TLS with and without client certificates, unix sockets, proxies, and what a reload changes.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;

use reqwest::{Certificate, Client, Identity};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use support::{Answer, ROOT, Server, certificates, dev, listener, raw, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

fn client(server: &Server, identity: Option<&str>) -> Client {
    let authority = Certificate::from_pem(&read(&server.path("ca.pem"))).unwrap();
    let mut builder = Client::builder().use_rustls_tls().add_root_certificate(authority);
    if let Some(name) = identity {
        let pem = [read(&server.path(&format!("{name}.pem"))), read(&server.path(&format!("{name}.key")))].concat();
        builder = builder.identity(Identity::from_pem(&pem).unwrap());
    }
    builder.build().unwrap()
}

async fn tls(keys: &str) -> Server {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path(), &["server", "client"]);
    let listener = format!(
        "listener \"tcp\" {{ address = \"127.0.0.1:0\"\n tls_cert_file = \"$DIR/server.pem\"\n \
         tls_key_file = \"$DIR/server.key\"\n {keys} }}"
    );
    start(folder, &listener, |options| lessor_server::Options { dev: true, ..options }).await
}

async fn health(server: &Server, client: &Client) -> Result<u16, String> {
    let url = format!("https://{}/v1/sys/health", server.address());
    client.get(url).send().await.map(|answer| answer.status().as_u16()).map_err(|error| format!("{error:?}"))
}

#[tokio::test]
async fn tls_serves_clients_with_and_without_a_certificate() {
    let server = tls("").await;
    assert_eq!(health(&server, &client(&server, None)).await, Ok(200));
    assert_eq!(health(&server, &client(&server, Some("client"))).await, Ok(200));
    let plain = raw(&server.address(), "GET /v1/sys/health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!plain.contains("200"), "{plain}");
    assert_eq!(health(&server, &client(&server, None)).await, Ok(200));
}

#[tokio::test]
async fn a_required_certificate_is_verified() {
    let server = tls("tls_require_and_verify_client_cert = true\n tls_client_ca_file = \"$DIR/ca.pem\"").await;
    assert_eq!(health(&server, &client(&server, Some("client"))).await, Ok(200));
    assert!(health(&server, &client(&server, None)).await.is_err());
    let other = tempfile::tempdir().unwrap();
    certificates(other.path(), &["stranger"]);
    for end in ["pem", "key"] {
        let name = format!("stranger.{end}");
        std::fs::copy(other.path().join(&name), server.path(&name)).unwrap();
    }
    assert!(health(&server, &client(&server, Some("stranger"))).await.is_err());
}

#[tokio::test]
async fn versions_and_suites_are_the_ones_that_are_configured() {
    let server =
        tls("tls_max_version = \"tls12\"\n tls_cipher_suites = \"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\"").await;
    let only = |version| {
        let authority = Certificate::from_pem(&read(&server.path("ca.pem"))).unwrap();
        let builder = Client::builder().use_rustls_tls().add_root_certificate(authority);
        builder.min_tls_version(version).build().unwrap()
    };
    assert_eq!(health(&server, &only(reqwest::tls::Version::TLS_1_2)).await, Ok(200));
    assert!(health(&server, &only(reqwest::tls::Version::TLS_1_3)).await.is_err());
}

#[tokio::test]
async fn a_reload_takes_the_new_certificate_and_keeps_connections() {
    let server = tls("").await;
    let before = client(&server, None);
    assert_eq!(health(&server, &before).await, Ok(200));
    certificates(server.folder.path(), &["server"]);
    server.running.reload().await;
    // The connection that is open goes on; a new one is greeted with the new certificate.
    assert_eq!(health(&server, &before).await, Ok(200));
    assert_eq!(health(&server, &client(&server, None)).await, Ok(200));
    std::fs::write(server.path("server.pem"), "nonsense").unwrap();
    server.running.reload().await;
    assert_eq!(health(&server, &client(&server, None)).await, Ok(200));
}

#[tokio::test]
async fn dev_tls_makes_an_authority_that_clients_can_trust() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_owned();
    let server = start(folder, "", |options| lessor_server::Options {
        dev: true,
        dev_tls: true,
        dev_tls_cert_dir: Some(place),
        dev_tls_san: vec!["lessor.test".to_owned()],
        ..options
    })
    .await;
    std::fs::copy(server.path("vault-ca.pem"), server.path("ca.pem")).unwrap();
    assert_eq!(health(&server, &client(&server, None)).await, Ok(200));
    let mode = std::fs::metadata(server.path("vault-key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_unix_socket_has_its_mode_and_serves() {
    let server = dev("listener \"unix\" { address = \"$DIR/l.sock\"\n socket_mode = \"0600\" }").await;
    let path = server.path("l.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let request =
        format!("GET /v1/sys/mounts HTTP/1.1\r\nHost: a\r\nX-Vault-Token: {ROOT}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.running.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn only_trusted_proxies_say_who_the_client_is() {
    let server = listener("tls_disable = 1\n x_forwarded_for_authorized_addrs = \"10.0.0.0/8\"").await;
    let refused = server.ask("GET", "sys/mounts", &[("X-Forwarded-For", "1.1.1.1")], "").await;
    assert_eq!(refused.status, 400);
    assert!(refused.error().contains("not authorized for x-forwarded-for"), "{}", refused.error());
}

#[tokio::test]
async fn the_client_behind_a_proxy_is_the_one_in_the_audit_log() {
    let server = dev(
        "listener \"tcp\" { address = \"127.0.0.1:0\"\n tls_disable = 1\n proxy_protocol_behavior = \"use_always\"\n \
         x_forwarded_for_authorized_addrs = \"9.9.9.9\"\n x_forwarded_for_reject_not_authorized = false }\n\
         audit \"file\" \"here\" { options { file_path = \"$DIR/audit.log\" } }",
    )
    .await;
    let head = "GET /v1/sys/mounts HTTP/1.1\r\nHost: a\r\nX-Vault-Token: root\r\nConnection: close\r\n";
    let answer = raw(&server.address(), format!("PROXY TCP4 7.7.7.7 1.1.1.1 5 80\r\n{head}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let forwarded = format!("PROXY TCP4 9.9.9.9 1.1.1.1 5 80\r\n{head}X-Forwarded-For: 8.8.8.8\r\n\r\n");
    assert!(raw(&server.address(), forwarded).await.starts_with("HTTP/1.1 200"));
    let log = std::fs::read_to_string(server.path("audit.log")).unwrap();
    assert!(log.contains("\"remote_address\":\"7.7.7.7\"") && log.contains("\"remote_address\":\"8.8.8.8\""), "{log}");
    assert!(!log.contains("\"root\",\"accessor"), "{log}");
}

#[tokio::test]
async fn declared_audit_devices_follow_the_file_and_nothing_else() {
    let server = dev("audit \"file\" \"here\" { options { file_path = \"$DIR/audit.log\" } }").await;
    let list = server.ask("GET", "sys/audit", &[], "").await.json();
    assert_eq!(list["data"]["here/"]["type"], "file");
    let refused: Answer = server.ask("DELETE", "sys/audit/here", &[], "").await;
    assert!(refused.error().contains("configuration file"), "{}", refused.text);
    server.rewrite("");
    server.running.reload().await;
    assert_eq!(server.ask("GET", "sys/audit", &[], "").await.json()["data"], serde_json::json!({}));
}

#[tokio::test]
async fn requests_under_way_end_before_the_server_does() {
    let server = listener("tls_disable = 1").await;
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    stream
        .write_all(b"PUT /v1/sys/config/cors HTTP/1.1\r\nHost: a\r\nX-Vault-Token: root\r\nContent-Length: 23\r\n\r\n")
        .await
        .unwrap();
    tokio::task::yield_now().await;
    let stopping = tokio::spawn(server.running.stop());
    stream.write_all(b"{\"allowed_origins\":\"*\"}").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 204"), "{answer}");
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_listener_serves_figures_alone_or_not_at_all_or_at_a_path_of_its_own() {
    let status = async |server: &Server, path: &str| {
        let answer = reqwest::get(format!("http://{}{path}", server.address())).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let open = "tls_disable = 1\n telemetry { unauthenticated_metrics_access = true";
    let only = listener(&format!("{open}\n metrics_only = true }}")).await;
    assert_eq!(status(&only, "/v1/sys/metrics").await.0, 200);
    let elsewhere = (404, "this listener only serves the metrics endpoint".to_owned());
    assert_eq!(status(&only, "/v1/sys/health").await, elsewhere);
    let none = listener(&format!("{open}\n disallow_metrics = true }}")).await;
    assert_eq!(status(&none, "/v1/sys/metrics").await.0, 403);
    assert_eq!(none.ask("GET", "sys/metrics", &[], "").await.status, 403);
    assert_eq!(status(&none, "/v1/sys/health").await.0, 200);
    let moved = listener(&format!("{open}\n metrics_path = \"/metrics\"\n metrics_only = true }}")).await;
    assert_eq!(status(&moved, "/metrics?format=prometheus").await.0, 200);
    assert_eq!(status(&moved, "/v1/sys/metrics").await, elsewhere);
}

#[tokio::test]
async fn requests_under_way_are_shown_without_a_token_only_where_the_listener_says_so() {
    for stanza in [
        "profiling { unauthenticated_in_flight_request_access = true }",
        "inflight_requests_logging { unauthenticated_in_flight_requests_access = true }",
    ] {
        let open = listener(&format!("tls_disable = 1\n {stanza}")).await;
        assert_eq!(reqwest::get(open.url("sys/in-flight-req")).await.unwrap().status(), 200, "{stanza}");
    }
    let closed = listener("tls_disable = 1\n disable_replication_status_endpoints = true").await;
    assert_eq!(reqwest::get(closed.url("sys/in-flight-req")).await.unwrap().status(), 403);
    assert_eq!(closed.ask("GET", "sys/replication/status", &[], "").await.status, 404);
}

#[tokio::test]
async fn a_listener_with_a_namespace_of_its_own_reaches_nothing_outside_of_it() {
    let server = listener("tls_disable = 1\n chroot_namespace = \"/team\"").await;
    assert_eq!(server.ask("GET", "sys/mounts", &[], "").await.error(), "namespace not found");
    let everywhere = format!("http://{}/v1", server.running.addresses()[0]);
    let client = reqwest::Client::new();
    for path in ["sys/namespaces/team", "team/sys/namespaces/sub", "sys/namespaces/other"] {
        let made = client.post(format!("{everywhere}/{path}")).header("X-Vault-Token", ROOT).send().await.unwrap();
        assert_eq!(made.status(), 200, "{path}");
    }
    assert_eq!(server.ask("PUT", "sys/mounts/kv", &[], r#"{"type":"kv"}"#).await.status, 204);
    let inside = [("X-Vault-Namespace", "sub")];
    assert_eq!(server.ask("PUT", "sys/mounts/kv", &inside, r#"{"type":"kv"}"#).await.status, 204);
    let shown = client.get(format!("{everywhere}/sys/mounts")).header("X-Vault-Namespace", "team");
    let shown = Answer::of(shown.header("X-Vault-Token", ROOT).send().await.unwrap()).await.json();
    assert!(shown["data"]["kv/"].is_object() && shown["data"]["secret/"].is_null(), "{shown}");
    assert_eq!(server.ask("GET", "secret/config", &[], "").await.status, 404);
    assert_eq!(server.ask("GET", "other/sys/mounts", &[], "").await.status, 404);
    assert_eq!(server.ask("GET", "sys/mounts", &[("X-Vault-Namespace", "other")], "").await.status, 404);
    assert_eq!(server.ask("GET", "sys/raw/core/x", &[], "").await.status, 400);
    assert_eq!(server.ask("PUT", "sys/seal", &[], "").await.error(), "operation unavailable in namespaces");
    assert!(server.is_well().await);
}
