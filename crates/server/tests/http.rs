//! The HTTP contract over a real socket.
mod support;

use serde_json::json;
use support::{dev, listener, raw};

#[tokio::test]
async fn answers_carry_the_headers_that_clients_expect() {
    let server = dev("enable_response_header_hostname = true").await;
    let answer = server.ask("GET", "sys/mounts", &[("X-Vault-Namespace", "root")], "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000; includeSubDomains");
    assert_eq!(answer.header("x-vault-namespace"), "root");
    assert!(!answer.header("x-vault-hostname").is_empty());
    assert!(answer.text.ends_with("}\n"));
    let empty = server.ask("DELETE", "sys/config/cors", &[], "").await;
    assert_eq!((empty.status, empty.text.as_str(), empty.header("content-type")), (204, "", "application/json"));
}

#[tokio::test]
async fn paths_outside_the_api_are_not_found_and_unclean_ones_are_never_served() {
    let server = dev("").await;
    let address = server.address();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    for path in ["/", "/v1", "/v2/sys/health", "/anything"] {
        let answer = raw(&address, get(path)).await;
        assert!(answer.starts_with("HTTP/1.1 404") && answer.contains(r#"{"errors":[]}"#), "{path}: {answer}");
    }
    let redirected = raw(&address, get("/v1//sys/health?a=b")).await;
    assert!(redirected.starts_with("HTTP/1.1 307") && redirected.contains("location: /v1/sys/health?a=b\r\n"));
    let parent = raw(&address, get("/v1/a/%2e%2e/sys/health")).await;
    assert!(parent.starts_with("HTTP/1.1 400") && parent.contains("relative paths not supported"), "{parent}");
    let control = raw(&address, get("/v1/sys/%01")).await;
    assert!(control.starts_with("HTTP/1.1 400") && !control.contains("content-type"), "{control}");
}

#[tokio::test]
async fn methods_map_to_operations_and_others_are_refused() {
    let server = dev("").await;
    for method in ["OPTIONS", "TRACE", "FROB"] {
        let answer = server.ask(method, "sys/mounts", &[], "").await;
        assert_eq!((answer.status, answer.json()), (405, json!({ "errors": [] })), "{method}");
    }
    assert_eq!(server.ask("HEAD", "sys/mounts", &[], "").await.status, 405);
    let head = server.ask("HEAD", "sys/health", &[], "").await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    for (method, path) in [("HELP", "sys/mounts"), ("GET", "sys/mounts?help=1")] {
        let help = server.ask(method, path, &[], "").await.json();
        assert!(help["help"].as_str().unwrap().contains("Lists the mounts."), "{help}");
    }
    assert_eq!(server.ask("GET", "sys/mounts?list=yes", &[], "").await.status, 400);
    assert_eq!(server.ask("PUT", "sys/mounts/", &[], "{}").await.error(), "cannot write to a path ending in '/'");
    assert_eq!(server.ask("PATCH", "sys/mounts/x", &[], "{}").await.status, 415);
}

#[tokio::test]
async fn namespaces_other_than_the_root_do_not_exist() {
    let server = dev("").await;
    let header = [("X-Vault-Namespace", "team/")];
    let health = server.ask("GET", "sys/health", &header, "").await;
    assert_eq!((health.status, health.error().as_str()), (400, "operation unavailable in namespaces"));
    let mounts = server.ask("GET", "sys/mounts", &header, "").await;
    assert_eq!((mounts.status, mounts.error().as_str()), (404, "namespace not found"));
}

#[tokio::test]
async fn tokens_come_in_two_headers_and_long_ones_are_refused() {
    let server = listener("tls_disable = 1\n max_token_header_size = 16").await;
    let bearer = [("X-Vault-Token", ""), ("Authorization", "Bearer root")];
    let client = reqwest::Client::new();
    let answer = client.get(server.url("sys/mounts")).header("Authorization", "Bearer root").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let empty = client.get(server.url("sys/mounts")).header(bearer[0].0, bearer[0].1).header(bearer[1].0, bearer[1].1);
    assert_eq!(empty.send().await.unwrap().status(), 200);
    let long = client.get(server.url("sys/mounts")).header("X-Vault-Token", "t".repeat(17)).send().await.unwrap();
    assert_eq!(long.status(), 431);
}

#[tokio::test]
async fn listeners_hide_what_the_operator_hides_and_may_ask_for_the_request_header() {
    let server =
        listener("tls_disable = 1\n redact_version = true\n redact_cluster_name = 1\n require_request_header = true")
            .await;
    let without = server.ask("GET", "sys/health", &[], "").await;
    assert_eq!((without.status, without.error().as_str()), (412, "missing \"X-Vault-Request\" header"));
    let header = [("X-Vault-Request", "true")];
    for path in ["sys/health", "sys/seal-status"] {
        let body = server.ask("GET", path, &header, "").await.json();
        assert_eq!((&body["version"], &body["cluster_name"]), (&json!(""), &json!("")), "{path}");
    }
}

#[tokio::test]
async fn custom_headers_go_with_their_status_and_follow_a_reload() {
    let config = |value: &str| {
        format!(
            "listener \"tcp\" {{ address = \"127.0.0.1:0\"\n tls_disable = 1\n custom_response_headers {{ \
             \"default\" = {{ \"X-Own\" = [\"{value}\"], \"Cache-Control\" = [\"private\"] }} \
             \"4xx\" = {{ \"X-Own\" = [\"refused\"] }} }} }}"
        )
    };
    let server = dev(&config("one")).await;
    let found = server.ask("GET", "sys/mounts", &[], "").await;
    assert_eq!((found.header("x-own"), found.header("cache-control")), ("one", "private"));
    assert_eq!(server.ask("GET", "nope", &[], "").await.header("x-own"), "refused");
    server.rewrite(&config("two"));
    server.running.reload().await;
    assert_eq!(server.ask("GET", "sys/mounts", &[], "").await.header("x-own"), "two");
    server.rewrite("listener {{{");
    server.running.reload().await;
    assert_eq!(server.ask("GET", "sys/mounts", &[], "").await.header("x-own"), "two");
}

#[tokio::test]
async fn browsers_of_allowed_origins_may_ask_and_others_may_not() {
    let server = dev("").await;
    let here = [("Origin", "http://here")];
    assert_eq!(server.ask("GET", "sys/mounts", &here, "").await.header("access-control-allow-origin"), "");
    let none = server.ask("PUT", "sys/config/cors", &[], "{}").await;
    assert_eq!(none.status, 500);
    assert!(none.error().contains("at least one origin or the wildcard must be provided"), "{}", none.text);
    let set = r#"{"allowed_origins":"http://here,http://there","allowed_headers":["X-Own"]}"#;
    assert_eq!(server.ask("PUT", "sys/config/cors", &[], set).await.status, 204);
    let read = server.ask("GET", "sys/config/cors", &[], "").await.json();
    assert_eq!((&read["data"]["enabled"], &read["enabled"]), (&json!(true), &json!(true)));
    let answer = server.ask("GET", "sys/mounts", &here, "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "http://here"));
    let elsewhere = server.ask("GET", "sys/mounts", &[("Origin", "http://else")], "").await;
    assert_eq!((elsewhere.status, elsewhere.error().as_str()), (403, "origin not allowed"));
    let preflight = [here[0], ("Access-Control-Request-Method", "LIST")];
    let answer = server.ask("OPTIONS", "sys/mounts", &preflight, "").await;
    assert_eq!((answer.status, answer.header("access-control-max-age")), (204, "300"));
    assert!(answer.header("access-control-allow-headers").contains("X-Vault-Token"));
    assert!(answer.header("access-control-allow-headers").contains("X-Own"));
    let method = [here[0], ("Access-Control-Request-Method", "FROB")];
    assert_eq!(server.ask("OPTIONS", "sys/mounts", &method, "").await.status, 405);
    assert_eq!(server.ask("DELETE", "sys/config/cors", &[], "").await.status, 204);
    assert_eq!(server.ask("GET", "sys/config/cors", &[], "").await.json()["data"], json!({ "enabled": false }));
}

#[tokio::test]
async fn headers_of_the_ui_are_kept_and_shown() {
    let server = dev("").await;
    assert_eq!(server.ask("PUT", "sys/config/ui/headers/X-Own", &[], r#"{"values":["a","b"]}"#).await.status, 204);
    let one = server.ask("GET", "sys/config/ui/headers/x-own", &[], "").await.json();
    assert_eq!(one["data"], json!({ "value": "a" }));
    let all = server.ask("GET", "sys/config/ui/headers/X-Own?multivalue=true", &[], "").await.json();
    assert_eq!(all["data"], json!({ "values": ["a", "b"] }));
    let list = server.ask("LIST", "sys/config/ui/headers", &[], "").await.json();
    assert_eq!(list["data"]["keys"], json!(["x-own"]));
    assert_eq!(server.ask("PUT", "sys/config/ui/headers/X-Vault-A", &[], r#"{"values":"a"}"#).await.status, 400);
    assert_eq!(server.ask("DELETE", "sys/config/ui/headers/X-Own", &[], "").await.status, 204);
    assert_eq!(server.ask("GET", "sys/config/ui/headers/X-Own", &[], "").await.status, 404);
}
