//! Every engine with a simulation keeps the promises through a crash at every single point. An engine is registered by one
//! test here.
#![allow(clippy::print_stdout, reason = "the count of points is what a reader of the log looks for")]
use lessor_engine::simulation::Simulation;
use lessor_testkit::crash::{self, Workflow};
use lessor_testkit::sim;

async fn exhaust(engine: &str, make: impl Fn() -> Simulation) {
    let simulated = make();
    let visited = crash::exhaust(make).await;
    println!("crash points visited: {} in {} workflows of {engine}", visited.points, visited.workflows);
    let rotations = [simulated.rotate_root.is_some(), simulated.static_role.is_some()];
    let left_out = rotations.iter().filter(|has| !**has).count();
    assert_eq!(visited.workflows, Workflow::ALL.len() - left_out);
}

#[tokio::test(start_paused = true)]
async fn no_promise_is_broken_by_a_crash_at_any_call_of_the_simplest_engine() {
    exhaust("the simplest engine", || sim::simulation().0).await;
}

#[tokio::test(start_paused = true)]
async fn no_promise_is_broken_by_a_crash_at_any_call_of_the_aws_engine() {
    exhaust("aws", lessor_engine_aws::sim::simulation).await;
}

#[tokio::test(start_paused = true)]
async fn no_promise_is_broken_by_a_crash_at_any_call_of_the_database_engine() {
    exhaust("database", lessor_engine_database::sim::simulation).await;
}

#[tokio::test(start_paused = true)]
async fn no_promise_is_broken_by_a_crash_at_any_call_of_the_rabbitmq_engine() {
    exhaust("rabbitmq", lessor_engine_rabbitmq::sim::simulation).await;
}

#[tokio::test(start_paused = true)]
async fn no_promise_is_broken_by_a_crash_at_any_call_of_the_ldap_engine() {
    exhaust("ldap", lessor_engine_ldap::sim::simulation).await;
}

#[tokio::test(start_paused = true)]
async fn no_promise_is_broken_by_a_crash_at_any_call_of_the_ssh_engines_one_time_passwords() {
    exhaust("ssh", lessor_engine_ssh::sim::simulation).await;
}

#[tokio::test(start_paused = true)]
async fn no_promise_is_broken_by_a_crash_at_any_call_of_the_kubernetes_engine() {
    exhaust("kubernetes", lessor_engine_kubernetes::sim::simulation).await;
}
