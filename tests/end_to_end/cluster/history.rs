//! What clients did to key-value registers, for a checker of linearizability.
use std::sync::Mutex;
use std::time::Instant;
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};
use todc_utils::specifications::Specification;

/// One operation on a register; 0 is what nobody wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Read(Option<u64>),
    Write(u64),
}

#[derive(Clone, Debug)]
struct Register;

impl Specification for Register {
    type State = u64;
    type Operation = Operation;
    fn init() -> u64 {
        0
    }
    fn apply(operation: &Operation, state: &u64) -> (bool, u64) {
        match operation {
            Operation::Read(seen) => (*seen == Some(*state), *state),
            Operation::Write(value) => (true, *value),
        }
    }
}

#[derive(Clone, Copy)]
struct Done {
    called: Instant,
    /// `None`: nobody knows whether it happened, or when.
    returned: Option<Instant>,
    operation: Operation,
}

/// The operations on one register.
#[derive(Default)]
pub struct Log(Mutex<Vec<Done>>);

impl Log {
    pub fn note(&self, called: Instant, returned: Option<Instant>, operation: Operation) {
        self.0.lock().unwrap().push(Done { called, returned, operation });
    }
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
    pub fn is_linearizable(&self) -> bool {
        let done = self.0.lock().unwrap();
        let end = done.iter().filter_map(|done| done.returned.max(Some(done.called))).max();
        let Some(end) = end else { return true };
        let mut events = Vec::new();
        for (process, done) in done.iter().enumerate() {
            let asked = match done.operation {
                Operation::Read(_) => Operation::Read(None),
                write => write,
            };
            events.push((done.called, false, process, Action::Call(asked)));
            // What nobody knows of may have happened at any time until the end.
            let returned = done.returned.unwrap_or(end + std::time::Duration::from_secs(1));
            events.push((returned, true, process, Action::Response(done.operation)));
        }
        events.sort_by_key(|(at, returns, process, _)| (*at, *returns, *process));
        let actions = events.into_iter().map(|(_, _, process, action)| (process, action)).collect();
        WGLChecker::<Register>::is_linearizable(History::from_actions(actions))
    }
}

#[test]
fn the_checker_tells_a_stale_read_from_a_concurrent_one() {
    use std::time::Duration;
    let begin = Instant::now();
    let at = |milliseconds| begin + Duration::from_millis(milliseconds);
    let log = Log::default();
    log.note(at(0), Some(at(10)), Operation::Write(1));
    log.note(at(20), Some(at(40)), Operation::Write(2));
    log.note(at(25), Some(at(35)), Operation::Read(Some(1)));
    log.note(at(50), None, Operation::Write(3));
    log.note(at(60), Some(at(70)), Operation::Read(Some(2)));
    log.note(at(80), Some(at(90)), Operation::Read(Some(3)));
    assert!(log.is_linearizable());
    log.note(at(100), Some(at(110)), Operation::Read(Some(1)));
    assert!(!log.is_linearizable());
}
