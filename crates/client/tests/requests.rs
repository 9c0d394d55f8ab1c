//! Requests against a recorder (not a server): it answers from a fixed list and keeps what it was sent.
#![allow(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use std::time::Duration;

use lessor_client::{Client, Config, Error, Method, Request, Token};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

async fn recorder(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut seen = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = Vec::new();
            let mut chunk = [0; 4096];
            loop {
                let read = stream.read(&mut chunk).await.unwrap();
                text.extend_from_slice(&chunk[..read]);
                if read == 0 || complete(&String::from_utf8_lossy(&text)) {
                    break;
                }
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            seen.push(String::from_utf8(text).unwrap());
        }
        seen
    });
    (address, task)
}

fn complete(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    body.len() >= length
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}")
}

fn config(address: &str) -> Config {
    Config {
        address: address.to_owned(),
        token: Some(Token::new("hvs.test\n")),
        retry_wait: (Duration::from_millis(1), Duration::from_millis(2)),
        ..Config::default()
    }
}

#[tokio::test]
async fn sends_the_headers_every_request_carries() {
    let (address, task) = recorder(vec![answer("200 OK", "", r#"{"data":{"a":1}}"#)]).await;
    let client =
        Client::new(Config { namespace: Some("ns1".into()), wrap_ttl: Some("1m0s".into()), ..config(&address) })
            .unwrap();
    let got = client.request(Method::Put, "kv/a b", &[("x", "y z")], Some(json!({"k": "v"}))).await.unwrap();
    assert_eq!(got.status, 200);
    assert_eq!(got.json.unwrap()["data"]["a"], 1);
    let seen = task.await.unwrap().remove(0);
    assert!(seen.starts_with("PUT /v1/kv/a%20b?x=y+z HTTP/1.1\r\n"), "{seen}");
    let lower = seen.to_lowercase();
    for header in
        ["x-vault-request: true", "x-vault-token: hvs.test", "x-vault-namespace: ns1/", "x-vault-wrap-ttl: 1m0s"]
    {
        assert!(lower.contains(header), "{header} missing in {seen}");
    }
    assert!(seen.ends_with(r#"{"k":"v"}"#));
}

#[tokio::test]
async fn retries_412_and_5xx_but_not_501() {
    let busy = answer("503 Service Unavailable", "", r#"{"errors":["busy"]}"#);
    let stale = answer("412 Precondition Failed", "", r#"{"errors":[]}"#);
    let (address, task) = recorder(vec![busy, stale, answer("204 No Content", "", "")]).await;
    let client = Client::new(config(&address)).unwrap();
    assert_eq!(client.send(Request::get("a")).await.unwrap().status, 204);
    assert_eq!(task.await.unwrap().len(), 3);

    let (address, task) = recorder(vec![answer("501 Not Implemented", "", r#"{"errors":["no"]}"#)]).await;
    let client = Client::new(config(&address)).unwrap();
    let error = client.send(Request::get("a")).await.unwrap_err();
    assert_eq!(error.status(), Some(501));
    assert_eq!(task.await.unwrap().len(), 1);
}

#[tokio::test]
async fn gives_up_after_the_last_retry_with_the_servers_errors() {
    let busy = answer("500 Internal Server Error", "", r#"{"errors":["internal error"]}"#);
    let (address, task) = recorder(vec![busy.clone(), busy.clone(), busy]).await;
    let error = Client::new(config(&address)).unwrap().send(Request::get("a")).await.unwrap_err();
    let api = error.api().unwrap();
    assert_eq!((api.status, api.errors.clone()), (500, vec!["internal error".to_owned()]));
    assert_eq!(task.await.unwrap().len(), 3);
}

#[tokio::test]
async fn follows_one_redirect_with_method_body_and_token() {
    let (target, landed) = recorder(vec![answer("204 No Content", "", "")]).await;
    let hop = answer("307 Temporary Redirect", &format!("location: {target}/v1/a\r\n"), "");
    let (address, task) = recorder(vec![hop]).await;
    let client = Client::new(config(&address)).unwrap();
    client.send(Request::put("a", json!({"b": true}))).await.unwrap();
    task.await.unwrap();
    let seen = landed.await.unwrap().remove(0);
    assert!(seen.starts_with("PUT /v1/a "), "{seen}");
    assert!(seen.contains("hvs.test") && seen.ends_with(r#"{"b":true}"#), "{seen}");
}

#[tokio::test]
async fn a_missing_server_is_a_transport_error_that_names_the_url() {
    let client = Client::new(Config { max_retries: 0, ..config("http://127.0.0.1:1") }).unwrap();
    let error = client.send(Request::get("sys/health")).await.unwrap_err();
    assert!(matches!(error, Error::Transport { timeout: false, .. }), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("GET \"http://127.0.0.1:1/v1/sys/health\": "), "{text}");
    assert!(text.contains("refused"), "{text}");
}

#[test]
fn a_token_never_shows_in_debug_output() {
    let text = format!("{:?}", config("http://h"));
    assert!(!text.contains("hvs.test"), "{text}");
}

#[test]
fn addresses_without_a_usable_scheme_are_refused() {
    for bad in ["127.0.0.1:8200", "ftp://h", ""] {
        let config = Config { address: bad.into(), ..Config::default() };
        assert!(matches!(Client::new(config), Err(Error::Address { .. })), "{bad}");
    }
}
