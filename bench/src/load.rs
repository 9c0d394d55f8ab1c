//! A closed loop of several clients: one thread and one event loop for all of them, so that the measuring takes as
//! little of the cores it shares as it can.
use crate::http::request;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// What is asked, by client and number of the request: method, path and body.
pub type Ask<'a> = dyn Fn(usize, usize) -> (&'static str, String, String) + Sync + 'a;

/// One measured cell.
pub struct Cell {
    /// Per second.
    pub rate: f64,
    /// Milliseconds.
    pub p50: f64,
    /// Milliseconds.
    pub p99: f64,
    /// Answers that were no success.
    pub failed: usize,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let failed = if self.failed > 0 { format!(" ({} FAILED)", self.failed) } else { String::new() };
        write!(f, "{:7.0} / {:.2} / {:.2}{failed}", self.rate, self.p50, self.p99)
    }
}

impl Cell {
    /// Sums up the times of the answers that came within `seconds`.
    pub fn of(mut times: Vec<Duration>, failed: usize, seconds: f64) -> Self {
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3);
        Self { rate: as_f64(times.len()) / seconds, p50: at(50), p99: at(99), failed }
    }
}

struct Client {
    stream: TcpStream,
    number: usize,
    begun: Instant,
    answer: Vec<u8>,
}

impl Client {
    fn ask(&mut self, text: &str) -> Result<()> {
        self.begun = Instant::now();
        self.answer.clear();
        // A request is far smaller than a socket's buffer: it is taken whole or not at all.
        self.stream.write_all(text.as_bytes())
    }
    /// Reads what is there; the status once the answer is whole.
    fn read(&mut self) -> Result<Option<u16>> {
        let mut chunk = [0; 16_384];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(size) => {
                    self.answer.extend_from_slice(&chunk[..size]);
                    if size < chunk.len() {
                        return whole(&self.answer);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return whole(&self.answer),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The status of an answer that is there to its end.
fn whole(answer: &[u8]) -> Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(begin)) = head.parse(answer) else { return Ok(None) };
    let header = |name: &str| head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    let done = match header("content-length") {
        Some(length) => {
            let length = std::str::from_utf8(length.value).ok().and_then(|text| text.trim().parse::<usize>().ok());
            answer.len() >= begin + length.ok_or_else(|| Error::other("content-length"))?
        }
        None if header("transfer-encoding").is_some() => answer.ends_with(b"0\r\n\r\n"),
        None => true,
    };
    Ok(done.then_some(head.code.unwrap_or_default()))
}

fn connect(port: u16, poll: &Poll, at: usize) -> Result<Client> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    stream.set_nodelay(true)?;
    poll.registry().register(&mut stream, Token(at), Interest::READABLE | Interest::WRITABLE)?;
    Ok(Client { stream, number: 0, begun: Instant::now(), answer: Vec::new() })
}

/// Runs `clients` for `seconds`, after a warm-up of a fifth of it.
///
/// # Errors
/// When a connection breaks.
pub fn run(port: u16, token: &str, clients: usize, seconds: f64, ask: &Ask<'_>) -> Result<Cell> {
    run_over(&[port], token, clients, seconds, ask)
}

/// The same with the clients spread over several nodes.
///
/// # Errors
/// When a connection breaks.
pub fn run_over(ports: &[u16], token: &str, clients: usize, seconds: f64, ask: &Ask<'_>) -> Result<Cell> {
    let mut poll = Poll::new()?;
    let port = |at: usize| ports[at % ports.len()];
    let mut all = (0..clients).map(|at| connect(port(at), &poll, at)).collect::<Result<Vec<_>>>()?;
    let warm = Instant::now() + Duration::from_secs_f64(seconds / 5.0);
    let end = warm + Duration::from_secs_f64(seconds);
    let mut events = Events::with_capacity(clients.max(64));
    let (mut times, mut failed, mut open) = (Vec::new(), 0, clients);
    while open > 0 {
        poll.poll(&mut events, Some(Duration::from_secs(60)))?;
        if events.is_empty() {
            return Err(Error::new(ErrorKind::TimedOut, "no answer for a minute"));
        }
        for event in &events {
            let client = &mut all[event.token().0];
            let first = client.number == 0;
            let status = if first { None } else { client.read()? };
            if let Some(status) = status.filter(|_| client.begun >= warm) {
                times.push(client.begun.elapsed());
                failed += usize::from(status >= 300);
            }
            if (first && !event.is_writable()) || (!first && status.is_none()) {
                continue;
            }
            if Instant::now() >= end {
                open -= 1;
                poll.registry().deregister(&mut client.stream)?;
                continue;
            }
            let (method, path, body) = ask(event.token().0, client.number);
            client.number += 1;
            client.ask(&request(method, &path, &body, token))?;
        }
    }
    Ok(Cell::of(times, failed, seconds))
}

/// Counts here are far below what a float holds exactly.
#[allow(clippy::cast_precision_loss, reason = "counts of requests")]
pub fn as_f64(count: usize) -> f64 {
    count as f64
}
