//! An HTTP server that answers as a test tells it to, and remembers what it was asked.
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// The tenant that a refusal for want of a token names, and the service the token is for, as Microsoft's do.
pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub const VAULTS: &str = "vault.azure.net";

/// A request as it arrived; header names are in lower case.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

type Answer = Arc<dyn Fn(&Asked) -> (u16, Value) + Send + Sync>;

type Log = Arc<Mutex<Vec<Asked>>>;

/// Runs until the test ends.
pub struct StandIn {
    pub address: String,
    /// The same over TLS, for clients that insist on it, once [`StandIn::secure`] was called.
    pub https: String,
    directory: tempfile::TempDir,
    answer: Answer,
    asked: Log,
}

fn read(stream: &mut impl Read) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut asked = Asked { method, path, headers, body: String::new() };
    let mut body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Some(asked)
}

/// What a client that shows no token is told about where to get one.
fn challenge(request: &Asked, status: u16) -> String {
    let host = request.header("host");
    match status {
        401 => format!(
            "WWW-Authenticate: Bearer authorization=\"https://{host}/{TENANT}\", resource=\"https://{VAULTS}\"\r\n"
        ),
        _ => String::new(),
    }
}

fn serve(mut stream: impl Read + Write, answer: &Answer, log: &Log) {
    let Some(request) = read(&mut stream) else { return };
    let (status, body) = answer(&request);
    let challenge = challenge(&request, status);
    log.lock().unwrap().push(request);
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n{challenge}\r\n"
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
    let _ = stream.flush();
}

impl StandIn {
    pub fn start(answer: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (answer, asked): (Answer, Log) = (Arc::new(answer), Arc::default());
        let (replies, log) = (Arc::clone(&answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &replies, &log);
            }
        });
        Self { address, https: String::new(), directory: tempfile::tempdir().unwrap(), answer, asked }
    }
    /// Answers over TLS, too, as `localhost`.
    pub fn secure(self) -> Self {
        self.secure_as(&["subjectAltName=DNS:localhost,IP:127.0.0.1"])
    }
    /// Answers over TLS, too, with a certificate that has these extensions.
    pub fn secure_as(mut self, extensions: &[&str]) -> Self {
        let made = Command::new("openssl")
            .args("req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 2 -subj /CN=localhost".split(' '))
            .args(extensions.iter().flat_map(|extension| ["-addext", extension]))
            .current_dir(self.directory.path())
            .output()
            .unwrap();
        assert!(made.status.success());
        let chain = vec![CertificateDer::from_pem_file(self.certificate()).unwrap()];
        let key = PrivateKeyDer::from_pem_file(self.directory.path().join("k.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.https = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (replies, log) = (Arc::clone(&self.answer), Arc::clone(&self.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                serve(StreamOwned::new(connection, stream), &replies, &log);
            }
        });
        self
    }
    /// The certificate that clients of [`StandIn::https`] trust.
    pub fn certificate(&self) -> std::path::PathBuf {
        self.directory.path().join("c.pem")
    }
    /// Everything it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
    /// How often this path was asked for.
    pub fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.path == path).count()
    }
}
