//! Whoever reads the log as it is written (`sys/monitor`). Each has a level of its own, which the log's own level does
//! not bound.
use crate::logging::{Lines, lines, targets};
use lessor_core::logs::Form;
use std::io::{Result, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::{Layer, Registry, reload};

/// Lines that may wait for one reader.
const QUEUE: usize = 512;

struct Follower {
    level: Level,
    form: Form,
    to: Sender<Vec<u8>>,
    lost: u64,
}

/// All of them.
#[derive(Default)]
pub struct Followers {
    all: Mutex<Vec<Follower>>,
    filter: OnceLock<reload::Handle<Targets, Registry>>,
}

impl std::fmt::Debug for Followers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Followers")
    }
}

impl Followers {
    /// None yet, and the part of the log that serves them.
    pub fn new() -> (Arc<Self>, Lines) {
        let followers = Arc::new(Self::default());
        let (filter, handle) = reload::Layer::new(Targets::new());
        // It is new: nobody has set it.
        let _ = followers.filter.set(handle);
        let writer = |form| BoxMakeWriter::new(Fan { followers: Arc::clone(&followers), form });
        let layers = vec![lines(writer(Form::Standard), false), lines(writer(Form::Json), true)];
        (followers, layers.with_filter(filter).boxed())
    }
    /// One more, until the receiver is dropped.
    pub fn add(self: &Arc<Self>, level: Level, form: Form) -> Receiver<Vec<u8>> {
        let (to, from) = mpsc::channel(QUEUE);
        let left = to.clone();
        self.change(|all| all.push(Follower { level, form, to, lost: 0 }));
        let followers = Arc::clone(self);
        tokio::spawn(async move {
            left.closed().await;
            followers.change(|all| all.retain(|follower| !follower.to.is_closed()));
        });
        from
    }
    fn change(&self, change: impl FnOnce(&mut Vec<Follower>)) {
        let finest = {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut all);
            all.iter().map(|follower| follower.level).max()
        };
        let wanted = finest.map_or_else(Targets::new, targets);
        if let Some(Err(error)) = self.filter.get().map(|filter| filter.reload(wanted)) {
            tracing::warn!(%error, "followers of the log see another level than they asked for");
        }
    }
    fn send(&self, line: &[u8], level: Level, form: Form) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        for follower in all.iter_mut().filter(|follower| follower.form == form && level <= follower.level) {
            if follower.lost > 0 {
                let told = follower.to.try_send(lost(follower.form, follower.lost));
                if told.is_ok() {
                    follower.lost = 0;
                }
            }
            if let Err(TrySendError::Full(_)) = follower.to.try_send(line.to_vec()) {
                follower.lost += 1;
            }
        }
    }
}

/// What a reader is told who was too slow.
fn lost(form: Form, count: u64) -> Vec<u8> {
    match form {
        Form::Standard => format!("{count} lines were lost: this reader is too slow\n").into_bytes(),
        Form::Json => format!("{{\"lost_lines\":{count}}}\n").into_bytes(),
    }
}

/// Where the lines of one form go.
struct Fan {
    followers: Arc<Followers>,
    form: Form,
}

/// Where the lines of one level go.
struct Leveled<'a> {
    fan: &'a Fan,
    level: Level,
}

impl<'a> MakeWriter<'a> for Fan {
    type Writer = Leveled<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Leveled { fan: self, level: Level::ERROR }
    }
    fn make_writer_for(&'a self, of: &Metadata<'_>) -> Self::Writer {
        Leveled { fan: self, level: *of.level() }
    }
}

impl Write for Leveled<'_> {
    fn write(&mut self, line: &[u8]) -> Result<usize> {
        self.fan.followers.send(line, self.level, self.fan.form);
        Ok(line.len())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[tokio::test]
    async fn each_reader_gets_its_level_in_its_form_and_nothing_after_it_left() {
        let (followers, layer) = Followers::new();
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let mut coarse = followers.add(Level::WARN, Form::Standard);
        let mut fine = followers.add(Level::DEBUG, Form::Json);
        tracing::debug!(target: "lessor", "small");
        tracing::warn!(target: "lessor", "great");
        let mut next = || String::from_utf8(coarse.try_recv().unwrap()).unwrap();
        assert!(next().contains("great"));
        for word in ["small", "great"] {
            let line: serde_json::Value = serde_json::from_slice(&fine.try_recv().unwrap()).unwrap();
            assert_eq!(line["fields"]["message"], word);
        }
        drop(fine);
        while followers.all.lock().unwrap().len() > 1 {
            tokio::task::yield_now().await;
        }
        tracing::debug!(target: "lessor", "unheard");
        assert!(coarse.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_told_how_much_it_missed() {
        let followers = Arc::new(Followers::default());
        let mut slow = followers.add(Level::INFO, Form::Standard);
        for _ in 0..QUEUE + 3 {
            followers.send(b"line\n", Level::INFO, Form::Standard);
        }
        assert_eq!(slow.recv().await.unwrap(), b"line\n");
        assert_eq!(slow.recv().await.unwrap(), b"line\n");
        followers.send(b"last\n", Level::INFO, Form::Standard);
        let mut rest = Vec::new();
        while let Ok(line) = slow.try_recv() {
            rest.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(rest[rest.len() - 2..], ["3 lines were lost: this reader is too slow\n", "last\n"]);
    }
}
