//! A closed loop of several clients.
use crate::http::Connection;
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

/// Runs `clients` for `seconds`, after a warm-up of a fifth of it.
pub fn run(port: u16, token: &str, clients: usize, seconds: f64, ask: &Ask<'_>) -> std::io::Result<Cell> {
    let warm = Instant::now() + Duration::from_secs_f64(seconds / 5.0);
    let end = warm + Duration::from_secs_f64(seconds);
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|client| {
                scope.spawn(move || {
                    let mut connection = Connection::open(port, token)?;
                    let (mut times, mut failed, mut number) = (Vec::new(), 0, 0);
                    loop {
                        let (method, path, body) = ask(client, number);
                        number += 1;
                        let begun = Instant::now();
                        if begun >= end {
                            return Ok((times, failed));
                        }
                        let (status, _) = connection.ask(method, &path, &body)?;
                        if begun >= warm {
                            times.push(begun.elapsed());
                            failed += usize::from(status >= 300);
                        }
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(std::io::Error::other("a client panicked"))))
            .collect::<std::io::Result<Vec<_>>>()
    })?;
    let failed = results.iter().map(|(_, failed)| failed).sum();
    let mut times: Vec<Duration> = results.into_iter().flat_map(|(times, _)| times).collect();
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    Ok(Cell { rate: as_f64(times.len()) / seconds, p50: at(50), p99: at(99), failed })
}

/// Counts here are far below what a float holds exactly.
#[allow(clippy::cast_precision_loss, reason = "counts of requests")]
pub fn as_f64(count: usize) -> f64 {
    count as f64
}
