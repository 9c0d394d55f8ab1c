//! node-vault, the JavaScript client.
use super::Place;
use crate::targets::cache;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn every_flow_of_node_vaults_users_works() {
    let place = Place::new().await;
    let modules = cache("node-vault-0.12").join("node_modules");
    assert!(modules.exists(), "{} is installed by `make test`", modules.display());
    let mut command = Command::new("node");
    command.args(["-e", include_str!("node_vault_flows.js")]).env("NODE_PATH", modules);
    assert_eq!(place.run(command).await.len(), 12);
    assert!(place.postgres.made().is_empty());
}
