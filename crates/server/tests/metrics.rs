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

#[tokio::test]
async fn the_ways_of_tokens_and_of_revocations_are_timed_under_vaults_names() {
    let server = dev("").await;
    let made = server.ask("POST", "auth/token/create", &[], r#"{"policies":["default"],"ttl":"1h"}"#).await.json();
    let body = |id: &str| format!(r#"{{"token":"{id}"}}"#);
    let token = made["auth"]["client_token"].as_str().unwrap();
    for (path, body) in [
        ("auth/token/renew", body(token)),
        ("auth/token/revoke", body(token)),
        ("sys/leases/lookup", r#"{"lease_id":"none"}"#.to_owned()),
        ("sys/leases/revoke-prefix/none", String::new()),
        ("sys/leases/revoke-force/none", String::new()),
    ] {
        server.ask("PUT", path, &[], &body).await;
    }
    let text = server.ask("GET", "sys/metrics?format=prometheus", &[], "").await.text;
    for name in [
        "core_check_token",
        "token_create",
        "token_store",
        "token_lookup",
        "expire_register_auth",
        "expire_renew_token",
        "expire_fetch_lease_times",
        "expire_revoke_by_token",
        "expire_revoke_prefix",
        "expire_revoke_force",
    ] {
        assert!(text.contains(&format!("vault_{name}_count ")), "{name}: {text}");
    }
}

/// Asks until the text is there: what is counted behind the requests comes when it comes.
async fn eventually(server: &support::Server, wanted: &str) -> String {
    let asking = async {
        loop {
            let shown = server.ask("GET", "sys/metrics?format=prometheus", &[], "").await.text;
            if shown.contains(wanted) {
                return shown;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), asking).await.unwrap_or_else(|_| panic!("no {wanted}"))
}

#[tokio::test]
async fn tokens_leases_and_entities_are_counted_behind_the_requests() {
    let server = dev("telemetry { usage_gauge_period = \"1s\" }").await;
    for _ in 0..2 {
        let made = server.ask("POST", "auth/token/create", &[], r#"{"policies":["counted"],"ttl":"50m"}"#).await;
        assert_eq!(made.status, 200);
    }
    let shown = eventually(&server, "vault_token_count_by_policy{policy=\"counted\"} 2").await;
    for name in [
        "vault_expire_num_leases ",
        "vault_expire_num_irrevocable_leases ",
        "vault_identity_num_entities ",
        "vault_token_count ",
        "vault_token_count_by_ttl{creation_ttl=\"1h\"} ",
    ] {
        assert!(shown.contains(name), "{name}: {shown}");
    }
    let accessors = server.ask("LIST", "auth/token/accessors", &[], "").await.json();
    for accessor in accessors["data"]["keys"].as_array().unwrap() {
        let shown =
            server.ask("POST", "auth/token/lookup-accessor", &[], &format!("{{\"accessor\":{accessor}}}")).await;
        if shown.text.contains("counted") {
            let body = format!("{{\"accessor\":{accessor}}}");
            assert_eq!(server.ask("POST", "auth/token/revoke-accessor", &[], &body).await.status, 204);
        }
    }
    // A value that nothing has any more is told as zero, not as what it was.
    eventually(&server, "vault_token_count_by_policy{policy=\"counted\"} 0").await;
}

#[tokio::test]
async fn creations_mounts_and_the_process_have_figures_and_json_tells_the_spread_of_times() {
    let server = dev("").await;
    let made =
        server.ask("POST", "auth/token/create", &[], r#"{"ttl":"15m","type":"batch","policies":["default"]}"#).await;
    assert_eq!(made.status, 200);
    let shown = server.ask("GET", "sys/metrics?format=prometheus", &[], "").await.text;
    let creation = shown.lines().find(|line| line.starts_with("vault_token_creation{") && line.contains("batch"));
    let creation = creation.unwrap_or_else(|| panic!("{shown}"));
    for label in ["auth_method=\"token\"", "mount_point=\"auth/token/\"", "creation_ttl=\"20m\""] {
        assert!(creation.contains(label), "{label}: {creation}");
    }
    for name in [
        "vault_core_mount_table_num_entries{type=\"logical\",local=\"false\"} ",
        "vault_runtime_alloc_bytes ",
        "vault_runtime_num_threads ",
        "vault_runtime_cpu_seconds ",
    ] {
        assert!(shown.contains(name), "{name}: {shown}");
    }
    let json = server.ask("GET", "sys/metrics", &[], "").await.json();
    let samples = json["Samples"].as_array().unwrap();
    let handled = samples.iter().find(|sample| sample["Name"] == "vault.core.handle_request").unwrap();
    let of = |field: &str| handled[field].as_f64().unwrap();
    assert!(
        of("Count") >= 1.0 && of("Min") <= of("Mean") && of("Mean") <= of("Max") && of("Stddev") >= 0.0,
        "{handled}"
    );
}
