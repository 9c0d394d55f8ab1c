//! Whatever arrives at a listener, the server answers or closes, and goes on.
mod support;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::{listener, raw};

#[tokio::test]
async fn bodies_that_are_too_large_are_refused() {
    let server = listener("tls_disable = 1\n max_request_size = 1000").await;
    let announced =
        "POST /v1/sys/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1500\r\n\r\n".to_owned();
    let answer = raw(&server.address(), announced + &"x".repeat(1500)).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("http: request body too large"), "{answer}");
    let mut chunked = String::from("POST /v1/sys/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..8 {
        chunked += &format!("400\r\n{}\r\n", "x".repeat(1024));
    }
    let answer = raw(&server.address(), chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(server.is_well().await);
}

#[tokio::test]
async fn json_that_is_too_deep_or_too_large_names_the_bound() {
    let server = listener(
        "tls_disable = 1\n max_json_depth = 5\n max_json_string_value_length = 10\n max_json_object_entry_count = 3\n\
         max_json_array_element_count = 3\n max_json_token_count = 20",
    )
    .await;
    let nested = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, key) in [
        (nested.as_str(), "max_json_depth"),
        (r#"{"a":"12345678901"}"#, "max_json_string_value_length"),
        (r#"{"a":1,"b":1,"c":1,"d":1}"#, "max_json_object_entry_count"),
        (r#"{"a":[1,2,3,4]}"#, "max_json_array_element_count"),
        (r#"{"a":[[1,1,1],[1,1,1],[1,1,1]],"b":[[1,1,1],[1,1,1]]}"#, "max_json_token_count"),
    ] {
        let answer = server.ask("PUT", "sys/policies/password/x", &[], body).await;
        assert_eq!(answer.status, 400, "{key}");
        assert!(answer.error().contains(key), "{}", answer.error());
    }
    assert!(server.is_well().await);
}

#[tokio::test]
async fn malformed_json_and_text_that_is_no_utf8_are_refused() {
    let server = listener("tls_disable = 1").await;
    let answer = server.ask("PUT", "sys/config/cors", &[], "{bad").await;
    assert_eq!(answer.status, 400);
    assert!(answer.error().starts_with("failed to decode JSON input: "), "{}", answer.error());
    let array = server.ask("PUT", "sys/config/cors", &[], "[1]").await;
    assert!(array.error().contains("cannot unmarshal array into Go value of type map[string]interface {}"));
    let mut bytes =
        b"PUT /v1/sys/config/cors HTTP/1.1\r\nHost: a\r\nX-Vault-Token: root\r\nConnection: close\r\n".to_vec();
    bytes.extend_from_slice(b"Content-Length: 11\r\n\r\n{\"a\":\"\xff\xfe\"} ");
    let answer = raw(&server.address(), bytes).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let path =
        raw(&server.address(), b"GET /v1/sys/%ff%fe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec()).await;
    assert!(path.starts_with("HTTP/1.1 400"), "{path}");
    let header = b"GET /v1/sys/mounts HTTP/1.1\r\nHost: a\r\nX-Vault-Token: \xff\xfe\r\nConnection: close\r\n\r\n";
    let header = raw(&server.address(), header.to_vec()).await;
    assert!(header.starts_with("HTTP/1.1 403"), "{header}");
    assert!(server.is_well().await);
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let server = listener("tls_disable = 1").await;
    let heads = [
        "FROB\r\n\r\n".to_owned(),
        "GET /v1/sys/health HTTP/9.9\r\n\r\n".to_owned(),
        "GET /v1/sys/health HTTP/1.1\r\nbad header\r\n\r\n".to_owned(),
        "POST /v1/a HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "POST /v1/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(),
        "POST /v1/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n".to_owned(),
        format!("GET /v1/a HTTP/1.1\r\n{}\r\n", "X-A: b\r\n".repeat(10_000)),
        format!("GET /v1/a HTTP/1.1\r\nX-A: {}\r\n\r\n", "a".repeat(1 << 20)),
        "\u{16}\u{3}\u{1}\u{0}\u{5}hello".to_owned(),
        "\u{0}".repeat(4096),
    ];
    for head in heads {
        let answer = raw(&server.address(), head.clone()).await;
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4");
        assert!(refused, "{head:.60?}: {answer:.200}");
    }
    assert!(server.is_well().await);
}

#[tokio::test]
async fn heads_and_bodies_that_never_end_are_not_waited_for() {
    let server = listener(
        "tls_disable = 1\n http_read_header_timeout = \"400ms\"\n http_read_timeout = \"400ms\"\n \
         http_idle_timeout = \"1s\"",
    )
    .await;
    let head = raw(&server.address(), "GET /v1/sys/health HTTP/1.1\r\nHost: a\r\n").await;
    assert_eq!(head, "");
    let nothing = raw(&server.address(), "").await;
    assert_eq!(nothing, "");
    let body = raw(&server.address(), "PUT /v1/sys/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{\"a\":").await;
    assert!(body.starts_with("HTTP/1.1 408") && body.contains("was not complete within"), "{body}");
    // Longer idle than a head may take, and closed in the end.
    let began = Instant::now();
    let idle = raw(&server.address(), "GET /v1/sys/health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(idle.starts_with("HTTP/1.1 200"), "{idle}");
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    assert!(server.is_well().await);
}

#[tokio::test]
async fn a_head_that_drips_does_not_buy_time() {
    let server = listener("tls_disable = 1\n http_read_header_timeout = \"600ms\"").await;
    let address = server.address();
    let lasted = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            if stream.write_all(b"a").is_err() {
                return began.elapsed();
            }
            stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            if matches!(std::io::Read::read(&mut stream, &mut [0; 64]), Ok(0)) {
                return began.elapsed();
            }
        }
        began.elapsed()
    });
    assert!(lasted.await.unwrap() < Duration::from_secs(10));
    assert!(server.is_well().await);
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_no_request() {
    let server = listener("tls_disable = 1").await;
    let address = server.address();
    tokio::task::spawn_blocking(move || {
        for _ in 0..50 {
            let mut stream = TcpStream::connect(&address).unwrap();
            let head =
                "PUT /v1/sys/config/cors HTTP/1.1\r\nHost: a\r\nX-Vault-Token: root\r\nContent-Length: 40\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(b"{\"allowed_origins\":\"*\"}").unwrap();
        }
    })
    .await
    .unwrap();
    let read = server.ask("GET", "sys/config/cors", &[], "").await.json();
    assert_eq!(read["data"]["enabled"], false);
    assert!(server.is_well().await);
}
