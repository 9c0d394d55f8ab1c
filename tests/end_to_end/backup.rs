//! Backup and restore of a real server on the embedded storage, typed at the command line.
use crate::lessor::Lessor;
use crate::targets::tool;
use lessor_client::{Client, Config, Method, Request, Token};
use serde_json::json;

fn value(lessor: &Lessor) -> String {
    lessor.cli(&["kv", "get", "-field=x", "kv/a"]).1.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_by_either_command_line_brings_everything_back_on_the_same_server_and_on_another() {
    let bao = tool("bao-2.7.2", "bao");
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let lessor = Lessor::initialised(directories[0].path()).await;
    lessor.write("sys/mounts/kv", json!({ "type": "kv" })).await;
    lessor.write("kv/a", json!({ "x": "1" })).await;
    let file = directories[0].path().join("backup.snap");
    let name = file.to_str().unwrap();
    let (code, text) = lessor.typed(&bao, &["operator", "raft", "snapshot", "save", name]);
    assert_eq!(code, 0, "{text}");
    let plain = std::fs::read(&file).unwrap();
    assert!(plain.starts_with(&[0x1f, 0x8b]), "it is gzip");
    lessor.write("kv/a", json!({ "x": "2" })).await;
    let (code, text) = lessor.cli(&["operator", "snapshot", "restore", name]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(value(&lessor), "1");
    lessor.write("kv/a", json!({ "x": "3" })).await;
    assert_eq!(lessor.typed(&bao, &["operator", "raft", "snapshot", "restore", name]).0, 0);
    assert_eq!(value(&lessor), "1");
    let lessor = lessor.kill_and_restart().await;
    assert_eq!(value(&lessor), "1");

    // Another server with the same seal, where the keys are others all the same.
    let mut other = Lessor::initialised(directories[1].path()).await;
    let (code, text) = other.cli(&["operator", "snapshot", "restore", name]);
    assert!(code == 2 && text.contains("made with other keys"), "{text}");
    assert_eq!(other.cli(&["operator", "snapshot", "restore", "-force", name]).0, 0);
    let mut other = {
        other.token.clone_from(&lessor.token);
        other.kill_and_restart().await
    };
    other.token.clone_from(&lessor.token);
    assert_eq!(value(&other), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_the_right_to_fills_the_disk_with_an_upload() {
    let directory = tempfile::tempdir().unwrap();
    let lessor = Lessor::initialised(directory.path()).await;
    let made = lessor.write("auth/token/create", json!({ "policies": "default" })).await;
    for token in ["", "wrong", made["auth"]["client_token"].as_str().unwrap()] {
        let config = Config {
            address: lessor.address.clone(),
            token: Some(Token::new(token)),
            max_retries: 0,
            ..Config::default()
        };
        let upload = Request::new(Method::Post, "sys/storage/raft/snapshot").bytes(vec![0; 64 << 20]);
        let refused = Client::new(config).unwrap().send(upload).await;
        // The server answers before the body has come; whether the client sees that or a closed connection is chance.
        assert!(refused.is_err(), "{token:?}");
    }
    let (status, text) =
        lessor.refused(Request::new(Method::Post, "sys/storage/raft/snapshot").bytes(vec![7; 100])).await;
    assert_eq!(status, 400, "{text}");
    assert!(text.contains("no snapshot of Lessor"), "{text}");
}
