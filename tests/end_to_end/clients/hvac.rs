//! hvac, the Python client.
use super::Place;
use crate::targets::tool;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn every_flow_of_hvacs_users_works() {
    let place = Place::new().await;
    let mut command = Command::new(tool("hvac-2", "python"));
    command.args(["-W", "ignore::DeprecationWarning", "-c", include_str!("hvac_flows.py")]);
    assert_eq!(place.run(command).await.len(), 13);
    assert!(place.postgres.made().is_empty());
}
