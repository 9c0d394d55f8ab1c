//! Every engine with a simulation keeps the promises through a crash at every single point. An engine is registered by one
//! test here.
#![allow(clippy::print_stdout, reason = "the count of points is what a reader of the log looks for")]
use lessor_engine::simulation::Simulation;
use lessor_testkit::crash::{self, Workflow};
use lessor_testkit::sim;

/// `without` counts the workflows that the engine does not have.
async fn exhaust(engine: &str, without: usize, make: impl Fn() -> Simulation) {
    let visited = crash::exhaust(make).await;
    println!("crash points visited: {} in {} workflows of {engine}", visited.points, visited.workflows);
    assert_eq!(visited.workflows, Workflow::ALL.len() - without);
}

#[tokio::test(start_paused = true)]
async fn no_promise_is_broken_by_a_crash_at_any_call_of_the_simplest_engine() {
    exhaust("the simplest engine", 0, || sim::simulation().0).await;
}

#[tokio::test(start_paused = true)]
async fn no_promise_is_broken_by_a_crash_at_any_call_of_the_aws_engine() {
    exhaust("aws", 0, lessor_engine_aws::sim::simulation).await;
}

#[tokio::test(start_paused = true)]
async fn no_promise_is_broken_by_a_crash_at_any_call_of_the_database_engine() {
    exhaust("database", 0, lessor_engine_database::sim::simulation).await;
}

#[tokio::test(start_paused = true)]
async fn no_promise_is_broken_by_a_crash_at_any_call_of_the_rabbitmq_engine() {
    exhaust("rabbitmq", 1, lessor_engine_rabbitmq::sim::simulation).await;
}

#[tokio::test(start_paused = true)]
async fn no_promise_is_broken_by_a_crash_at_any_call_of_the_ldap_engine() {
    exhaust("ldap", lessor_engine_ldap::sim::simulation).await;
}
