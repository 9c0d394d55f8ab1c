//! The bytes of an HTTP request: what is let through is a path that can be read in one way only.
#![no_main]
use hyper::Request;
use lessor_server::{Listener, read_request};
use libfuzzer_sys::fuzz_target;

fn request(bytes: &[u8]) -> Option<Request<Vec<u8>>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(bytes).ok()? else { return None };
    let mut request = Request::builder().method(head.method?).uri(head.path?);
    for header in head.headers.iter() {
        request = request.header(header.name, header.value);
    }
    request.body(bytes[length..].to_vec()).ok()
}

fuzz_target!(|bytes: &[u8]| {
    let Some(request) = request(bytes) else { return };
    match read_request(&Listener::plain("127.0.0.1:0"), request) {
        Ok(Some(read)) => {
            assert!(!read.path.starts_with('/') && !read.path.contains("//"), "{}", read.path);
            assert!(read.path.split('/').all(|name| name != ".."), "{}", read.path);
            assert!(!read.path.chars().any(char::is_control), "{}", read.path);
            assert!(read.namespace.is_empty() || read.namespace.ends_with('/'), "{}", read.namespace);
            assert!(read.headers.iter().all(|(name, _)| name != "x-vault-token"));
        }
        Ok(None) => {}
        Err(status) => assert!((400..500).contains(&status), "{status}"),
    }
});
