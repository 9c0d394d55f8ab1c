//! Service records, asked of a name server of the test: the protocol's own messages over UDP.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::net::SocketAddr;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use lessor_client::{Client, Config, Method, SrvLookup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// Answers `_http._tcp.vault.test.` with a record that points to `port`, and nothing else.
async fn name_server(port: u16) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut packet = [0; 1024];
        loop {
            let (length, from) = socket.recv_from(&mut packet).await.unwrap();
            let asked = Message::from_vec(&packet[..length]).unwrap();
            let query = asked.queries[0].clone();
            let mut answer = Message::response(asked.metadata.id, asked.metadata.op_code);
            answer.metadata.message_type = MessageType::Response;
            answer.metadata.recursion_available = true;
            if query.name().to_ascii() == "_http._tcp.vault.test." && query.query_type() == RecordType::SRV {
                let target = SRV::new(1, 1, port, Name::from_ascii("localhost.").unwrap());
                answer.add_answer(Record::from_rdata(query.name().clone(), 60, RData::SRV(target)));
            } else {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            answer.add_query(query);
            socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    });
    address
}

/// Answers one request and gives back its first lines.
async fn server() -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        let length = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await.unwrap();
        String::from_utf8_lossy(&head[..length]).into_owned()
    });
    (port, task)
}

fn client(address: &str, name_server: SocketAddr) -> Client {
    let srv_lookup = Some(SrvLookup { name_server: Some(name_server) });
    Client::new(Config { address: address.to_owned(), srv_lookup, max_retries: 0, ..Config::default() }).unwrap()
}

#[tokio::test]
async fn an_address_without_a_port_leads_where_its_service_record_points() {
    let (port, seen) = server().await;
    let dns = name_server(port).await;
    client("http://vault.test", dns).request(Method::Get, "sys/health", &[], None).await.unwrap();
    let seen = seen.await.unwrap().to_lowercase();
    assert!(seen.starts_with("get /v1/sys/health"), "{seen}");
    assert!(seen.contains(&format!("host: localhost:{port}")), "{seen}");
}

#[tokio::test]
async fn an_address_with_a_port_is_taken_as_it_is() {
    let (port, seen) = server().await;
    // A name server that would lead astray.
    let dns = name_server(1).await;
    client(&format!("http://127.0.0.1:{port}"), dns).request(Method::Get, "sys/health", &[], None).await.unwrap();
    assert!(seen.await.unwrap().contains("/v1/sys/health"));
}

#[tokio::test]
async fn a_name_without_a_service_record_is_used_as_it_is() {
    let dns = name_server(1).await;
    let refused = client("http://none.invalid", dns).request(Method::Get, "sys/health", &[], None).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("http://none.invalid/"), "{text}");
}
