//! A name server for one test: every host name is on this machine, TXT records are those the test sets.
use std::collections::HashMap;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};

/// Answers over UDP until the test's process ends.
#[derive(Clone)]
pub struct Names {
    pub address: String,
    texts: Arc<Mutex<HashMap<String, Vec<String>>>>,
}

/// The question's name, and where the question ends.
fn question(packet: &[u8]) -> Option<(String, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let len = usize::from(*packet.get(at)?);
        at += 1;
        if len == 0 {
            return Some((labels.join("."), at + 4));
        }
        labels.push(String::from_utf8_lossy(packet.get(at..at + len)?).to_lowercase());
        at += len;
    }
}

fn answer(packet: &[u8], texts: &HashMap<String, Vec<String>>) -> Option<Vec<u8>> {
    let (name, end) = question(packet)?;
    let kind = u16::from_be_bytes([*packet.get(end - 4)?, *packet.get(end - 3)?]);
    let values: Vec<Vec<u8>> = match kind {
        1 => vec![vec![127, 0, 0, 1]],
        16 => {
            let known = texts.get(&name).cloned().unwrap_or_default();
            known.iter().map(|text| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()).collect()
        }
        _ => Vec::new(),
    };
    let count = u8::try_from(values.len()).ok()?;
    // An answer, recursion available, one question.
    let mut out = [&packet[..2], &[0x85, 0x80, 0, 1, 0, count, 0, 0, 0, 0], &packet[12..end]].concat();
    for value in values {
        let len = u16::try_from(value.len()).ok()?.to_be_bytes();
        out.extend([&[0xc0, 12], &kind.to_be_bytes()[..], &[0, 1, 0, 0, 0, 0], &len, &value].concat());
    }
    Some(out)
}

impl Names {
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let texts: Arc<Mutex<HashMap<String, Vec<String>>>> = Arc::default();
        let known = Arc::clone(&texts);
        std::thread::spawn(move || {
            let mut packet = [0; 1024];
            while let Ok((len, from)) = socket.recv_from(&mut packet) {
                if let Some(answer) = answer(&packet[..len], &known.lock().unwrap()) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, texts }
    }

    pub fn set_text(&self, name: &str, text: &str) {
        self.texts.lock().unwrap().entry(name.to_lowercase()).or_default().push(text.to_owned());
    }
}
