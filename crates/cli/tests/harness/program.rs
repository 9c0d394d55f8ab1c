//! This command line, run inside the test with its streams held.
use std::ffi::OsString;
use std::io::Write;
use std::sync::{Arc, Mutex};

use lessor_cli::{Builtins, ConfigReport, Environment, Io, run_with};

/// How a command ended and what it printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub code: i32,
    pub out: String,
    pub err: String,
}

#[derive(Clone, Default)]
pub struct Held(Arc<Mutex<Vec<u8>>>);

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Held {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

fn held_io(out: Held, input: &str) -> (Io, Held) {
    let err = Held::default();
    let io = Io {
        out: Box::new(out),
        err: Box::new(err.clone()),
        input: Box::new(std::io::Cursor::new(input.as_bytes().to_vec())),
        out_is_terminal: false,
        input_is_terminal: false,
    };
    (io, err)
}

fn builtins() -> Builtins {
    Builtins {
        server: Arc::new(|_| Box::pin(async { Ok(()) })),
        check_config: Arc::new(|_| Ok(ConfigReport::default())),
        migrate: Arc::new(|args| {
            Box::pin(async move {
                if args.config.ends_with("broken.hcl") { Err("no".to_owned()) } else { Ok(format!("{args:?}")) }
            })
        }),
    }
}

/// Runs `program words...` with this environment and input, away from any terminal.
pub async fn run(program: &str, words: &[String], env: &[(String, String)], input: &str) -> Outcome {
    let out = Held::default();
    let (io, err) = held_io(out.clone(), input);
    let args: Vec<OsString> =
        std::iter::once(program).chain(words.iter().map(String::as_str)).map(Into::into).collect();
    let code = run_with(args, builtins(), Environment::from_pairs(env.iter().cloned()), io).await;
    Outcome { code, out: out.text(), err: err.text() }
}

/// Runs a command that does not end by itself; what it prints can be read meanwhile.
pub fn watched(program: &str, words: &[String], env: &[(String, String)]) -> (Held, tokio::task::JoinHandle<()>) {
    let out = Held::default();
    let (program, words, env, held) = (program.to_owned(), words.to_vec(), env.to_vec(), out.clone());
    let task = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (io, _err) = held_io(held, "");
        let args = std::iter::once(program).chain(words).map(Into::into).collect();
        let limit = std::time::Duration::from_secs(40);
        let work = run_with(args, builtins(), Environment::from_pairs(env), io);
        // The test has seen what it waited for, or failed, long before.
        let _ = runtime.block_on(async { tokio::time::timeout(limit, work).await });
    });
    (out, task)
}
