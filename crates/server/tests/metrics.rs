//! `sys/metrics`.
mod support;

use support::{dev, listener};

#[tokio::test]
async fn figures_are_read_in_both_formats_under_vaults_names_and_hold_no_secret() {
    let server = dev("").await;
    let secret = r#"{"data":{"password":"hunter2"}}"#;
    assert_eq!(server.ask("PUT", "secret/data/hidden-name", &[], secret).await.status, 200);
    assert_eq!(server.ask("GET", "secret/data/hidden-name", &[], "").await.status, 200);
    let text = server.ask("GET", "sys/metrics?format=prometheus", &[], "").await;
    assert_eq!(text.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for name in ["vault_core_unsealed 1", "vault_core_handle_request_count", "vault_barrier_get{quantile=\"0.5\"}"] {
        assert!(text.text.contains(name), "{name}: {}", text.text);
    }
    assert!(text.text.contains("vault_route_read_secret_"), "{}", text.text);
    let json = server.ask("GET", "sys/metrics", &[], "").await;
    let gauges = json.json()["Gauges"].to_string();
    assert!(gauges.contains("vault.core.unsealed"), "{}", json.text);
    assert!(json.json()["Samples"].to_string().contains("vault.core.handle_request"), "{}", json.text);
    for hidden in ["hunter2", "hidden-name", "password"] {
        assert!(!text.text.contains(hidden) && !json.text.contains(hidden), "{hidden}");
    }
    let unknown = server.ask("GET", "sys/metrics?format=zzz", &[], "").await;
    assert_eq!((unknown.status, unknown.text.as_str()), (400, "metric response format \"zzz\" unknown"));
    let accept = server.ask("GET", "sys/metrics", &[("Accept", "application/openmetrics-text")], "").await;
    assert!(accept.header("content-type").starts_with("text/plain"));
}

#[tokio::test]
async fn figures_need_a_token_unless_the_listener_says_otherwise() {
    let closed = listener("tls_disable = 1").await;
    assert_eq!(reqwest::get(closed.url("sys/metrics")).await.unwrap().status(), 403);
    let open = listener("tls_disable = 1\n telemetry { unauthenticated_metrics_access = true }").await;
    assert_eq!(reqwest::get(open.url("sys/metrics?format=prometheus")).await.unwrap().status(), 200);
}
