//! Every engine with a simulation keeps the promises through a crash at every single point.
#![allow(clippy::print_stdout, reason = "the count of points is what a reader of the log looks for")]
use lessor_testkit::{crash, sim};

#[tokio::test(start_paused = true)]
async fn no_promise_is_broken_by_a_crash_at_any_call() {
    let visited = crash::exhaust(|| sim::simulation().0).await;
    println!("crash points visited: {} in {} workflows of the engine sim", visited.points, visited.workflows);
    assert_eq!(visited.workflows, crash::Workflow::ALL.len());
}
