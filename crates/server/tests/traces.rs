//! `otlp_endpoint`.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;

use serde_json::Value;
use std::time::Duration;
use support::dev;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Takes one message of a collector's: its path and its body.
async fn receive(listener: &TcpListener) -> (String, Value) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    loop {
        stream.read_buf(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await.unwrap();
            return (head.lines().next().unwrap().to_owned(), serde_json::from_str(body).unwrap());
        }
    }
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let all = span["attributes"].as_array().unwrap();
    &all.iter().find(|attribute| attribute["key"] == key).unwrap()["value"]
}

#[tokio::test]
async fn a_request_becomes_a_span_that_holds_nothing_secret() {
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let server = dev(&format!("telemetry {{ otlp_endpoint = \"{endpoint}\" }}")).await;
    let body = r#"{"data":{"password":"marked-value"}}"#;
    let headers = [("X-Marked", "marked-header")];
    assert_eq!(server.ask("PUT", "secret/data/marked-name?x=marked-query", &headers, body).await.status, 200);
    assert_eq!(server.ask("GET", "marked-mount/x", &[("Authorization", "Bearer marked-token")], "").await.status, 404);
    let mut spans: Vec<Value> = Vec::new();
    let receiving = async {
        while spans.len() < 2 {
            let (line, message) = receive(&collector).await;
            assert_eq!(line, "POST /v1/traces HTTP/1.1");
            assert!(!message.to_string().contains("marked"), "{message}");
            let resource = &message["resourceSpans"][0];
            assert_eq!(attribute(&resource["resource"], "service.name")["stringValue"], "lessor");
            spans.extend(resource["scopeSpans"][0]["spans"].as_array().unwrap().iter().cloned());
        }
    };
    tokio::time::timeout(Duration::from_secs(60), receiving).await.unwrap();
    let written = spans.iter().find(|span| span["name"] == "update secret/").unwrap();
    assert_eq!(attribute(written, "lessor.mount")["stringValue"], "secret/");
    assert_eq!(attribute(written, "lessor.operation")["stringValue"], "update");
    assert_eq!(attribute(written, "http.response.status_code")["intValue"], "200");
    assert_eq!(written["traceId"].as_str().unwrap().len(), 32);
    let times =
        ["startTimeUnixNano", "endTimeUnixNano"].map(|time| written[time].as_str().unwrap().parse::<u128>().unwrap());
    assert!(times[0] <= times[1]);
    let lost = spans.iter().find(|span| span["name"] == "read").unwrap();
    assert_eq!(attribute(lost, "http.response.status_code")["intValue"], "404");
}

#[tokio::test]
async fn a_dead_collector_costs_no_request() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let server = dev(&format!("telemetry {{ otlp_endpoint = \"http://127.0.0.1:{port}\" }}")).await;
    for _ in 0..20 {
        assert_eq!(server.ask("GET", "sys/mounts", &[], "").await.status, 200);
    }
    tokio::time::timeout(Duration::from_secs(30), server.running.stop()).await.unwrap();
}
